//! All pictures of a split: read on all threads, in their order.

use std::path::Path;

use rayon::prelude::*;

use super::broken::Broken;
use super::decode::{self, Form, Sample};
use super::{Picture, Progress};
use crate::error::{Error, Result};

/// Pictures between two reports of progress.
const PROGRESS_STEP: usize = 500;

/// The pictures of a folder.
pub(super) struct Source<'a> {
    pub(super) root: &'a Path,
    pub(super) pictures: &'a [Picture],
}

/// The decoded pictures of a split.
pub(super) struct Part<T> {
    /// `[pictures, height, width, channels]`.
    pub(super) values: Vec<T>,
    /// Index of each.
    pub(super) kept: Vec<usize>,
    /// Those that are not among them.
    pub(super) broken: Vec<Broken>,
    /// How many had transparent pixels that were laid on the background.
    pub(super) transparent: usize,
    /// How many have more than one frame.
    pub(super) animated: usize,
}

impl Source<'_> {
    /// What `read` finds of each picture, with its index, and those that it fails for. In order, whichever thread
    /// was faster.
    pub(super) fn each<R: Send>(
        &self,
        indices: &[usize],
        progress: &mut dyn FnMut(Progress<'_>),
        read: impl Fn(&Path) -> Result<R> + Sync,
    ) -> (Vec<(usize, R)>, Vec<Broken>) {
        let (mut found, mut broken) = (Vec::new(), Vec::new());
        for part in indices.chunks(PROGRESS_STEP) {
            let results: Vec<Result<R>> = part
                .par_iter()
                .map(|&index| read(&self.pictures[index].path))
                .collect();
            for (&index, result) in part.iter().zip(results) {
                match result {
                    Ok(result) => found.push((index, result)),
                    Err(error) => broken.push(self.broken(index, error)),
                }
            }
            self.report(found.len() + broken.len(), indices.len(), progress);
        }
        (found, broken)
    }

    /// Decodes pictures into one array, which is never copied. A broken one leaves no gap.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] where they do not fit into memory.
    pub(super) fn decode<T: Sample>(
        &self,
        indices: Vec<usize>,
        form: &Form,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Part<T>> {
        let (all, size) = (indices.len(), form.shape.values());
        let mut part = Part {
            values: self.room(all, form)?,
            kept: Vec::with_capacity(all),
            broken: Vec::new(),
            transparent: 0,
            animated: 0,
        };
        for (number, chunk) in indices.chunks(PROGRESS_STEP).enumerate() {
            let start = number * PROGRESS_STEP;
            let results: Vec<_> = chunk
                .par_iter()
                .zip(part.values[start * size..].par_chunks_mut(size))
                .map(|(&index, values)| decode::decode(&self.pictures[index].path, form, values))
                .collect();
            for (at, (&index, result)) in (start..).zip(chunk.iter().zip(results)) {
                match result {
                    Ok(seen) => {
                        let to = part.kept.len();
                        if to < at {
                            part.values
                                .copy_within(at * size..(at + 1) * size, to * size);
                        }
                        part.kept.push(index);
                        part.transparent += usize::from(seen.transparent);
                        part.animated += usize::from(seen.animated);
                    }
                    Err(error) => part.broken.push(self.broken(index, error)),
                }
            }
            self.report(start + chunk.len(), all, progress);
        }
        part.values.truncate(part.kept.len() * size);
        Ok(part)
    }

    /// Zeros for `count` pictures.
    fn room<T: Sample>(&self, count: usize, form: &Form) -> Result<Vec<T>> {
        let mut values = Vec::new();
        let total = count.checked_mul(form.shape.values());
        if total.is_none_or(|total| values.try_reserve_exact(total).is_err()) {
            return Err(Error::data(
                self.root,
                format!("{count} pictures of {} do not fit into memory", form.shape),
                "`--image-size 64`, or fewer pictures",
            ));
        }
        values.resize(count * form.shape.values(), T::default());
        Ok(values)
    }

    fn broken(&self, index: usize, error: Error) -> Broken {
        let name = self.pictures[index].name();
        Broken { index, name, error }
    }

    fn report(&self, done: usize, total: usize, progress: &mut dyn FnMut(Progress<'_>)) {
        progress(Progress::Part {
            what: &self.root.display().to_string(),
            done: done as u64,
            total: total as u64,
            unit: "pictures",
        });
    }
}
