//! What a buffer that a runtime keeps is known by.

use std::fmt;

use crate::kernel::Element;

/// A buffer that a runtime keeps, and that plans and the host share. Whoever owns one has it as a constant, so that what
/// its elements are is said in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shared {
    /// Whose it is, where several have one of the kind.
    owner: Option<&'static str>,
    holds: &'static str,
    element: Element,
}

impl Shared {
    /// A buffer of floats, by what it holds.
    pub const fn floats(holds: &'static str) -> Self {
        Self::new(holds, Element::Float)
    }

    /// A buffer of words, by what it holds.
    pub const fn words(holds: &'static str) -> Self {
        Self::new(holds, Element::Word)
    }

    const fn new(holds: &'static str, element: Element) -> Self {
        Self {
            owner: None,
            holds,
            element,
        }
    }

    /// The one of an owner, such as of a split of the data: `train images`.
    #[must_use]
    pub const fn of(self, owner: &'static str) -> Self {
        Self {
            owner: Some(owner),
            ..self
        }
    }

    /// What it is one of, whoever its owner is.
    #[must_use]
    pub const fn kind(self) -> Self {
        Self {
            owner: None,
            ..self
        }
    }

    /// Its element type.
    pub const fn element(self) -> Element {
        self.element
    }

    /// Refuses a use as a buffer of other elements, which is a fault of this program.
    pub(super) fn must_hold(self, element: Element) {
        assert_eq!(self.element, element, "the elements of {self}");
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            Some(owner) if owner != self.holds => write!(f, "{owner} {}", self.holds),
            _ => f.write_str(self.holds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_told_from_those_of_other_owners_and_elements() {
        let images = Shared::words("images");
        let [train, test] = ["train", "test"].map(|split| images.of(split));
        assert_eq!(
            [images, train].map(|of| of.to_string()),
            ["images", "train images"]
        );
        assert_ne!(train, test);
        assert_eq!(train.kind(), test.kind());
        assert_ne!(images, Shared::floats("images"));
    }
}
