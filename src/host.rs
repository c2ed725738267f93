//! Memory of the host: how much is left, and refusing what is more.
//!
//! On Linux everything is read from files: no library knows control groups within each other, and files can be others in
//! a test.

#[cfg(not(any(target_os = "macos", target_os = "windows")))]
mod linux;

use crate::error::{Error, Result};

/// Memory that can still be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    /// How much.
    pub bytes: u64,
    /// Where it comes from, or what bounds it: `of the system's memory`.
    pub bound: String,
}

impl Supply {
    /// What is left now, by the narrowest of all bounds; `None` where the system does not say.
    pub fn now() -> Option<Self> {
        #[cfg(any(target_os = "macos", target_os = "windows"))]
        return system();
        #[cfg(not(any(target_os = "macos", target_os = "windows")))]
        linux::supply(std::path::Path::new("/"))
    }
}

/// What the system has, with the swap space that is free.
#[cfg(any(target_os = "macos", target_os = "windows"))]
fn system() -> Option<Supply> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let bytes = system.available_memory() + system.free_swap();
    // Where nothing was found out, all is zero.
    (system.total_memory() > 0 && bytes > 0).then(|| Supply {
        bytes,
        bound: SYSTEM.to_owned(),
    })
}

const SYSTEM: &str = "of the system's memory";

/// Less is not looked at: to look takes as long as to fill it.
const LITTLE: u64 = 1 << 20;

/// Refuses what the host cannot have, as an allocation that fails ends the program, and one that the system promises and
/// has not got ends it later. `needs` says what it is for.
///
/// # Errors
/// [`Error::Device`], which says how much is needed and how much is left, with `hint`.
pub fn check_memory(needs: &str, bytes: u64, hint: &str) -> Result<()> {
    if bytes < LITTLE {
        return Ok(());
    }
    check(needs, bytes, hint, Supply::now())
}

fn check(needs: &str, bytes: u64, hint: &str, supply: Option<Supply>) -> Result<()> {
    let left = match supply {
        Some(supply) if supply.bytes < bytes => {
            format!("{} are left {}", in_words(supply.bytes), supply.bound)
        }
        // Some systems promise no more than they have, and any may lack a gap of that size.
        _ if can_reserve(bytes) => return Ok(()),
        _ => "the system gives less".to_owned(),
    };
    let need = in_words(bytes);
    Err(Error::device(
        format!("no memory for {needs}: {need} are needed\n  {left}"),
        hint,
    ))
}

fn can_reserve(bytes: u64) -> bool {
    let len = usize::try_from(bytes).unwrap_or(usize::MAX);
    Vec::<u8>::new().try_reserve_exact(len).is_ok()
}

/// An amount of memory in words.
pub(crate) fn in_words(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20)];
    let large = units.iter().find(|(_, unit)| bytes >= unit / 10);
    match large {
        Some((name, unit)) => format!("{:.2} {name}", bytes as f64 / *unit as f64),
        None => format!("{:.2} KiB", bytes as f64 / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn need_and_supply_have_a_line_each() {
        let supply = |bytes| {
            Some(Supply {
                bytes,
                bound: SYSTEM.to_owned(),
            })
        };
        check("a little", 3 << 20, "less", supply(3 << 20)).expect("all of it");
        check("a little", 3 << 20, "less", None).expect("three mebibytes");
        let error = check("images", 3 << 30, "fewer images", supply(1 << 29));
        assert_eq!(
            error.expect_err("half a gibibyte").to_string(),
            "no memory for images: 3.00 GiB are needed\n  0.50 GiB are left of the system's memory\n  try: fewer images"
        );
        let text = check("images", 1 << 60, "fewer images", None);
        let text = text.expect_err("an exbibyte").to_string();
        assert!(text.contains("the system gives less"), "{text}");
    }

    #[test]
    fn more_than_any_computer_has_is_refused() {
        check_memory("a little", 1 << 21, "less").expect("two mebibytes");
        let error = check_memory("the parameters", 1 << 60, "less").expect_err("an exbibyte");
        let text = error.to_string();
        let words = "no memory for the parameters: 1073741824.00 GiB are needed\n";
        assert!(text.contains(words), "{text}");
        assert_eq!(error.exit_code(), 4);
    }
}
