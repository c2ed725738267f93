//! What the name of a folder says about the use of its pictures.

/// The split that a folder's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Train,
    Test,
    Val,
    /// Held out in some way that is not clear.
    Other,
}

/// Words that say nothing of a split's kind.
const FILLERS: [&str; 11] = [
    "set", "sets", "data", "dataset", "split", "images", "image", "imgs", "img", "pictures",
    "samples",
];

impl Role {
    /// The role of a folder's name, in any letter case, with or without a number or a word such as `set` or
    /// `images`: `Train`, `training_set`, `test1`, `val2017`.
    pub(super) fn of(name: &str) -> Option<Self> {
        let words = words(name);
        let telling: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| !FILLERS.contains(word))
            .collect();
        Self::of_word(&telling.concat())
    }

    /// The role of a word in lower case, alone or grown together with a filler: `test`, `traindata`.
    fn of_word(word: &str) -> Option<Self> {
        let mut fillers = FILLERS.iter();
        let word = fillers
            .find_map(|filler| word.strip_suffix(filler))
            .unwrap_or(word);
        match word {
            "train" | "training" => Some(Self::Train),
            "test" | "testing" | "tests" => Some(Self::Test),
            "val" | "valid" | "validation" | "validate" => Some(Self::Val),
            "dev" | "devel" | "development" | "holdout" | "heldout" | "eval" | "evaluation" => {
                Some(Self::Other)
            }
            _ => None,
        }
    }

    /// As [`Role::of_word`], of a word beside others, where the short forms of medical data sets are known too:
    /// `imagesTr`, `imagesTs`.
    fn of_word_beside_others(word: &str) -> Option<Self> {
        match word {
            "tr" => Some(Self::Train),
            "te" | "ts" => Some(Self::Test),
            word => Self::of_word(word),
        }
    }
}

/// The words of a name in lower case: runs of letters, of which a capital behind a small letter begins another.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        if !letter.is_alphabetic() || before.is_lowercase() && letter.is_uppercase() {
            words.push(String::new());
        }
        if letter.is_alphabetic() {
            words
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|word| word.extend(letter.to_lowercase()));
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Two names that differ only in the word of a split, such as `seg_train` and `seg_test`.
pub(super) fn alike<'a>(names: impl Iterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let mut seen: Vec<(Vec<String>, Role, &str)> = Vec::new();
    for name in names {
        let words = words(name);
        let role = match words.len() {
            1 => Role::of_word,
            _ => Role::of_word_beside_others,
        };
        let (roles, rest): (Vec<String>, Vec<String>) =
            words.into_iter().partition(|word| role(word).is_some());
        let [word] = &roles[..] else {
            continue;
        };
        let Some(role) = role(word) else {
            continue;
        };
        let twin = seen
            .iter()
            .find(|(others, other, _)| *others == rest && *other != role);
        if let Some((_, _, first)) = twin {
            return Some((first, name));
        }
        seen.push((rest, role, name));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_splits_are_known_in_their_variants_and_classes_are_not_taken_for_them() {
        for name in [
            "train",
            "Train",
            "TRAINING",
            "training_set",
            "trainset",
            "train-images",
            "train2017",
            "traindata",
            "TrainImages",
        ] {
            assert_eq!(Role::of(name), Some(Role::Train), "{name}");
        }
        for name in ["test", "Testing", "test1", "test_set"] {
            assert_eq!(Role::of(name), Some(Role::Test), "{name}");
        }
        for name in ["val", "valid", "Validation", "val2017"] {
            assert_eq!(Role::of(name), Some(Role::Val), "{name}");
        }
        for name in ["dev", "hold-out", "holdout", "Eval"] {
            assert_eq!(Role::of(name), Some(Role::Other), "{name}");
        }
        for name in [
            "",
            "0",
            "cats",
            "trains",
            "test tube",
            "train station",
            "invalid",
            "set",
            "images",
        ] {
            assert_eq!(Role::of(name), None, "{name}");
        }
    }

    #[test]
    fn names_that_differ_in_the_split_only_are_alike() {
        let found = alike(["seg_pred", "seg_test", "seg_train"].into_iter());
        assert_eq!(found, Some(("seg_test", "seg_train")));
        assert_eq!(
            alike(["test tube", "train station", "flask"].into_iter()),
            None
        );
        for (train, held_out) in [
            ("trainA", "testA"),
            ("train_A", "val_A"),
            ("TrainB", "TestB"),
            ("trainSmall", "valSmall"),
            ("imagesTr", "imagesTs"),
            ("cats_traindata", "cats_testdata"),
        ] {
            let found = alike([train, held_out, "other"].into_iter());
            assert_eq!(found, Some((train, held_out)));
        }
        // Languages.
        assert_eq!(alike(["tr", "te", "ta"].into_iter()), None);
    }
}
