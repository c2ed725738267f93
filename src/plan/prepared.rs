//! Plans that a runtime has prepared.

use std::collections::HashMap;

/// A plan that a runtime has prepared. No two plans of a runtime have the same, whether or not both are still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlanId(usize);

/// What a runtime has made of each plan that is there.
pub(super) struct PreparedPlans<T> {
    next: usize,
    all: HashMap<PlanId, T>,
}

impl<T> Default for PreparedPlans<T> {
    fn default() -> Self {
        Self {
            next: 0,
            all: HashMap::new(),
        }
    }
}

impl<T> PreparedPlans<T> {
    pub(super) fn add(&mut self, prepared: T) -> PlanId {
        let id = PlanId(self.next);
        self.next += 1;
        self.all.insert(id, prepared);
        id
    }

    /// # Panics
    /// Where it was given back.
    pub(super) fn get(&self, id: PlanId) -> &T {
        self.all.get(&id).unwrap_or_else(|| gone(id))
    }

    /// # Panics
    /// As [`PreparedPlans::get`].
    pub(super) fn get_mut(&mut self, id: PlanId) -> &mut T {
        self.all.get_mut(&id).unwrap_or_else(|| gone(id))
    }

    /// # Panics
    /// As [`PreparedPlans::get`].
    pub(super) fn remove(&mut self, id: PlanId) -> T {
        self.all.remove(&id).unwrap_or_else(|| gone(id))
    }
}

fn gone<T>(id: PlanId) -> T {
    panic!("{id:?} was given back, or is of another runtime")
}
