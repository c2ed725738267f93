//! IDX files, the form in which MNIST comes: a header of big-endian numbers, then bytes.
//!
//! Format: two zero bytes, the type of the values (8 = unsigned byte), the number of dimensions,
//! each dimension as a 32-bit number, the values.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::GzDecoder;

use super::in_files::RowFile;
use super::npy::Type;
use super::{Dataset, Expected, Images, MAX_DEFLATE_RATIO, Values};
use crate::error::{Error, Result};
use crate::host::check_memory;
use crate::shape::ImageShape;

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// Whether the folder holds a file of images under one of MNIST's names.
pub(super) fn is_idx_folder(folder: &Path) -> bool {
    ["train", "t10k"]
        .iter()
        .any(|split| find(folder, split, "images", 3).is_some())
}

/// Reads `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte` of a folder, each plain or as
/// `.gz`, with a dash or a dot before `idx3`, and the `-labels-idx1-ubyte` files where they exist.
///
/// # Errors
///
/// [`Error::Data`] that names the file for anything but exactly the bytes that its header promises.
pub(super) fn load(folder: &Path, name: &str) -> Result<Dataset> {
    let (train, test) = (load_split(folder, "train")?, load_split(folder, "t10k")?);
    Ok(Dataset::new(name, train, test))
}

/// What the header of a folder's training images promises, where it can be read.
pub(super) fn expect(folder: &Path) -> Option<Expected> {
    let path = find(folder, "train", "images", 3)?;
    let mut reader = BufReader::new(File::open(&path).ok()?);
    let header = |reader: &mut dyn Read| {
        let mut numbers = [0; 4];
        for number in &mut numbers {
            *number = read_number(&path, reader).ok()? as usize;
        }
        Some(numbers)
    };
    let [magic, images, height, width] = match is_gzip(reader.fill_buf().ok()?) {
        true => header(&mut GzDecoder::new(reader)),
        false => header(&mut reader),
    }?;
    (magic == IMAGES_MAGIC as usize).then_some(Expected {
        images,
        shape: ImageShape::new(height, width, 1),
    })
}

/// The content says whether it is gzip: browsers unpack files and keep the name.
fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

fn load_split(folder: &Path, split: &str) -> Result<Images> {
    let Some(path) = find(folder, split, "images", 3) else {
        return Err(Error::data(
            folder,
            format!("expected `{split}-images-idx3-ubyte` or the same with `.gz`, found neither"),
            "put both train-images-idx3-ubyte.gz and t10k-images-idx3-ubyte.gz into the folder",
        ));
    };
    let images = read_images(&path)?;
    let labels = match find(folder, split, "labels", 1) {
        None => None,
        Some(label_path) => {
            let (_, labels) = read(&label_path, LABELS_MAGIC)?;
            if labels.len() != images.len() {
                return Err(Error::data(
                    label_path,
                    format!(
                        "expected {} labels, one for each image of {}, got {}",
                        images.len(),
                        path.display(),
                        labels.len()
                    ),
                    "use the two files of one set, or remove the labels: they are optional",
                ));
            }
            Some(labels.into_iter().map(u32::from).collect())
        }
    };
    Ok(Images { labels, ..images })
}

/// Images that stay in their file where it is not packed.
fn read_images(path: &Path) -> Result<Images> {
    let (mut reader, len) = open(path)?;
    let is_packed = is_gzip(reader.fill_buf().map_err(Error::io(path, "read it"))?);
    let of_shape = |sizes: &[usize]| ImageShape::new(sizes[1], sizes[2], 1);
    if is_packed {
        let (sizes, bytes) = read_packed(path, IMAGES_MAGIC, reader, len)?;
        return Ok(Images::new(of_shape(&sizes), Values::Bytes(bytes)));
    }
    let head = Head::read(path, IMAGES_MAGIC, &mut reader)?;
    let present = len.saturating_sub(head.bytes());
    if present < head.total as u64 {
        return Err(head.too_short(path, present, ""));
    }
    if present > head.total as u64 {
        return Err(head.too_long(path));
    }
    let file = (reader.into_inner(), path);
    let form = (head.sizes[0], of_shape(&head.sizes));
    let file = Arc::new(RowFile::new(file, head.bytes(), Type::BYTES, form)?);
    Ok(file.images((0..file.count).collect()))
}

fn find(folder: &Path, split: &str, what: &str, dimensions: usize) -> Option<PathBuf> {
    ["", ".gz"]
        .iter()
        .flat_map(|end| {
            ["-", "."].map(|dot| format!("{split}-{what}{dot}idx{dimensions}-ubyte{end}"))
        })
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// Reads a file with the given magic number: its dimensions, and their product of bytes.
fn read(path: &Path, magic: u32) -> Result<(Vec<usize>, Vec<u8>)> {
    let (mut reader, len) = open(path)?;
    match is_gzip(reader.fill_buf().map_err(Error::io(path, "read it"))?) {
        true => read_packed(path, magic, reader, len),
        false => {
            let head = Head::read(path, magic, &mut reader)?;
            let values = head.values(path, &mut reader, len)?;
            Ok((head.sizes, values))
        }
    }
}

/// A file and its length in bytes.
fn open(path: &Path) -> Result<(BufReader<File>, u64)> {
    let file = File::open(path).map_err(Error::io(path, "open it"))?;
    let found = file.metadata().map_err(Error::io(path, "read its size"))?;
    Ok((BufReader::new(file), found.len()))
}

/// The same as [`read`] of a gzip stream of `len` bytes.
fn read_packed(
    path: &Path,
    magic: u32,
    reader: BufReader<File>,
    len: u64,
) -> Result<(Vec<usize>, Vec<u8>)> {
    let mut unpacked = GzDecoder::new(reader);
    let head = Head::read(path, magic, &mut unpacked)?;
    let most = MAX_DEFLATE_RATIO.saturating_mul(len);
    let values = head.values(path, &mut unpacked, most)?;
    let left = unpacked.get_mut().fill_buf();
    if left.map_err(Error::io(path, "read it"))?.is_empty() {
        Ok((head.sizes, values))
    } else {
        Err(damaged(path, "bytes follow the end of the gzip stream"))
    }
}

/// What comes before the values.
struct Head {
    sizes: Vec<usize>,
    /// Their product.
    total: usize,
}

impl Head {
    fn read(path: &Path, magic: u32, reader: &mut impl Read) -> Result<Self> {
        let got = read_number(path, reader)?;
        if got != magic {
            return Err(Error::data(
                path,
                format!("expected an IDX file that begins with 0x{magic:08x}, got 0x{got:08x}"),
                "images and labels may have changed places, or the file is no IDX file of bytes",
            ));
        }
        let mut head = Self {
            sizes: Vec::new(),
            total: 0,
        };
        let mut total = Some(1_usize);
        for _ in 0..(magic & 0xff) {
            let size = read_number(path, reader)? as usize;
            total = total.and_then(|total| total.checked_mul(size));
            head.sizes.push(size);
        }
        let shape = head.shape();
        match total {
            Some(0) => Err(damaged(
                path,
                &format!("its header promises {shape} values: none"),
            )),
            Some(total) if isize::try_from(total).is_ok() => Ok(Self { total, ..head }),
            _ => {
                let what = format!("its header promises {shape} values, more than fit into memory");
                Err(damaged(path, &what))
            }
        }
    }

    /// Its length.
    fn bytes(&self) -> u64 {
        4 * (1 + self.sizes.len() as u64)
    }

    fn shape(&self) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        sizes.join("×")
    }

    /// The values of a file of at most `most` bytes.
    fn values(&self, path: &Path, reader: &mut impl Read, most: u64) -> Result<Vec<u8>> {
        let total = self.total as u64;
        // A header that is false has its own message.
        if total <= most {
            let needs = format!("the {} values of {}", self.shape(), path.display());
            let hint = "fewer images, or the file without gzip: images of such a one need not fit into memory";
            check_memory(&needs, total, hint)?;
        }
        // The vector grows with the bytes that arrive, and no further than the header allows: neither
        // a false header nor a gzip bomb takes more memory than that.
        let mut values = Vec::new();
        let outcome = reader.by_ref().take(total).read_to_end(&mut values);
        if values.len() < self.total {
            let reason = outcome.err();
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            return Err(self.too_short(path, values.len() as u64, &reason));
        }
        outcome.map_err(|reason| damaged(path, &format!("reading its values failed: {reason}")))?;
        // Reading on to the end also lets gzip compare its checksum.
        match reader.read(&mut [0]) {
            Ok(0) => Ok(values),
            Ok(_) => Err(self.too_long(path)),
            Err(reason) => Err(damaged(path, &format!("its end is damaged: {reason}"))),
        }
    }

    fn too_short(&self, path: &Path, present: u64, reason: &str) -> Error {
        let (shape, total) = (self.shape(), self.total);
        let what = format!("its header promises {shape} = {total} bytes, got {present}{reason}");
        damaged(path, &what)
    }

    fn too_long(&self, path: &Path) -> Error {
        let (shape, total) = (self.shape(), self.total);
        let what = format!("bytes follow the {shape} = {total} that its header promises");
        damaged(path, &what)
    }
}

fn read_number(path: &Path, reader: &mut (impl Read + ?Sized)) -> Result<u32> {
    let mut bytes = [0; 4];
    match reader.read_exact(&mut bytes) {
        Ok(()) => Ok(u32::from_be_bytes(bytes)),
        Err(reason) if reason.kind() == io::ErrorKind::UnexpectedEof => {
            Err(damaged(path, "it ends within its header"))
        }
        Err(reason) => Err(damaged(path, &format!("its header is damaged: {reason}"))),
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::data(path, what, "copy or download the file again")
}
