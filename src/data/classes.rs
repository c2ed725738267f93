//! Classes by their names.

use std::borrow::Cow;

/// The names that there are, each once and in order.
pub(super) fn classes_of<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut classes: Vec<String> = names.cloned().collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// The name of a class: that which a label counts, or the label itself where there are no names.
pub fn class_name(classes: &[String], label: u32) -> Cow<'_, str> {
    match classes.get(label as usize) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(label.to_string()),
    }
}

/// The place of each name among `classes`, which hold all of them in order.
pub(super) fn numbers_of(names: &[String], classes: &[String]) -> Vec<u32> {
    let place = |name: &String| match classes.binary_search(name) {
        Ok(place) | Err(place) => u32::try_from(place).unwrap_or(u32::MAX),
    };
    names.iter().map(place).collect()
}
