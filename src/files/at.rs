//! Reading in the middle of a file.

use std::fs::File;
use std::io;

/// Reads as many bytes as `to` has, from a place of a file, whatever others read of it meanwhile.
///
/// # Errors
/// The system's; [`io::ErrorKind::UnexpectedEof`] where the file ends before.
pub(crate) fn read_exact_at(file: &File, to: &mut [u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, to, at);
    #[cfg(windows)]
    {
        let (mut to, mut at) = (to, at);
        while !to.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(file, to, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    to = &mut to[read..];
                    at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
