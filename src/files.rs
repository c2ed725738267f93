//! Writing files so that a reader never finds half of one, and nothing of the user's is lost.

mod array;
mod at;
mod cache;
mod clean;
mod shell;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

pub use array::{npy, npy_header, npy_header_whole, npy_values, npy_whole};
pub(crate) use at::read_exact_at;
pub use cache::cache_folder;
pub(crate) use clean::{clean, clean_files, clean_old_files};
pub(crate) use shell::quoted;
use tempfile::{NamedTempFile, TempDir};

use crate::error::{Error, Result};

/// Writes `bytes` to `path`, in place of what was there. A kill at any moment leaves the old file
/// or the new one, whole.
///
/// # Errors
/// [`Error::Io`] with the system's reason.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = NewFile::beside(path)?;
    file.write(bytes)?;
    file.replace()
}

/// Writes `bytes` to a new file, as [`replace`] does, but refuses to overwrite.
///
/// # Errors
/// [`Error::Config`] where there is a file of that name, otherwise [`Error::Io`].
pub fn create(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = NewFile::beside(path)?;
    file.write(bytes)?;
    file.finish()
}

/// A new file that is written piece by piece. It has its name, whole, only when it is finished; dropped before, it
/// leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl NewFile {
    /// Starts the file that shall lie at `path`.
    ///
    /// # Errors
    /// As [`check_new`], [`Error::Io`].
    pub fn start(path: &Path) -> Result<Self> {
        check_new(path)?;
        Self::beside(path)
    }

    /// The same, whether there is a file of that name by now or not.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn beside(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(temporary(path)?),
        })
    }

    /// Where it will lie.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes at its end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(Error::io(&self.path, "write it"))
    }

    /// Gives it its name, as [`create`] does.
    ///
    /// # Errors
    /// As [`create`].
    pub fn finish(self) -> Result<()> {
        let path = self.path.clone();
        match self
            .written()?
            .persist_noclobber(&path)
            .map_err(|e| e.error)
        {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(exists(&path)),
            other => other
                .and_then(|_| sync_folder(&path))
                .map_err(Error::io(&path, "write it")),
        }
    }

    /// Gives it its name, in place of what was there, as [`replace`] does.
    ///
    /// # Errors
    /// As [`replace`].
    pub(crate) fn replace(self) -> Result<()> {
        let path = self.path.clone();
        let file = self.written()?.persist(&path);
        file.map_err(|e| e.error)
            .and_then(|_| sync_folder(&path))
            .map_err(Error::io(&path, "write it"))
    }

    /// The temporary file, all of it on the disk.
    fn written(self) -> Result<NamedTempFile> {
        let file = self.file.into_inner().map_err(io::Error::from);
        let file = file.and_then(|file| file.as_file().sync_all().map(|()| file));
        file.map_err(Error::io(&self.path, "write it"))
    }
}

/// Writes a new folder of files, (name, bytes), whole or not at all: to a temporary folder beside it, synced,
/// renamed. Refuses to overwrite.
///
/// # Errors
/// As [`create`].
pub fn create_all(path: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    check_new(path)?;
    let mut builder = unfinished();
    open_to_all(&mut builder, 0o777);
    let folder = builder
        .tempdir_in(folder_of(path))
        .map_err(Error::io(path, "write this folder"))?;
    for (name, bytes) in files {
        write_new(&folder.path().join(name), bytes)?;
    }
    // An empty folder that came to be meanwhile is all that is replaced.
    persist_folder(folder, path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists
        | io::ErrorKind::DirectoryNotEmpty
        | io::ErrorKind::NotADirectory => exists(path),
        _ => Error::io(path, "write this folder")(e),
    })
}

/// Writes and syncs a new file in a folder that has no name of its own yet: nobody reads it before
/// [`persist_folder`].
///
/// # Errors
/// [`Error::Io`] with the system's reason.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::File::create_new(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(Error::io(path, "write it"))
}

/// Start and end of the names of what is not finished.
const PREFIX: &str = ".elbo-";
const SUFFIX: &str = ".part";

/// Makes files and folders with names of what is not finished.
pub(crate) fn unfinished() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    builder
}

/// Whether a name is one of what is not finished.
pub(crate) fn is_unfinished(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Removes a folder: first its name, so that nobody ever finds half of it under that.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let gone = folder_of(path).join(format!("{PREFIX}{name}{SUFFIX}"));
    fs::rename(path, &gone)?;
    fs::remove_dir_all(&gone)
}

/// Gives a temporary folder its name. A kill at any moment leaves the whole folder under that name, or none.
pub(crate) fn persist_folder(folder: TempDir, path: &Path) -> io::Result<()> {
    sync(folder.path())?;
    fs::rename(folder.path(), path)?;
    // There is nothing left to clean up under the temporary name.
    let _ = folder.keep();
    sync_folder(path)
}

/// Creates a folder and those above it, unless they are there, so that they survive a loss of power.
pub(crate) fn create_folders(path: &Path) -> io::Result<()> {
    let above = folder_of(path);
    if !above.is_dir() && above != path {
        create_folders(&above)?;
    }
    create_folder(path)
}

/// Creates a folder, unless it is there, so that it survives a loss of power.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other.and_then(|()| sync_folder(path)),
    }
}

/// Copies a file in place of another, unless they are equal. Not a link: whoever writes into one of two names of a
/// file writes into both.
///
/// # Errors
/// [`Error::Io`] with the system's reason.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).map_err(Error::io(from, "read it"))?;
    match fs::read(to) {
        Ok(there) if there == bytes => Ok(()),
        _ => replace(to, &bytes),
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses an output that [`create`] would refuse, before any work is done for it.
///
/// # Errors
/// [`Error::Config`] where something of that name exists; [`Error::Io`] where its folder does not.
pub fn check_new(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists(path));
    }
    let folder = folder_of(path);
    match fs::metadata(&folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Error::Io {
            path: path.to_owned(),
            doing: "write it",
            source: io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("{} is not a folder", folder.display()),
            ),
        }),
        Err(source) => Err(Error::Io {
            path: folder,
            doing: "write into this folder",
            source,
        }),
    }
}

fn exists(path: &Path) -> Error {
    Error::config(
        format!("{}: exists already and is not overwritten", path.display()),
        "another name, or remove the file first",
    )
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A temporary file in the folder of `path`, locked for as long as it is open.
fn temporary(path: &Path) -> Result<NamedTempFile> {
    let mut builder = unfinished();
    open_to_all(&mut builder, 0o666);
    let file = builder
        .tempfile_in(folder_of(path))
        .map_err(Error::io(path, "write it"))?;
    // A file system that has no locks keeps nobody from writing.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// What is temporary is its owner's alone by default; a result gets what the umask leaves of `mode`.
#[cfg(unix)]
fn open_to_all(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
}

/// Elsewhere it gets what its folder gives.
#[cfg(not(unix))]
fn open_to_all(_: &mut tempfile::Builder<'_, '_>, _: u32) {}

/// The new name itself is durable only once its folder is synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    sync(&folder_of(path))
}

/// Makes the names in a folder durable; systems other than Unix have no such call.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_refuses_to_overwrite_and_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.png");
        create(&path, b"first").expect("a new file");
        let error = create(&path, b"second").expect_err("an existing file");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("a.png"), "{error}");
        assert_eq!(fs::read(&path).expect("the file"), b"first");
        let names = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(names, 1, "a refused file leaves no temporary file behind");
    }

    #[test]
    fn replace_overwrites_with_the_whole_new_content() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.toml");
        replace(&path, b"a longer first text").expect("a new file");
        replace(&path, b"second").expect("the second text");
        assert_eq!(fs::read(&path).expect("the file"), b"second");
    }

    #[test]
    fn only_what_is_unfinished_is_cleaned_away() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at(".elbo-a.part")).expect("a folder");
        fs::write(at(".elbo-a.part/x"), "").expect("a file");
        for name in [".elbo-b.part", ".elbo-c", "d.part", "e"] {
            fs::write(at(name), "").expect("a file");
        }
        // What another command is about to finish.
        let other = NewFile::start(&at("other")).expect("a free name");
        clean(folder.path()).expect("cleaned");
        let names = [".elbo-c", "d.part", "e"].map(|name| at(name).exists());
        assert_eq!(names, [true; 3]);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 4);
        other.finish().expect("its file is still there");
    }

    #[test]
    fn folders_are_created_with_those_above_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a/b/c");
        for _ in 0..2 {
            create_folders(&path).expect("folders");
            assert!(path.is_dir());
        }
        fs::write(folder.path().join("file"), "").expect("a file");
        create_folders(&folder.path().join("file/b")).expect_err("below a file");
    }

    #[test]
    fn a_copy_replaces_what_was_there_and_stays_apart() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("new"), "new").expect("a file");
        fs::write(at("old"), "old").expect("a file");
        for _ in 0..2 {
            copy(&at("new"), &at("old")).expect("a copy");
            assert_eq!(fs::read(at("old")).expect("the file"), b"new");
        }
        fs::write(at("old"), "changed").expect("written into");
        assert_eq!(fs::read(at("new")).expect("the file"), b"new");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn written_files_are_as_readable_as_any_other_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plain = folder.path().join("plain");
        fs::write(&plain, b"").expect("a plain file");
        let ours = folder.path().join("ours");
        replace(&ours, b"").expect("our file");
        let mode = |path| fs::metadata(path).expect("metadata").permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn check_new_names_a_missing_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = check_new(&folder.path().join("missing/a.png")).expect_err("no such folder");
        assert!(error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn a_new_file_has_its_name_only_when_it_is_finished() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.npy");
        let names = || fs::read_dir(folder.path()).expect("the folder").count();
        let mut file = NewFile::start(&path).expect("a free name");
        file.write(b"first ").expect("written");
        assert!(!path.exists());
        drop(file);
        assert_eq!(names(), 0, "an unfinished file leaves nothing");
        let mut file = NewFile::start(&path).expect("a free name");
        let late = NewFile::start(&path).expect("still free");
        file.write(b"first ").expect("written");
        file.write(b"second").expect("written");
        file.finish().expect("whole");
        assert_eq!(fs::read(&path).expect("the file"), b"first second");
        assert_eq!(late.finish().expect_err("taken").exit_code(), 2);
        assert_eq!(NewFile::start(&path).expect_err("taken").exit_code(), 2);
        assert_eq!((names(), fs::read(&path).expect("the file").len()), (1, 12));
    }

    #[test]
    fn a_folder_appears_whole_and_replaces_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new");
        create_all(&path, &[("a", b"1"), ("b", b"22")]).expect("a free name");
        assert_eq!(fs::read(path.join("b")).expect("the file"), b"22");
        let again = create_all(&path, &[("a", b"3")]).expect_err("taken");
        assert_eq!(again.exit_code(), 2);
        assert_eq!(fs::read(path.join("a")).expect("the file"), b"1");
        // A name with a folder in it cannot be written: nothing stays.
        let other = folder.path().join("other");
        create_all(&other, &[("a", b"1"), ("no/b", b"2")]).expect_err("no such folder");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_folder_is_as_open_as_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [plain, ours] = ["plain", "ours"].map(|name| folder.path().join(name));
        fs::create_dir(&plain).expect("a plain folder");
        create_all(&ours, &[]).expect("our folder");
        let mode = |path| fs::metadata(path).expect("metadata").permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
