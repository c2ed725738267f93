//! A file of images that lie one after another, each as many numbers of one type.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::{Files, State};
use crate::data::axes::to_channels_last;
use crate::data::npy::{Fault, Type};
use crate::data::{Images, Values};
use crate::error::{Error, Result};
use crate::files::read_exact_at;
use crate::shape::ImageShape;

/// Bytes of a file that a thread asks for at once, more or less.
const AT_ONCE: usize = 1 << 20;
/// Bytes between two images that are read with them: that is faster than to ask twice.
const GAP: usize = 4 << 10;

/// Such a file.
pub(in crate::data) struct RowFile {
    file: File,
    pub(in crate::data) path: PathBuf,
    /// Bytes before the first image.
    start: u64,
    numbers: Type,
    /// How many images there are.
    pub(in crate::data) count: usize,
    pub(in crate::data) shape: ImageShape,
    /// Whether the channels of an image come first.
    channels_first: bool,
    /// What to do where the file changes.
    as_it_was: &'static str,
    state: State,
}

/// The numbers of images, of which each thread fills a part.
trait Value: Copy + Default + Send {
    fn fill(numbers: Type, bytes: &[u8], to: &mut [Self]) -> Result<(), Fault>;
}

impl Value for u8 {
    fn fill(numbers: Type, bytes: &[u8], to: &mut [Self]) -> Result<(), Fault> {
        to.copy_from_slice(bytes);
        numbers.check_bytes(bytes)
    }
}

impl Value for f32 {
    fn fill(numbers: Type, bytes: &[u8], to: &mut [Self]) -> Result<(), Fault> {
        numbers.fill_floats(bytes, to)?;
        match to.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(Fault::not_finite(at)),
            None => Ok(()),
        }
    }
}

impl RowFile {
    /// A file of so many images of a shape that holds values, after so many bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(in crate::data) fn new(
        (file, path): (File, &Path),
        start: u64,
        numbers: Type,
        (count, shape): (usize, ImageShape),
    ) -> Result<Self> {
        Ok(Self {
            state: State::of(file.metadata(), path)?,
            path: path.to_owned(),
            file,
            start,
            numbers,
            count,
            shape,
            channels_first: false,
            as_it_was: "the file as it was; where others write to it, a copy of it for training",
        })
    }

    /// The same of a file that is made anew where it is not as it was.
    pub(in crate::data) fn of_cache(self) -> Self {
        Self {
            as_it_was: "the same once more: the file is made anew",
            ..self
        }
    }

    /// The same where the channels of an image come first.
    pub(in crate::data) fn channels_first(self) -> Self {
        Self {
            channels_first: true,
            ..self
        }
    }

    /// The images in some places of it.
    pub(in crate::data) fn images(self: &Arc<Self>, places: Vec<usize>) -> Images {
        let files: Arc<dyn Files> = Arc::<Self>::clone(self);
        let numbers = (self.numbers.stored(), self.numbers.are_bytes());
        Images::in_files(self.shape, files, places, numbers)
    }

    /// Bytes of an image.
    fn bytes(&self) -> usize {
        self.width() * self.numbers.bytes()
    }

    fn width(&self) -> usize {
        self.shape.values()
    }

    fn all<T: Value>(&self, places: &[usize]) -> Result<Vec<T>> {
        if places.is_sorted() {
            return self.in_order(places);
        }
        // In the order of the file neighbours are read at once.
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.par_sort_unstable_by_key(|&i| places[i]);
        let sorted: Vec<usize> = order.iter().map(|&i| places[i]).collect();
        let found: Vec<T> = self.in_order(&sorted)?;
        let mut values = vec![T::default(); found.len()];
        for (image, i) in found.chunks_exact(self.width()).zip(order) {
            values[i * self.width()..][..self.width()].copy_from_slice(image);
        }
        Ok(values)
    }

    /// Reads images in ascending places.
    fn in_order<T: Value>(&self, places: &[usize]) -> Result<Vec<T>> {
        let mut values = vec![T::default(); places.len() * self.width()];
        let images = (AT_ONCE / (self.bytes() + GAP)).max(1);
        let parts = values.par_chunks_mut(images * self.width());
        let parts = parts.zip(places.par_chunks(images));
        let outcomes: Vec<Result<()>> = parts
            .map(|(values, places)| self.some(places, values))
            .collect();
        // Of several faults the first one in the file is told, on any number of threads.
        outcomes.into_iter().collect::<Result<()>>()?;
        Ok(values)
    }

    fn some<T: Value>(&self, places: &[usize], mut values: &mut [T]) -> Result<()> {
        let is_near = |a: &usize, b: &usize| (b - a) * self.bytes() <= self.bytes() + GAP;
        let mut buffer = Vec::new();
        for run in places.chunk_by(is_near) {
            let (first, last) = (run[0], run[run.len() - 1]);
            buffer.resize((last - first + 1) * self.bytes(), 0);
            let at = self.start + first as u64 * self.bytes() as u64;
            read_exact_at(&self.file, &mut buffer, at).map_err(|reason| self.unread(reason))?;
            let (images, rest) = values.split_at_mut(run.len() * self.width());
            values = rest;
            for (to, place) in images.chunks_exact_mut(self.width()).zip(run) {
                let from = &buffer[(place - first) * self.bytes()..][..self.bytes()];
                T::fill(self.numbers, from, to).map_err(|fault| self.unfit(fault, *place))?;
            }
        }
        Ok(())
    }

    fn unread(&self, reason: std::io::Error) -> Error {
        match reason.kind() {
            std::io::ErrorKind::UnexpectedEof => self.changed(),
            _ => Error::io(&self.path, "read it")(reason),
        }
    }

    fn changed(&self) -> Error {
        Error::data(
            &self.path,
            "the file has changed since it was opened, while images were read from it",
            self.as_it_was,
        )
    }

    /// The error for a number of an image that cannot be taken.
    fn unfit(&self, fault: Fault, image: usize) -> Error {
        match fault {
            Fault::Io(reason) => Error::io(&self.path, "read it")(reason),
            Fault::Number { at, what, hint } => Error::data(
                &self.path,
                format!("the array: {what} in image {image}, value {at}"),
                hint,
            ),
        }
    }
}

impl Files for RowFile {
    fn read(&self, places: &[usize]) -> Result<Values> {
        let values = match self.numbers.are_bytes() {
            true => self.all(places).map(Values::Bytes),
            false => self.all(places).map(Values::Floats),
        };
        // What was read of a file that somebody writes to may be of before and after.
        if State::of(self.file.metadata(), &self.path)? != self.state {
            return Err(self.changed());
        }
        let values = values?;
        Ok(match self.channels_first {
            true => to_channels_last(values, self.shape),
            false => values,
        })
    }
}
