//! What a model is told beside an image: its class, where it has p(x|z, y) and q(z|x, y) in the place of p(x|z) and q(z|x)
//! (Kingma et al. 2014, "Semi-supervised learning with deep generative models", model M2 with all labels known; Sohn, Lee &
//! Yan 2015, "Learning structured output representation using deep conditional generative models").

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Images, class_name};
use crate::error::{Error, Result};
use crate::model::ModelSpec;

/// Most classes: as many as ImageNet has. Of more, such as numbers that measure something, each has few images.
pub const MOST_CLASSES: usize = 1000;

/// What a model is told beside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionName {
    /// The class of the image
    Class,
}

/// The classes of a conditional model, in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    classes: Vec<String>,
}

impl Condition {
    /// Classes of these names; none where only the data will tell them.
    pub fn new(classes: Vec<String>) -> Self {
        Self { classes }
    }

    /// Their names, by their numbers.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.classes.len()
    }

    /// The classes of a data set's training images: those of names in the order of the names, others in that of their
    /// numbers.
    ///
    /// # Errors
    /// [`Error::Data`] where the training images have no labels, where all are of one class, and where there are more than
    /// [`MOST_CLASSES`].
    pub fn of(dataset: &Dataset) -> Result<Self> {
        let labels = dataset.train.labels.as_deref();
        let labels = labels.ok_or_else(|| no_labels(&dataset.name, "training"))?;
        let found: BTreeSet<u32> = labels.iter().copied().collect();
        let fault = |what: String, hint: &str| Err(Error::data(&dataset.name, what, hint));
        match found.len() {
            0 | 1 => fault(
                "`condition = class`: all training images are of one class".to_owned(),
                "data of two classes or more, or no `condition = …`",
            ),
            count if count > MOST_CLASSES => fault(
                format!(
                    "`condition = class`: the training images have {count} classes, {MOST_CLASSES} are the most"
                ),
                "labels that are classes rather than names or measurements, or no `condition = …`",
            ),
            _ => {
                let name = |&label: &u32| class_name(&dataset.classes, label).into_owned();
                Ok(Self::new(found.iter().map(name).collect()))
            }
        }
    }

    /// A data set whose labels count these classes, and whose labels are part of what a run knows its data by.
    ///
    /// # Errors
    /// As [`Condition::number`], of its training and test images; those of a third split are numbered where they can be.
    pub fn number_all(&self, mut dataset: Dataset) -> Result<Dataset> {
        for (split, images) in [
            ("training", &mut dataset.train),
            ("test", &mut dataset.test),
        ] {
            self.number(
                &dataset.name,
                split,
                Arc::make_mut(images),
                &dataset.classes,
            )?;
        }
        if let Some(val) = &mut dataset.val
            && self.number("", "", val, &dataset.classes).is_err()
        {
            val.labels = None;
        }
        dataset.classes.clone_from(&self.classes);
        Ok(dataset.with_hashed_labels())
    }

    /// Makes the labels of images the numbers of their classes here. Until then they count `names`, or are their own names
    /// where there are none. `data` and `split` are for messages.
    ///
    /// # Errors
    /// [`Error::Data`] where images have no labels, or a class that is none of these.
    pub fn number(
        &self,
        data: &str,
        split: &str,
        images: &mut Images,
        names: &[String],
    ) -> Result<()> {
        let labels = images.labels.as_mut();
        let labels = labels.ok_or_else(|| no_labels(data, split))?;
        let places: HashMap<&str, u32> = self
            .classes
            .iter()
            .zip(0..)
            .map(|(name, place)| (&**name, place))
            .collect();
        for (image, label) in labels.iter_mut().enumerate() {
            let name = class_name(names, *label);
            *label = *places.get(&*name).ok_or_else(|| {
                Error::data(
                    data,
                    format!(
                        "the {split} image {image} is of class {name:?}, and the model knows {}",
                        self.in_words()
                    ),
                    "data of these classes, or a model that is trained with images of this class too; where the program made the \
                     split, another one (`split-seed = …`) or a smaller `test-fraction = …`",
                )
            })?;
        }
        Ok(())
    }

    /// The numbers of the classes of images, which their labels are.
    ///
    /// # Errors
    /// [`Error::Config`] where images have no labels, or labels that are none of these classes.
    pub fn of_images<'a>(&self, images: &'a Images) -> Result<&'a [u32]> {
        let labels = images.labels.as_deref().ok_or_else(|| {
            Error::config(
                "the model is told the class of each image, and these images have no labels",
                "images with labels, or a model without `condition = …`",
            )
        })?;
        self.check(labels)?;
        Ok(labels)
    }

    /// Checks that numbers are those of classes.
    ///
    /// # Errors
    /// [`Error::Config`] with the first that is none.
    pub fn check(&self, numbers: &[u32]) -> Result<()> {
        let count = self.count();
        match numbers.iter().find(|&&number| number as usize >= count) {
            None => Ok(()),
            Some(number) => Err(Error::config(
                format!("class {number} is none of {}", self.in_words()),
                format!("numbers of classes below {count}"),
            )),
        }
    }

    /// The number of a class by its name, or by its number where no class has such a name.
    ///
    /// # Errors
    /// [`Error::Config`] with those that there are.
    pub fn find(&self, name: &str) -> Result<u32> {
        let by_name = self.classes.iter().position(|class| class == name);
        let by_number = || name.parse().ok().filter(|&number| number < self.count());
        match by_name.or_else(by_number) {
            Some(number) => Ok(number as u32),
            None => Err(Error::config(
                format!("`class = {name}`: there is no such class"),
                format!("one of {}, or its number from 0", self.in_words()),
            )),
        }
    }

    /// Checks how many classes there are, where that is known.
    pub(super) fn check_count(&self) -> Result<()> {
        match self.count() {
            0 | 2..=MOST_CLASSES => Ok(()),
            count => Err(Error::config(
                format!(
                    "`condition = class`: a model of {count} class{}",
                    if count == 1 { "" } else { "es" }
                ),
                format!("2 to {MOST_CLASSES} classes, or no `condition = …`"),
            )),
        }
    }

    /// Names of the classes, the first ones where they are many: `3 classes (cat, dog, eel)`.
    pub fn in_words(&self) -> String {
        let is_plain = |name: &str| {
            let is_word = |c: char| c.is_alphanumeric() || "-_.".contains(c);
            !name.is_empty() && name.chars().all(is_word)
        };
        let shown = |name: &String| match is_plain(name) {
            true => name.clone(),
            false => format!("{name:?}"),
        };
        let shown: Vec<String> = self.classes.iter().take(10).map(shown).collect();
        let more = if self.count() > shown.len() {
            ", …"
        } else {
            ""
        };
        format!("{} classes ({}{more})", self.count(), shown.join(", "))
    }
}

/// Checks that there is a class for each code of a model that is told one, and none of another.
pub(super) fn check_each(spec: &ModelSpec, codes: usize, classes: &[u32]) -> Result<()> {
    match &spec.condition {
        None if classes.is_empty() => Ok(()),
        None => Err(Error::config(
            "the model was not trained with classes",
            "no class, or a run of `condition = class`",
        )),
        Some(condition) if classes.len() == codes => condition.check(classes),
        Some(_) => Err(Error::config(
            format!("{} classes for {codes} codes", classes.len()),
            "a class for each code",
        )),
    }
}

fn no_labels(data: &str, split: &str) -> Error {
    Error::data(
        data,
        format!(
            "the {split} images have no labels, and the model is told the class of each (`condition = class`)"
        ),
        "a folder with a subfolder for each class, labels beside IDX files or in a .npz (`array = labels=y`), a column of a \
         table (`label-column = …`), or a model without `condition = …`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Values;
    use crate::shape::ImageShape;

    fn images(labels: Option<&[u32]>) -> Images {
        let count = labels.map_or(3, <[u32]>::len);
        Images {
            labels: labels.map(<[u32]>::to_vec),
            ..Images::new(ImageShape::new(1, 1, 1), Values::Bytes(vec![0; count]))
        }
    }

    fn dataset(train: Option<&[u32]>, test: Option<&[u32]>, classes: &[&str]) -> Dataset {
        let mut dataset = Dataset::new("some data", images(train), images(test));
        dataset.classes = classes.iter().map(|&name| name.to_owned()).collect();
        dataset
    }

    fn numbered(dataset: Dataset) -> Result<Dataset> {
        Condition::of(&dataset)?.number_all(dataset)
    }

    #[test]
    fn classes_are_those_of_the_training_images_and_count_from_0() {
        let found = numbered(dataset(Some(&[7, 30, 7, 4]), Some(&[30, 4]), &[])).expect("classes");
        assert_eq!(found.classes, ["4", "7", "30"]);
        assert_eq!(found.train.labels, Some(vec![1, 2, 1, 0]));
        assert_eq!(found.test.labels, Some(vec![2, 0]));
        let named = dataset(Some(&[2, 0, 0]), Some(&[2]), &["ant", "bee", "cat"]);
        let found = numbered(named).expect("classes");
        assert_eq!(found.classes, ["ant", "cat"]);
        assert_eq!(found.train.labels, Some(vec![1, 0, 0]));
    }

    #[test]
    fn classes_that_no_model_can_be_told_are_refused() {
        let many: Vec<u32> = (0..=MOST_CLASSES as u32).collect();
        for (train, test, expected) in [
            (None, Some(&[1][..]), "the training images have no labels"),
            (Some(&[1, 2][..]), None, "the test images have no labels"),
            (
                Some(&[1, 1]),
                Some(&[1]),
                "all training images are of one class",
            ),
            (
                Some(&[1, 2]),
                Some(&[1, 3]),
                "the test image 1 is of class \"3\"",
            ),
            (Some(&many), Some(&[1]), "have 1001 classes"),
        ] {
            let error = numbered(dataset(train, test, &[])).expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().contains("some data"), "{error}");
        }
        let most = &many[..MOST_CLASSES];
        assert!(numbered(dataset(Some(most), Some(most), &[])).is_ok());
    }

    #[test]
    fn a_class_is_found_by_its_name_before_its_number() {
        let named =
            |names: &[&str]| Condition::new(names.iter().map(|&name| name.to_owned()).collect());
        let shifted = named(&["1", "2"]);
        assert_eq!(shifted.find("1").expect("a name"), 0);
        assert_eq!(shifted.find("0").expect("a number"), 0);
        let error = shifted.find("3").expect_err("neither").to_string();
        assert!(error.contains("2 classes (1, 2)"), "{error}");
        assert_eq!(named(&["bag", "dress"]).find("dress").expect("a name"), 1);
    }
}
