//! Memory that each thread keeps from one call to the next, so that a step of training allocates nothing.

use std::cell::RefCell;
use std::thread::LocalKey;

/// Memories that are not in use. A call within a call, also one of a task that the thread takes over while it waits,
/// finds another one.
pub(super) type Kept<T> = LocalKey<RefCell<Vec<Vec<T>>>>;

/// Calls `f` with `len` values of no meaning. It is inlined, so that `f` is compiled for the vector instructions of its
/// caller.
#[inline(always)]
pub(super) fn scratch<T: Clone + Default, R>(
    kept: &'static Kept<T>,
    len: usize,
    f: impl FnOnce(&mut [T]) -> R,
) -> R {
    let mut memory = kept.with_borrow_mut(Vec::pop).unwrap_or_default();
    if memory.len() < len {
        memory.resize(len, T::default());
    }
    let result = f(&mut memory[..len]);
    kept.with_borrow_mut(|kept| kept.push(memory));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static KEPT: RefCell<Vec<Vec<u32>>> = const { RefCell::new(Vec::new()) };
    }

    #[test]
    fn a_call_within_a_call_has_memory_of_its_own_and_both_are_kept() {
        let nested = || {
            scratch(&KEPT, 5, |outer| {
                outer.fill(1);
                scratch(&KEPT, 7, |inner| inner.fill(2));
                assert_eq!(outer, [1; 5]);
                outer.as_ptr()
            })
        };
        let first = nested();
        assert_eq!(KEPT.with_borrow(Vec::len), 2);
        assert_eq!(nested(), first);
        assert_eq!(KEPT.with_borrow(Vec::len), 2);
    }
}
