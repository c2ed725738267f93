//! Tests that leave something out say so, or fail where that is not to be.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};

/// Says what a test leaves out because this machine lacks something, named `need`: `web`, `strace` and so on.
///
/// # Panics
/// Where `ELBO_TEST_REQUIRE`, a list with commas, holds that name.
pub(crate) fn skipped(need: &str, what: impl Display) {
    let required = env::var("ELBO_TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name == need),
        "ELBO_TEST_REQUIRE={required}, but {what}"
    );
    // Not by eprintln, which the test runner hides where a test passes.
    let _ = writeln!(io::stderr(), "SKIPPED ({need}): {what}");
}
