//! Memory of the host.

use crate::error::{Error, Result};

/// Refuses what the host cannot have, as an allocation that fails ends the program. Systems that promise more memory than
/// they have refuse only what is more than all of it.
///
/// # Errors
/// [`Error::Device`], which says how much was asked for.
pub fn check_memory(what: &str, bytes: u64) -> Result<()> {
    let len = usize::try_from(bytes).unwrap_or(usize::MAX);
    Vec::<u8>::new().try_reserve_exact(len).map_err(|_| {
        Error::device(
            format!(
                "no memory for {what}: {:.1} GiB",
                bytes as f64 / f64::from(1 << 30)
            ),
            "a smaller model or `batch-size = …`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_computer_has_is_an_error_with_its_size() {
        check_memory("a little", 1 << 20).expect("a mebibyte");
        let error = check_memory("the parameters", 1 << 60).expect_err("an exbibyte");
        let text = error.to_string();
        assert!(
            text.contains("no memory for the parameters: 1073741824.0 GiB"),
            "{text}"
        );
    }
}
