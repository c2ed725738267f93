//! From the pictures of each split to the data set: values, labels, names, and what is to be said of them.

use std::collections::BTreeSet;
use std::path::Path;

use super::Chosen;
use super::broken::{self, Broken};
use super::decode::{Form, Sample, Seen};
use super::filed::Filed;
use super::read::Source;
use super::splits::Arrangement;
use crate::data::scaling::join;
use crate::data::{Background, DataOptions, Dataset, Images, Progress, Storage, split};
use crate::error::{Error, Result};
use crate::number::counted;

/// What all splits of a folder have in common.
pub(super) struct Filling<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) arrangement: &'a Arrangement,
    pub(super) form: &'a Form,
    pub(super) options: &'a DataOptions,
    /// How many pictures were chosen, the broken ones among them.
    pub(super) total: usize,
    /// Where the values of pictures are, unless they are to be in memory.
    pub(super) filed: Option<Filed>,
}

/// The pictures of a split.
pub(super) struct Part {
    images: Images,
    /// Index of each.
    kept: Vec<usize>,
    /// How many had transparent pixels that were laid on the background.
    transparent: usize,
    /// How many have more than one frame.
    animated: usize,
}

impl Part {
    fn new(images: Images, found: impl Iterator<Item = (usize, Option<Seen>)>) -> Self {
        let mut part = Self {
            images,
            kept: Vec::new(),
            transparent: 0,
            animated: 0,
        };
        for (index, seen) in found {
            let Some(seen) = seen else { continue };
            part.kept.push(index);
            part.transparent += usize::from(seen.transparent);
            part.animated += usize::from(seen.animated);
        }
        part
    }
}

impl Filling<'_> {
    /// Decodes all splits, or takes them from where their values are; what is broken is refused, or left out and named.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] for broken pictures that are not to be skipped, for a split of which none is left, and for
    /// values that transparency makes equal.
    pub(super) fn fill(
        &self,
        mut chosen: Chosen,
        mut broken: Vec<Broken>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Dataset> {
        let mut parts = self.parts(&chosen, &mut broken, progress)?;
        if !broken.is_empty() && !self.options.source.skip_broken {
            return Err(broken::refuse(self.source.root, broken, self.total, None));
        }
        if let Some(again) = self.chosen_again(&chosen, &parts)? {
            chosen = again;
            parts = self.parts(&chosen, &mut broken, progress)?;
        }
        if let Some(note) = broken::left_out(self.source.root, broken, self.total)? {
            progress(Progress::Note(&note));
        }
        self.refuse_empty(&chosen, &parts)?;
        say_frames(&parts, progress);
        check_transparency(self.source.root, &parts, self.options, progress)?;
        Ok(self.dataset(&chosen, parts))
    }

    /// The training, test and third split; adds to `broken` what cannot be read, and passes over what is in it.
    fn parts(
        &self,
        chosen: &Chosen,
        broken: &mut Vec<Broken>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<[Part; 3]> {
        let known: BTreeSet<usize> = broken.iter().map(|broken| broken.index).collect();
        let mut part = |indices: &[usize]| -> Result<Part> {
            if let Some(filed) = &self.filed {
                let (images, found) = filed.images(indices);
                return Ok(Part::new(images, found.into_iter()));
            }
            let readable = indices.iter().filter(|index| !known.contains(index));
            let readable: Vec<usize> = readable.copied().collect();
            match self.form.wide {
                true => self.decode::<f32>(&readable, broken, progress),
                false => self.decode::<u8>(&readable, broken, progress),
            }
        };
        Ok([
            part(&chosen.train)?,
            part(&chosen.test)?,
            part(&chosen.val)?,
        ])
    }

    /// The pictures of a split, in memory.
    fn decode<T: Sample>(
        &self,
        indices: &[usize],
        broken: &mut Vec<Broken>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Part> {
        let size = self.form.shape.values();
        let mut values = self.source.room::<T>(indices.len(), self.form)?;
        let mut all = Vec::with_capacity(indices.len());
        let mut take = |some: &[T], seen: &[Option<Seen>]| {
            for (image, seen) in some.chunks(size).zip(seen) {
                // A broken one leaves no gap.
                if seen.is_some() {
                    values.extend_from_slice(image);
                }
            }
            all.extend_from_slice(seen);
            Ok(())
        };
        self.source
            .decode(indices, self.form, broken, &mut take, progress)?;
        let images = Images {
            stored: T::STORED,
            ..Images::new(self.form.shape, T::values(values))
        };
        Ok(Part::new(images, indices.iter().copied().zip(all)))
    }

    /// Splits that this program chose and of which one is left empty, chosen again among the pictures that can be
    /// read. Folders that are splits stay what they are.
    fn chosen_again(&self, chosen: &Chosen, parts: &[Part; 3]) -> Result<Option<Chosen>> {
        let [train, test, _] = parts;
        let emptied = |indices: &[usize], part: &Part| !indices.is_empty() && part.kept.is_empty();
        if self.arrangement.own_splits
            || !emptied(&chosen.train, train) && !emptied(&chosen.test, test)
        {
            return Ok(None);
        }
        let mut readable = [&train.kept[..], &test.kept].concat();
        readable.sort_unstable();
        if readable.is_empty() {
            return Ok(None);
        }
        let (train, test) = split::choose(readable.len(), self.options, self.source.root)?;
        let of = |places: Vec<usize>| places.into_iter().map(|at| readable[at]).collect();
        Ok(Some(Chosen {
            train: of(train),
            test: of(test),
            val: Vec::new(),
        }))
    }

    fn refuse_empty(&self, chosen: &Chosen, [train, test, _]: &[Part; 3]) -> Result<()> {
        for (split, indices, part) in [
            ("training", &chosen.train, train),
            ("test", &chosen.test, test),
        ] {
            if !indices.is_empty() && part.kept.is_empty() {
                return Err(Error::data(
                    self.source.root,
                    format!(
                        "none of {} of the {split} split can be read",
                        counted(indices.len() as u64, "picture")
                    ),
                    "copy them again from where they came",
                ));
            }
        }
        Ok(())
    }

    fn dataset(&self, chosen: &Chosen, [train, test, val]: [Part; 3]) -> Dataset {
        let classes = Classes::of(self.arrangement, chosen);
        let name = |&index: &usize| self.source.pictures[index].name();
        let images = |part: Part| Images {
            labels: classes.labels(&part.kept),
            names: Some(part.kept.iter().map(name).collect()),
            ..part.images
        };
        let kept: BTreeSet<usize> = test.kept.iter().copied().collect();
        let places = chosen.test.iter().enumerate();
        let left_out = places.filter(|(_, index)| !kept.contains(index));
        Dataset {
            left_out: left_out.map(|(place, _)| place).collect(),
            val: Some(val).filter(|val| !val.kept.is_empty()).map(images),
            classes: classes.sorted.iter().copied().map(str::to_owned).collect(),
            ..Dataset::new(String::new(), images(train), images(test))
        }
    }
}

fn say_frames(parts: &[Part], progress: &mut dyn FnMut(Progress<'_>)) {
    let animated: usize = parts.iter().map(|part| part.animated).sum();
    if animated > 0 {
        progress(Progress::Note(&format!(
            "of {} with several frames or pages the first one is read",
            counted(animated as u64, "picture")
        )));
    }
}

/// Says what became of transparent pixels, and refuses pictures of which that left nothing.
fn check_transparency(
    root: &Path,
    parts: &[Part],
    options: &DataOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<()> {
    let transparent: usize = parts.iter().map(|part| part.transparent).sum();
    if transparent == 0 {
        return Ok(());
    }
    let background = options.source.background.unwrap_or_default();
    let parts = parts.iter().filter(|part| !part.images.is_empty());
    let ranges: Option<Vec<_>> = parts
        .map(|part| match &part.images.storage {
            Storage::Memory(values) => Some(values.range()),
            // The look at all data, which comes next, sees whether they are equal.
            Storage::Files(_) => None,
        })
        .collect();
    let range = ranges.and_then(|ranges| ranges.into_iter().reduce(join));
    if range.is_some_and(|(least, most)| least == most) {
        let other = match background {
            Background::BLACK => Background::WHITE,
            _ => Background::BLACK,
        };
        return Err(Error::data(
            root,
            format!(
                "all values are equal once transparent pixels are laid on {background}: what these pictures show is \
                 in their transparency (alpha)"
            ),
            format!("`background = {other}`, or `channels = 4` to learn the transparency too"),
        ));
    }
    if options.source.background.is_none() {
        progress(Progress::Note(&format!(
            "{} with transparent pixels laid on black; `background = white` lays them on white, `channels = 4` \
             learns the transparency",
            counted(transparent as u64, "picture")
        )));
    }
    Ok(())
}

/// The classes of all pictures.
struct Classes<'a> {
    of: &'a [Option<String>],
    /// Names, whose places are the labels; empty unless all chosen pictures have a class.
    sorted: Vec<&'a str>,
}

impl<'a> Classes<'a> {
    /// Also of pictures that are broken or left out, so that labels do not depend on these.
    fn of(arrangement: &'a Arrangement, chosen: &Chosen) -> Self {
        let of = &arrangement.classes[..];
        let chosen = [&chosen.train, &chosen.test, &chosen.val]
            .into_iter()
            .flatten();
        let mut sorted = BTreeSet::new();
        if chosen.into_iter().all(|&index| of[index].is_some()) {
            let splits = [&arrangement.train, &arrangement.test, &arrangement.val];
            sorted.extend(
                splits
                    .into_iter()
                    .flatten()
                    .filter_map(|&index| of[index].as_deref()),
            );
        }
        Self {
            of,
            sorted: sorted.into_iter().collect(),
        }
    }

    fn labels(&self, indices: &[usize]) -> Option<Vec<u32>> {
        if self.sorted.is_empty() {
            return None;
        }
        let number = |&index: &usize| {
            let class = self.of[index].as_deref()?;
            self.sorted.binary_search(&class).map(|at| at as u32).ok()
        };
        indices.iter().map(number).collect()
    }
}
