//! Decoded pictures in a file, from which the next run takes them.
//!
//! It is in the safetensors format, which many programs read:
//!
//! ```text
//! images   U8 or U16 [pictures, height, width, channels], in the order of their paths; zeros for a broken one
//! seen     U8 [pictures], see `packed`
//! sha256   U8 [32], of all bytes before it
//! ```
//!
//! and its metadata say what it was made of. Whatever is not as it was makes it anew.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use sha2::{Digest, Sha256};

use super::broken::Broken;
use super::decode::{self, Form, Seen};
use super::read::Source;
use super::unread::{Unread, see_all};
use crate::data::in_files::RowFile;
use crate::data::npy::Type;
use crate::data::{Background, DataOptions, Progress};
use crate::error::{Error, Result};
use crate::files::{NewFile, clean_files, create_folders, hex, read_exact_at};
use crate::shape::ImageShape;

/// Version of the form; one that this program does not know is made anew.
const FORMAT: &str = "1";
/// Bytes of the length of the header, which a file starts with.
const LENGTH: usize = 8;
/// Most bytes of a header.
const MOST_HEADER: u64 = 1 << 16;
const HASH: usize = 32;
/// Bytes that are read at once to see whether they are as they were.
const BLOCK: usize = 1 << 20;

const IMAGES: &str = "images";
const SEEN: &str = "seen";
const SHA256: &str = "sha256";
const MADE_OF: &str = "elbo.made-of";

/// The file that belongs to some pictures.
pub(super) struct Cache {
    path: PathBuf,
    /// Hash of what it is made of.
    made_of: String,
    /// What transparent pixels of the pictures were laid on.
    background: Background,
}

impl Cache {
    /// The one in a folder for these pictures, read with these options.
    ///
    /// # Errors
    /// [`Error::Io`] for a picture that is not there any more.
    pub(super) fn of(
        folder: &Path,
        source: &Source<'_>,
        indices: &[usize],
        options: &DataOptions,
    ) -> Result<Self> {
        let DataOptions {
            image_size,
            channels,
            ..
        } = options;
        let form = format!(
            "{image_size:?} {channels:?} {:?}",
            options.source.background
        );
        let root = source
            .root
            .canonicalize()
            .map_err(Error::io(source.root, "open it"))?;
        let mut hash = Sha256::new();
        let version = env!("CARGO_PKG_VERSION");
        hash.update(format!("{FORMAT} {version} {form}\n"));
        for &index in indices {
            let picture = &source.pictures[index];
            let file = fs::metadata(&picture.path).map_err(Error::io(&picture.path, "open it"))?;
            let changed = file
                .modified()
                .ok()
                .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let (name, bytes) = (picture.name(), file.len());
            hash.update(format!("{name:?} {bytes} {changed:?}\n"));
        }
        // Other pictures of the same folder take the place of the old ones; those with a third split have their own.
        let are_all = indices.len() == source.pictures.len();
        let place = Sha256::digest(format!("{form} {are_all} {}", root.display()));
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            path: folder.join(format!("{name}-{}.safetensors", &hex(&place)[..16])),
            made_of: hex(&hash.finalize()),
            background: options.source.background.unwrap_or_default(),
        })
    }

    /// The pictures, where the file is there and as it was written, and those of them that are broken.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read.
    pub(super) fn open(
        &self,
        source: &Source<'_>,
        indices: &[usize],
    ) -> Result<Option<(Unread, Vec<Broken>)>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(reason) => return Err(Error::io(&self.path, "open it")(reason)),
        };
        let read = Error::io(&self.path, "read it");
        let length = file
            .metadata()
            .map_err(Error::io(&self.path, "read its size"))?;
        let Some(head) = Head::read(&file, length.len(), &self.made_of) else {
            return Ok(None);
        };
        let Some(seen) = head.check(&file).map_err(read)? else {
            return Ok(None);
        };
        if seen.len() != indices.len() {
            return Ok(None);
        }
        let is_broken = |(&index, seen): (&usize, &Option<Seen>)| seen.is_none().then_some(index);
        let broken: Vec<usize> = indices.iter().zip(&seen).filter_map(is_broken).collect();
        // What is wrong with them they say again.
        let (mended, broken) = source.each(&broken, &mut |_| {}, decode::check);
        if !mended.is_empty() {
            return Ok(None);
        }
        let unread = self.unread(file, &head, indices.to_vec(), seen)?;
        Ok(Some((unread, broken)))
    }

    /// Decodes all pictures into the file. `broken` is then what cannot be.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub(super) fn fill(
        self,
        source: &Source<'_>,
        form: Form,
        indices: Vec<usize>,
        broken: &mut Vec<Broken>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Unread> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        create_folders(folder).map_err(Error::io(folder, "make this folder"))?;
        clean_files(folder)?;
        let (head, bytes) =
            Head::new(&form, indices.len(), &self.made_of).map_err(Error::internal)?;
        let mut file = Hashed {
            file: NewFile::beside(&self.path)?,
            hash: Sha256::new(),
        };
        file.write(&bytes)?;
        let mut seen = Vec::with_capacity(indices.len());
        let mut write = |values: &[u8]| file.write(values);
        see_all(
            source, &form, &indices, broken, &mut seen, &mut write, progress,
        )?;
        let packed: Vec<u8> = seen.iter().copied().map(packed).collect();
        file.write(&packed)?;
        file.finish()?;
        let file = File::open(&self.path).map_err(Error::io(&self.path, "open it"))?;
        self.unread(file, &head, indices, seen)
    }

    fn unread(
        &self,
        file: File,
        head: &Head,
        indices: Vec<usize>,
        seen: Vec<Option<Seen>>,
    ) -> Result<Unread> {
        let numbers = match head.wide {
            true => Type::UINT16,
            false => Type::BYTES,
        };
        let form = (indices.len(), head.shape);
        let rows = RowFile::new((file, &self.path), head.start, numbers, form)?;
        Ok(Unread {
            form: Form {
                shape: head.shape,
                background: self.background,
                wide: head.wide,
            },
            files: Arc::new(rows),
            indices,
            seen,
        })
    }
}

/// What a file holds, and where.
struct Head {
    /// Bytes before the images.
    start: u64,
    pictures: usize,
    shape: ImageShape,
    /// Whether values have 16 bits.
    wide: bool,
}

impl Head {
    /// The header of a file, and what it says.
    fn new(form: &Form, pictures: usize, made_of: &str) -> Result<(Self, Vec<u8>), String> {
        let mut head = Self {
            start: 0,
            pictures,
            shape: form.shape,
            wide: form.wide,
        };
        let ImageShape {
            height,
            width,
            channels,
        } = form.shape;
        let images = (
            IMAGES,
            head.dtype(),
            vec![pictures, height, width, channels],
        );
        let mut end = 0;
        let tensors = [
            images,
            (SEEN, Dtype::U8, vec![pictures]),
            (SHA256, Dtype::U8, vec![HASH]),
        ];
        let tensors = tensors.map(|(name, dtype, shape)| {
            let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            let data_offsets = (end, end + bytes);
            end += bytes;
            (
                name.to_owned(),
                TensorInfo {
                    dtype,
                    shape,
                    data_offsets,
                },
            )
        });
        let made_of = HashMap::from([(MADE_OF.to_owned(), made_of.to_owned())]);
        let metadata = Metadata::new(Some(made_of), tensors.into());
        let metadata = metadata.map_err(|error| error.to_string())?;
        let mut text = serde_json::to_vec(&metadata).map_err(|error| error.to_string())?;
        // Readers want the values at a multiple of eight bytes.
        text.resize(text.len().next_multiple_of(LENGTH), b' ');
        head.start = (LENGTH + text.len()) as u64;
        Ok((
            head,
            [&(text.len() as u64).to_le_bytes(), &text[..]].concat(),
        ))
    }

    /// What the header of a file of `length` bytes says, unless it is something else or of other pictures.
    fn read(file: &File, length: u64, made_of: &str) -> Option<Self> {
        let mut start = [0; LENGTH];
        read_exact_at(file, &mut start, 0).ok()?;
        let size = u64::from_le_bytes(start);
        let mut text = vec![0; usize::try_from(size).ok().filter(|_| size <= MOST_HEADER)?];
        read_exact_at(file, &mut text, LENGTH as u64).ok()?;
        let metadata: Metadata = serde_json::from_slice(&text).ok()?;
        let images = metadata.info(IMAGES)?;
        let &[pictures, height, width, channels] = &images.shape[..] else {
            return None;
        };
        let head = Self {
            start: LENGTH as u64 + size,
            pictures,
            shape: ImageShape::new(height, width, channels),
            wide: images.dtype == Dtype::U16,
        };
        let is_ours = metadata.metadata().as_ref()?.get(MADE_OF)? == made_of;
        (is_ours && images.dtype == head.dtype() && length == head.end()).then_some(head)
    }

    fn dtype(&self) -> Dtype {
        match self.wide {
            true => Dtype::U16,
            false => Dtype::U8,
        }
    }

    /// Place of what was seen: behind all images.
    fn seen(&self) -> u64 {
        let images = self.pictures * self.shape.values() * self.dtype().bitsize() / 8;
        self.start + images as u64
    }

    /// Bytes of the file.
    fn end(&self) -> u64 {
        self.seen() + (self.pictures + HASH) as u64
    }

    /// What was seen of each picture; `None` where the file is not as it was written.
    fn check(&self, file: &File) -> io::Result<Option<Vec<Option<Seen>>>> {
        let (mut hash, mut block, mut at) = (Sha256::new(), vec![0; BLOCK], 0);
        let end = self.end() - HASH as u64;
        while at < end {
            block.truncate(usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK));
            read_exact_at(file, &mut block, at)?;
            hash.update(&block);
            at += block.len() as u64;
        }
        let mut found = [0; HASH];
        read_exact_at(file, &mut found, end)?;
        if hash.finalize()[..] != found {
            return Ok(None);
        }
        let mut seen = vec![0; self.pictures];
        read_exact_at(file, &mut seen, self.seen())?;
        Ok(Some(seen.into_iter().map(unpacked).collect()))
    }
}

/// What was seen of a picture, as a byte.
fn packed(seen: Option<Seen>) -> u8 {
    seen.map_or(0, |seen| {
        1 | u8::from(seen.transparent) << 1 | u8::from(seen.animated) << 2
    })
}

fn unpacked(byte: u8) -> Option<Seen> {
    (byte & 1 != 0).then_some(Seen {
        transparent: byte & 2 != 0,
        animated: byte & 4 != 0,
    })
}

/// What a file writes and hashes.
struct Hashed {
    file: NewFile,
    hash: Sha256,
}

impl Hashed {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.file.write(bytes)
    }

    /// Writes the hash, and gives the file its name.
    fn finish(mut self) -> Result<()> {
        self.file.write(&self.hash.finalize())?;
        self.file.replace()
    }
}
