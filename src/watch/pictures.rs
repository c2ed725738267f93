//! The grids of a run folder, as many as a page can hold.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::train::picture_name;

/// Pictures of a page at most.
const MOST_PICTURES: usize = 40;
/// Bytes of them at most.
const MOST_BYTES: u64 = 4 << 20;
/// Bytes at most of those of the last epoch, where it stands alone.
const MOST_BYTES_OF_ONE: u64 = 12 << 20;
/// What a PNG file starts with.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What a grid shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PictureKind {
    /// Images decoded from the prior.
    Samples,
    /// Test images, each beside its reconstruction.
    Reconstructions,
}

impl PictureKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Samples, Self::Reconstructions];

    /// The folder in a run folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Reconstructions => "reconstructions",
        }
    }
}

/// A grid after an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What it shows.
    pub kind: PictureKind,
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// A whole PNG file.
    pub png: Vec<u8>,
}

/// Pictures for a page, by epoch, and how many epochs of a run have some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    /// By epoch, then by kind.
    pub shown: Vec<Picture>,
    /// Epochs that have pictures, shown or not.
    pub epochs: usize,
}

impl Pictures {
    /// Reads the pictures of a run folder: of epochs at equal distances, the first and the last among them, as many
    /// as make no page too large. Where there are none, or they are too large, nothing is shown.
    ///
    /// # Errors
    /// [`Error::Io`] where one cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut epochs = BTreeSet::new();
        for kind in PictureKind::ALL {
            list(&folder.join(kind.folder()), &mut epochs)?;
        }
        let epochs: Vec<u32> = epochs.into_iter().collect();
        let mut shown = Vec::new();
        for File {
            kind, epoch, path, ..
        } in chosen(folder, &epochs)?
        {
            let png = fs::read(&path).map_err(Error::io(&path, "read the picture"))?;
            if png.starts_with(SIGNATURE) {
                shown.push(Picture { kind, epoch, png });
            }
        }
        Ok(Self {
            shown,
            epochs: epochs.len(),
        })
    }
}

/// Adds the epochs of which a folder has pictures.
fn list(folder: &Path, epochs: &mut BTreeSet<u32>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(Error::io(folder, "read the folder"))? {
        let entry = entry.map_err(Error::io(folder, "read the folder"))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let digits = name.strip_prefix("epoch-");
        let digits = digits.and_then(|rest| rest.strip_suffix(".png"));
        let epoch = digits.and_then(|digits| digits.parse().ok());
        epochs.extend(epoch.filter(|&epoch| picture_name(epoch) == name));
    }
    Ok(())
}

/// A picture that is not read yet.
struct File {
    kind: PictureKind,
    epoch: u32,
    path: PathBuf,
    bytes: u64,
}

/// The pictures that there are of some epochs.
fn of_epochs(folder: &Path, epochs: &[u32]) -> Result<Vec<File>> {
    let mut found = Vec::new();
    for &epoch in epochs {
        for kind in PictureKind::ALL {
            let path = folder.join(kind.folder()).join(picture_name(epoch));
            let bytes = match fs::metadata(&path) {
                Ok(file) => file.len(),
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(Error::io(&path, "read the picture")(e)),
            };
            found.push(File {
                kind,
                epoch,
                path,
                bytes,
            });
        }
    }
    Ok(found)
}

/// The pictures of the epochs whose pictures fit.
fn chosen(folder: &Path, epochs: &[u32]) -> Result<Vec<File>> {
    let fit = |files: &[File], most: u64| {
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        files.len() <= MOST_PICTURES && bytes <= most
    };
    // Both ends of a run, or only its last epoch.
    for count in (2..=epochs.len().min(MOST_PICTURES)).rev() {
        let at = |i: usize| epochs[i * (epochs.len() - 1) / (count - 1)];
        let some = of_epochs(folder, &(0..count).map(at).collect::<Vec<_>>())?;
        if fit(&some, MOST_BYTES) {
            return Ok(some);
        }
    }
    let last = of_epochs(folder, &epochs[epochs.len().saturating_sub(1)..])?;
    match fit(&last, MOST_BYTES_OF_ONE) {
        true => Ok(last),
        false => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run folder with pictures of so many bytes at each epoch.
    fn folder(epochs: u32, kinds: &[PictureKind], bytes: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut png = SIGNATURE.to_vec();
        png.resize(bytes.max(SIGNATURE.len()), 0);
        for kind in kinds {
            let own = folder.path().join(kind.folder());
            fs::create_dir(&own).expect("a folder");
            for epoch in 1..=epochs {
                fs::write(own.join(format!("epoch-{epoch:04}.png")), &png).expect("a file");
            }
        }
        folder
    }

    fn epochs(folder: &tempfile::TempDir, kind: PictureKind) -> Vec<u32> {
        let read = Pictures::read(folder.path()).expect("pictures");
        let own = read.shown.iter().filter(|picture| picture.kind == kind);
        own.map(|picture| picture.epoch).collect()
    }

    #[test]
    fn few_pictures_are_all_shown() {
        let folder = folder(5, &PictureKind::ALL, 100);
        fs::write(folder.path().join("samples/notes.txt"), "").expect("a file");
        fs::write(folder.path().join("samples/epoch-0009.png"), "no PNG").expect("a file");
        for kind in PictureKind::ALL {
            assert_eq!(epochs(&folder, kind), [1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn many_pictures_are_thinned_evenly_with_both_ends() {
        let both = epochs(&folder(1000, &PictureKind::ALL, 100), PictureKind::Samples);
        assert_eq!((both.len(), both[0], both[19]), (20, 1, 1000));
        let steps: BTreeSet<u32> = both.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            steps.iter().all(|step| (52..=53).contains(step)),
            "{both:?}"
        );
        let kind = PictureKind::Reconstructions;
        let one = epochs(&folder(1000, &[kind], 100), kind);
        assert_eq!((one.len(), one[0], one[39]), (40, 1, 1000));
    }

    #[test]
    fn the_bytes_of_a_page_are_bounded() {
        let kind = PictureKind::Reconstructions;
        assert_eq!(epochs(&folder(20, &[kind], 1 << 20), kind), [1, 7, 13, 20]);
        assert_eq!(epochs(&folder(3, &[kind], 5 << 20), kind), [3]);
        let large = folder(3, &[kind], 13 << 20);
        assert!(epochs(&large, kind).is_empty());
        assert_eq!(Pictures::read(large.path()).expect("pictures").epochs, 3);
    }

    #[test]
    fn a_folder_without_pictures_has_none() {
        let folder = folder(0, &[], 0);
        let read = Pictures::read(folder.path()).expect("nothing");
        assert_eq!(read, Pictures::default());
    }
}
