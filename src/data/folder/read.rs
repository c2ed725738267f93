//! All pictures of a split: read on all threads, in their order.

use std::path::Path;

use rayon::prelude::*;

use super::broken::Broken;
use super::decode::{self, Form, Sample};
use super::{Picture, Progress};
use crate::error::{Error, Result};
use crate::host::check_memory;

/// Pictures between two reports of progress.
const PROGRESS_STEP: usize = 500;
/// Room that is made for pictures before they are decoded, in bytes.
const MAX_AHEAD: usize = 1 << 30;

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
    /// Memory is reserved for all of them, and written to for a few at a time: what headers promise takes none.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] where they do not fit into memory.
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
        for chunk in indices.chunks(at_once(size * size_of::<T>())) {
            self.decode_chunk(chunk, form, &mut part);
            self.report(part.kept.len() + part.broken.len(), all, progress);
        }
        Ok(part)
    }

    /// Decodes pictures on all threads, and adds them to those of the part.
    fn decode_chunk<T: Sample>(&self, chunk: &[usize], form: &Form, part: &mut Part<T>) {
        let (start, size) = (part.values.len(), form.shape.values());
        part.values.resize(start + chunk.len() * size, T::default());
        let results: Vec<_> = chunk
            .par_iter()
            .zip(part.values[start..].par_chunks_mut(size))
            .map(|(&index, values)| decode::decode(&self.pictures[index].path, form, values))
            .collect();
        for (at, (&index, result)) in chunk.iter().zip(results).enumerate() {
            match result {
                Ok(seen) => {
                    let (from, to) = (start + at * size, part.kept.len() * size);
                    if to < from {
                        part.values.copy_within(from..from + size, to);
                    }
                    part.kept.push(index);
                    part.transparent += usize::from(seen.transparent);
                    part.animated += usize::from(seen.animated);
                }
                Err(error) => part.broken.push(self.broken(index, error)),
            }
        }
        part.values.truncate(part.kept.len() * size);
    }

    /// Room for `count` pictures.
    fn room<T>(&self, count: usize, form: &Form) -> Result<Vec<T>> {
        let mut values = Vec::new();
        let total = count.saturating_mul(form.shape.values());
        let bytes = (total as u64).saturating_mul(size_of::<T>() as u64);
        let needs = format!("{count} pictures of {}", form.shape);
        check_memory(&needs, bytes, "`image-size = 64`, or fewer pictures")?;
        if values.try_reserve_exact(total).is_err() {
            let what = format!("{needs} do not fit into memory");
            return Err(Error::data(
                self.root,
                what,
                "`image-size = 64`, or fewer pictures",
            ));
        }
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

/// How many pictures of so many bytes are decoded at once.
fn at_once(bytes: usize) -> usize {
    (MAX_AHEAD / bytes.max(1)).clamp(1, PROGRESS_STEP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Background;
    use crate::shape::ImageShape;

    #[test]
    fn a_chunk_of_pictures_takes_bounded_memory() {
        assert_eq!(at_once(28 * 28), PROGRESS_STEP);
        assert_eq!(at_once(16_384 * 16_384), 4);
        assert_eq!(at_once(usize::MAX), 1);
    }

    #[test]
    fn pictures_that_cannot_be_decoded_take_no_memory() {
        let picture = |name: &str| Picture {
            path: name.into(),
            parts: vec![name.to_owned()],
        };
        let pictures = ["a.png", "b.png"].map(picture);
        let root = Path::new("no such folder");
        let source = Source {
            root,
            pictures: &pictures,
        };
        let form = Form {
            shape: ImageShape::new(1000, 1000, 1),
            background: Background::BLACK,
            wide: false,
        };
        let part = source.decode::<u8>(vec![0, 1], &form, &mut |_| {});
        let part = part.expect("what there is");
        assert_eq!((part.values.len(), part.broken.len()), (0, 2));
    }
}
