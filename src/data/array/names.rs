//! Which array of a `.npz` is what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Stands for no array where labels are named.
const NONE: &str = "none";
/// What a split is called.
const TRAIN: &[&str] = &["train", "training"];
const TEST: &[&str] = &["test", "testing"];
const VAL: &[&str] = &["val", "valid", "validation"];
/// The keys of [`Arrays`], in its order.
const KEYS: [&str; 6] = [
    "train",
    "test",
    "val",
    "labels",
    "test-labels",
    "val-labels",
];

/// Names of the arrays of a `.npz`: `train=images,test=x_val,labels=y`.
///
/// Images are `train`, `test` and `val`; without `test` and `val` the images of `train` are split by the seed.
/// `labels` are those of `train`, also where it is split; `test-labels` and `val-labels` those of the others;
/// `none` as a name means no labels. Where no images are named, they are found by their usual names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arrays {
    /// Images to learn from.
    pub train: Option<String>,
    /// Images to measure on.
    pub test: Option<String>,
    /// Images of a third split.
    pub val: Option<String>,
    /// Labels of `train`.
    pub labels: Option<String>,
    /// Labels of `test`.
    pub test_labels: Option<String>,
    /// Labels of `val`.
    pub val_labels: Option<String>,
}

impl Arrays {
    fn slots(&self) -> [&Option<String>; 6] {
        let images = [&self.train, &self.test, &self.val];
        let labels = [&self.labels, &self.test_labels, &self.val_labels];
        let [a, b, c] = images;
        let [d, e, f] = labels;
        [a, b, c, d, e, f]
    }

    fn slot(&mut self, key: &str) -> Option<&mut Option<String>> {
        Some(match key {
            "train" => &mut self.train,
            "test" => &mut self.test,
            "val" => &mut self.val,
            "labels" | "train-labels" => &mut self.labels,
            "test-labels" => &mut self.test_labels,
            "val-labels" => &mut self.val_labels,
            _ => return None,
        })
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.slots().iter().all(|slot| slot.is_none())
    }

    /// All names that stand for arrays.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.slots().into_iter().flatten();
        names.map(String::as_str).filter(|name| *name != NONE)
    }

    /// These arrays, completed by the usual names among those that a file has.
    ///
    /// # Errors
    /// A message where the names leave it open what is what.
    pub(super) fn completed(&self, names: &[String]) -> Result<Self, String> {
        let mut found = self.clone();
        if self.train.is_none() && self.test.is_none() && self.val.is_none() {
            found.find_images(names)?;
        } else if self.train.is_none() {
            return Err("expected the name of the training images too".to_owned());
        } else {
            // Who names the images knows the labels too: nothing else is guessed.
            return Ok(found.without_none());
        }
        let alone = found.test.is_none() && found.val.is_none();
        for (slot, split, of_images) in [
            (&mut found.labels, TRAIN, true),
            (&mut found.test_labels, TEST, found.test.is_some()),
            (&mut found.val_labels, VAL, found.val.is_some()),
        ] {
            if slot.is_none() && of_images {
                *slot = one(names, &labels_of(split))?;
            }
        }
        if found.labels.is_none() && alone {
            found.labels = one(names, &["y".to_owned()])?;
        }
        // A single array is the images, whatever its name.
        found.labels = found
            .labels
            .filter(|labels| Some(labels) != found.train.as_ref());
        Ok(found.without_none())
    }

    fn find_images(&mut self, names: &[String]) -> Result<(), String> {
        self.train = one(names, &images_of(TRAIN))?;
        self.test = one(names, &images_of(TEST))?;
        self.val = one(names, &images_of(VAL))?;
        if self.train.is_some() && (self.test.is_some() || self.val.is_some()) {
            return Ok(());
        }
        let labels = [TRAIN, TEST, VAL].map(labels_of).concat();
        let is_label = |name: &&String| {
            let name = name.to_ascii_lowercase();
            name == "y" || labels.contains(&name)
        };
        let others: Vec<&String> = names.iter().filter(|name| !is_label(name)).collect();
        let single = match (names, others.as_slice()) {
            ([only], _) => Some(only),
            (_, [only]) => Some(*only),
            _ => None,
        };
        match single {
            Some(only) => {
                self.train = Some(only.clone());
                self.test = None;
                self.val = None;
                Ok(())
            }
            None => Err(
                "expected the arrays `train` and `test` (or `x_train` and `x_test`), or a single array"
                    .to_owned(),
            ),
        }
    }

    fn without_none(mut self) -> Self {
        for key in KEYS {
            if let Some(slot) = self.slot(key) {
                slot.take_if(|name| name == NONE);
            }
        }
        self
    }
}

/// The usual names of a split's images.
fn images_of(split: &[&str]) -> Vec<String> {
    let alone = split.iter().map(|split| (*split).to_owned());
    let both = both_orders(split, &["x", "images", "image", "imgs", "data"]);
    alone.chain(both).collect()
}

/// The usual names of a split's labels.
fn labels_of(split: &[&str]) -> Vec<String> {
    both_orders(split, &["y", "labels", "label"]).collect()
}

/// `x_train` and `train_x`, of each name of a split and each word.
fn both_orders(split: &[&str], words: &[&str]) -> impl Iterator<Item = String> {
    let pairs = split
        .iter()
        .flat_map(|split| words.iter().map(move |word| (split, word)));
    let names =
        pairs.flat_map(|(split, word)| [format!("{word}_{split}"), format!("{split}_{word}")]);
    names.collect::<Vec<_>>().into_iter()
}

/// Whether a name says that its images are held out.
pub(super) fn is_held_out(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [TEST, VAL].concat().iter().any(|word| name.contains(word))
}

/// The one name of a file that is among the usual ones; capitals make no difference.
fn one(names: &[String], usual: &[String]) -> Result<Option<String>, String> {
    let is_usual = |name: &&String| usual.contains(&name.to_ascii_lowercase());
    let mut found = names.iter().filter(is_usual);
    match (found.next(), found.next()) {
        (Some(name), Some(other)) => Err(format!(
            "expected one of the arrays `{name}` and `{other}`, which mean the same"
        )),
        (name, _) => Ok(name.cloned()),
    }
}

impl FromStr for Arrays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut arrays = Self::default();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            // A name alone is that of all images.
            let (key, name) = part.split_once('=').unwrap_or(("train", part));
            let (key, name) = (key.trim(), name.trim());
            if name.is_empty() {
                return Err(format!(
                    "\"{part}\": expected the name of an array behind ="
                ));
            }
            let name = name.strip_suffix(".npy").unwrap_or(name);
            match arrays.slot(key) {
                Some(slot @ None) => *slot = Some(name.to_owned()),
                Some(Some(before)) => {
                    return Err(format!("\"{part}\": {key} is {before} already"));
                }
                None => {
                    return Err(format!(
                        "\"{part}\": expected one of {}, such as train=images,labels=y",
                        KEYS.join(", ")
                    ));
                }
            }
        }
        Ok(arrays)
    }
}

impl fmt::Display for Arrays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = KEYS.iter().zip(self.slots());
        let parts = named.filter_map(|(key, name)| Some(format!("{key}={}", name.as_ref()?)));
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

impl TryFrom<String> for Arrays {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Arrays> for String {
    fn from(arrays: Arrays) -> Self {
        arrays.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(option: &str, names: &[&str]) -> Result<String, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let arrays: Arrays = option.parse().expect("an option");
        Ok(arrays.completed(&names)?.to_string())
    }

    #[test]
    fn arrays_are_read_and_written_alike() {
        for (text, written) in [
            (
                "train=images,test=x_val,labels=y",
                "train=images,test=x_val,labels=y",
            ),
            (" labels = y , train = x.npy ", "train=x,labels=y"),
            ("images", "train=images"),
            (
                "train-labels=a,test-labels=b,val-labels=none",
                "labels=a,test-labels=b,val-labels=none",
            ),
            ("", ""),
        ] {
            let arrays: Arrays = text.parse().expect(text);
            assert_eq!(arrays.to_string(), written);
            assert_eq!(written.parse(), Ok(arrays));
        }
        for (text, words) in [
            ("tests=x", "expected one of train, test, val, labels"),
            ("train=", "name of an array"),
            ("train=a,train=b", "train is a already"),
        ] {
            let message = text.parse::<Arrays>().expect_err(text);
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn usual_names_say_what_is_what() {
        for (names, expected) in [
            (
                &["x_test", "x_train", "y_test", "y_train"][..],
                "train=x_train,test=x_test,labels=y_train,test-labels=y_test",
            ),
            (
                &["X_train", "X_val", "y_train"],
                "train=X_train,val=X_val,labels=y_train",
            ),
            (
                &["train", "test", "validation"],
                "train=train,test=test,val=validation",
            ),
            (
                &["train_images", "test_images", "train_labels"],
                "train=train_images,test=test_images,labels=train_labels",
            ),
            (&["X", "y"], "train=X,labels=y"),
            (&["x_train", "y_train"], "train=x_train,labels=y_train"),
            (&["faces"], "train=faces"),
            (&["y"], "train=y"),
        ] {
            assert_eq!(completed("", names).as_deref(), Ok(expected), "{names:?}");
        }
        assert_eq!(
            completed("labels=none", &["X", "y"]).as_deref(),
            Ok("train=X")
        );
        assert_eq!(
            completed("train=X", &["X", "y", "z"]).as_deref(),
            Ok("train=X")
        );
        for names in [
            &["images", "labels"][..],
            &["x_test", "z"],
            &["train", "x_train", "test"],
        ] {
            assert!(completed("", names).is_err(), "{names:?}");
        }
        assert!(completed("test=a", &["a", "b"]).is_err());
    }
}
