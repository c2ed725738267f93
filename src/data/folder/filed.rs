//! Pictures that are read when they are wanted: decoded then, or copied from where they lie decoded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::broken::{Broken, reason};
use super::decode::{self, Form, Sample, Seen};
use super::read::Source;
use crate::data::in_files::{Files, State};
use crate::data::{Images, Progress, Stored, Values};
use crate::error::{Error, Result};

/// All chosen pictures of a folder.
pub(super) struct Filed {
    pub(super) form: Form,
    pub(super) files: Arc<dyn Files>,
    /// Index of the picture in each place of the files, in ascending order.
    pub(super) indices: Vec<usize>,
    /// What was seen of each; `None` of what is broken.
    pub(super) seen: Vec<Option<Seen>>,
}

impl Filed {
    /// Decodes all pictures once, to see that they can be and what is to be said of them. `broken` is then what cannot be.
    ///
    /// # Errors
    /// Those of [`Source::decode`].
    pub(super) fn look(
        source: &Source<'_>,
        form: Form,
        indices: Vec<usize>,
        broken: &mut Vec<Broken>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self> {
        let files = Pictures {
            pictures: indices
                .par_iter()
                .map(|&index| {
                    let path = source.pictures[index].path.clone();
                    (State::of(path.metadata(), &path).ok(), path)
                })
                .collect(),
            form,
        };
        let (mut seen, mut none) = (Vec::with_capacity(indices.len()), |_: &[u8]| Ok(()));
        see_all(
            (source, &form, &indices),
            broken,
            &mut seen,
            &mut none,
            progress,
        )?;
        Ok(Self {
            form,
            files: Arc::new(files),
            indices,
            seen,
        })
    }

    /// Those of the pictures that can be read, without labels and names, and what was seen of each of all.
    pub(super) fn images(&self, pictures: &[usize]) -> (Images, Vec<(usize, Option<Seen>)>) {
        let place = |index: &usize| self.indices.binary_search(index).ok();
        let found = |&index: &usize| (index, place(&index).and_then(|place| self.seen[place]));
        let found: Vec<_> = pictures.iter().map(found).collect();
        let readable = found.iter().filter(|(_, seen)| seen.is_some());
        let places: Vec<usize> = readable.filter_map(|(index, _)| place(index)).collect();
        let stored = match self.form.wide {
            true => f32::STORED,
            false => Stored::BYTES,
        };
        let numbers = (stored, !self.form.wide);
        let images = Images::in_files(self.form.shape, Arc::clone(&self.files), places, numbers);
        (images, found)
    }
}

/// Decodes all pictures. `broken` and `seen` are then what was found, and `take` gets the bytes of the values of each in
/// turn, zeros of one that is broken: 16 bits of a wide value, little-endian.
///
/// # Errors
/// Those of `take`.
pub(super) fn see_all(
    (source, form, indices): (&Source<'_>, &Form, &[usize]),
    broken: &mut Vec<Broken>,
    seen: &mut Vec<Option<Seen>>,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<()> {
    fn each<T: Sample>(
        size: usize,
        seen: &mut Vec<Option<Seen>>,
        mut take: impl FnMut(&[T]) -> Result<()>,
    ) -> impl FnMut(&[T], &[Option<Seen>]) -> Result<()> {
        let none = vec![T::default(); size];
        move |values, found| {
            for (image, found) in values.chunks(size).zip(found) {
                seen.push(*found);
                take(if found.is_some() { image } else { &none })?;
            }
            Ok(())
        }
    }
    // Those whose header is broken will be so again.
    broken.clear();
    let size = form.shape.values();
    if !form.wide {
        let mut take = each::<u8>(size, seen, take);
        return source.decode(indices, form, broken, &mut take, progress);
    }
    let mut bytes = Vec::with_capacity(2 * size);
    let mut take = each::<f32>(size, seen, |values| {
        bytes.clear();
        bytes.extend(
            values
                .iter()
                .flat_map(|&value| (value as u16).to_le_bytes()),
        );
        take(&bytes)
    });
    source.decode(indices, form, broken, &mut take, progress)
}

/// Pictures that are decoded when they are wanted.
struct Pictures {
    /// Their files, and how these were before they were decoded for the first time.
    pictures: Vec<(Option<State>, PathBuf)>,
    form: Form,
}

impl Pictures {
    fn decode<T: Sample>(&self, places: &[usize]) -> Result<Values> {
        let size = self.form.shape.values();
        let mut values = vec![T::default(); places.len() * size];
        let images = values.par_chunks_mut(size).zip(places);
        images.try_for_each(|(image, &place)| {
            let (before, path) = &self.pictures[place];
            let decoded = decode::decode(path, &self.form, image);
            decoded.map_err(|error| changed(path, &reason(&error)))?;
            match State::of(path.metadata(), path).ok() == *before {
                true => Ok(()),
                false => Err(changed(path, "its file has been written to")),
            }
        })?;
        Ok(T::values(values))
    }
}

/// The error for a picture that could be decoded before.
fn changed(path: &Path, how: &str) -> Error {
    Error::data(
        path,
        format!("the picture is no longer what it was: {how}"),
        "the picture as it was, or a new run without it",
    )
}

impl Files for Pictures {
    fn read(&self, places: &[usize]) -> Result<Values> {
        match self.form.wide {
            true => self.decode::<f32>(places),
            false => self.decode::<u8>(places),
        }
    }
}
