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
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rayon::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use sha2::{Digest, Sha256};

use super::broken::Broken;
use super::decode::{self, Form, Seen};
use super::filed::{Filed, see_all};
use super::find::Picture;
use super::read::Source;
use crate::data::in_files::RowFile;
use crate::data::npy::Type;
use crate::data::{DataOptions, Progress};
use crate::error::{Error, Result};
use crate::files::{NewFile, clean_old_files, create_folders, hex, read_exact_at};
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
/// Characters of the name of the pictures' folder that are part of the name of their file.
const NAME: usize = 32;
/// A file that nobody has written to for so long is left of a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

const IMAGES: &str = "images";
const SEEN: &str = "seen";
const SHA256: &str = "sha256";
const MADE_OF: &str = "elbo.made-of";

/// A folder of such files, for some pictures.
pub(super) struct Cache<'a> {
    folder: &'a Path,
    source: &'a Source<'a>,
    indices: &'a [usize],
    options: &'a DataOptions,
    /// Start of the name of their file.
    name: String,
    /// Hash of the pictures' names, sizes and times.
    pictures: String,
}

impl<'a> Cache<'a> {
    /// The folder of the options, where they have one.
    pub(super) fn of(
        source: &'a Source<'a>,
        indices: &'a [usize],
        options: &'a DataOptions,
    ) -> Option<Self> {
        let folder = options.cache.as_deref()?;
        let lines: Vec<String> = indices
            .par_iter()
            .map(|&index| line(&source.pictures[index]))
            .collect();
        let root = source
            .root
            .canonicalize()
            .unwrap_or_else(|_| source.root.to_owned());
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        // Other pictures of the same folder take the place of the old ones; those with a third split have their own.
        let are_all = indices.len() == source.pictures.len();
        let place = hash(&format!("{are_all} {}", root.display()));
        Some(Self {
            folder,
            source,
            indices,
            options,
            name: format!(
                "{}-{}",
                name.chars().take(NAME).collect::<String>(),
                &place[..16]
            ),
            pictures: hash(&lines.concat()),
        })
    }

    /// The file of pictures that have so many channels, or as many as they are found to need, and what it is made of.
    fn file(&self, channels: Option<usize>) -> (PathBuf, String) {
        let form = format!(
            "{:?} {channels:?} {:?}",
            self.options.image_size, self.options.source.background
        );
        let name = format!("{}-{}.safetensors", self.name, &hash(&form)[..8]);
        let version = env!("CARGO_PKG_VERSION");
        let made_of = hash(&format!("{FORMAT} {version} {form} {}", self.pictures));
        (self.folder.join(name), made_of)
    }

    /// The pictures, where their file is there and as it was written, and those of them that are broken.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read.
    pub(super) fn open(
        &self,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Option<(Filed, Vec<Broken>)>> {
        let channels = self.options.channels;
        let found = self.open_file(channels, progress)?;
        if found.is_some() || channels.is_none() {
            return Ok(found);
        }
        // Those that were found to need as many channels are the same.
        let found = self.open_file(None, progress)?;
        Ok(found.filter(|(filed, _)| Some(filed.form.shape.channels) == channels))
    }

    fn open_file(
        &self,
        channels: Option<usize>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Option<(Filed, Vec<Broken>)>> {
        let (path, made_of) = self.file(channels);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(reason) => return Err(Error::io(&path, "open it")(reason)),
        };
        let length = file.metadata().map_err(Error::io(&path, "read its size"))?;
        let Some(head) = Head::read(&file, length.len(), &made_of) else {
            return Ok(None);
        };
        let seen = head
            .check(&file, &path, progress)
            .map_err(Error::io(&path, "read it"))?;
        let Some(seen) = seen.filter(|seen| seen.len() == self.indices.len()) else {
            return Ok(None);
        };
        let is_broken = |(&index, seen): (&usize, &Option<Seen>)| seen.is_none().then_some(index);
        let broken: Vec<usize> = self
            .indices
            .iter()
            .zip(&seen)
            .filter_map(is_broken)
            .collect();
        // What is wrong with them they say again.
        let (mended, broken) = self.source.each(&broken, &mut |_| {}, decode::check);
        if !mended.is_empty() {
            return Ok(None);
        }
        let filed = self.filed((file, &path), &head, seen)?;
        Ok(Some((filed, broken)))
    }

    /// Decodes all pictures into the file. `broken` is then what cannot be.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub(super) fn fill(
        &self,
        form: Form,
        broken: &mut Vec<Broken>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Filed> {
        create_folders(self.folder).map_err(Error::io(self.folder, "make this folder"))?;
        let (path, made_of) = self.file(self.options.channels);
        let _alone = self.wait(progress);
        if let Some((filed, found)) = self.open(progress)? {
            *broken = found;
            return Ok(filed);
        }
        if path.exists() {
            progress(Progress::Note(&format!(
                "{}: of other pictures, or damaged; it is made anew",
                path.display()
            )));
        }
        clean_old_files(self.folder, ABANDONED)?;
        let made = Head::new(&form, self.indices.len(), &made_of);
        let (head, bytes) = made.map_err(Error::internal)?;
        let mut file = Hashed {
            file: NewFile::beside(&path)?,
            hash: Sha256::new(),
        };
        file.write(&bytes)?;
        let mut seen = Vec::with_capacity(self.indices.len());
        let mut write = |values: &[u8]| file.write(values);
        see_all(
            (self.source, &form, self.indices),
            broken,
            &mut seen,
            &mut write,
            progress,
        )?;
        let packed: Vec<u8> = seen.iter().copied().map(packed).collect();
        file.write(&packed)?;
        file.finish()?;
        let file = File::open(&path).map_err(Error::io(&path, "open it"))?;
        self.filed((file, &path), &head, seen)
    }

    /// Waits until no other process fills a file of this folder: it may be the one that is wanted. Without locks, as on some
    /// network file systems, nobody waits, and the last one that is written stays.
    fn wait(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Option<File> {
        let folder = File::open(self.folder).ok()?;
        if matches!(folder.try_lock(), Err(TryLockError::WouldBlock)) {
            progress(Progress::Note(&format!(
                "waits for another process, which decodes pictures into {}",
                self.folder.display()
            )));
            folder.lock().ok()?;
        }
        Some(folder)
    }

    fn filed(&self, file: (File, &Path), head: &Head, seen: Vec<Option<Seen>>) -> Result<Filed> {
        let numbers = match head.wide {
            true => Type::UINT16,
            false => Type::BYTES,
        };
        let form = (head.pictures, head.shape);
        let rows = RowFile::new(file, head.start, numbers, form)?;
        Ok(Filed {
            form: Form {
                shape: head.shape,
                background: self.options.source.background.unwrap_or_default(),
                wide: head.wide,
            },
            files: Arc::new(rows.of_cache()),
            indices: self.indices.to_vec(),
            seen,
        })
    }
}

/// A line that is another one for every other picture, and for one whose file has been written to.
fn line(picture: &Picture) -> String {
    // Of a link that leads nowhere there is nothing to say.
    let file = fs::metadata(&picture.path).ok();
    let changed = file.as_ref().and_then(|file| file.modified().ok());
    let changed = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!(
        "{:?} {:?} {changed:?}\n",
        picture.name(),
        file.map(|file| file.len())
    )
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
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
    fn check(
        &self,
        file: &File,
        path: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> io::Result<Option<Vec<Option<Seen>>>> {
        let what = path.display().to_string();
        let (mut hash, mut block, mut at) = (Sha256::new(), vec![0; BLOCK], 0);
        let end = self.end() - HASH as u64;
        while at < end {
            block.truncate(usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK));
            read_exact_at(file, &mut block, at)?;
            hash.update(&block);
            at += block.len() as u64;
            progress(Progress::Part {
                what: &what,
                done: at,
                total: end,
                unit: "bytes",
            });
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
