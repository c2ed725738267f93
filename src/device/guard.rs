//! Panics of the layers below, as values.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Guards around what this thread runs.
    static GUARDS: Cell<u32> = const { Cell::new(0) };
}

/// Runs `f`, and gives what it panicked with where it did. No report of such a panic is printed, as the caller says what is
/// to be said. wgpu 30 panics where a driver fails at calls that it takes for granted: a lost device while it is waited
/// for, no memory for a list of commands, an adapter that cannot list its extensions.
pub(super) fn guard<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static SILENCE: Once = Once::new();
    SILENCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |report| {
            if GUARDS.get() == 0 {
                before(report);
            } else {
                log::debug!("{report}");
            }
        }));
    });
    GUARDS.set(GUARDS.get() + 1);
    // What a panic leaves half done belongs to a device that is given up.
    let outcome = panic::catch_unwind(AssertUnwindSafe(f));
    GUARDS.set(GUARDS.get() - 1);
    outcome.map_err(|panic| in_words(panic.as_ref()))
}

/// The first line of what a panic says.
fn in_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let first = text.and_then(|text| text.lines().next());
    first.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use super::guard;

    #[test]
    fn a_panic_is_an_error_with_its_first_line() {
        assert_eq!(guard(|| 7), Ok(7));
        let panicked: Result<(), String> = guard(|| panic!("no {}\nand more", "memory"));
        assert_eq!(panicked, Err("no memory".to_owned()));
        let inner = guard(|| guard(|| panic!("inside")).map(|()| 1));
        assert_eq!(inner, Ok(Err("inside".to_owned())));
    }
}
