//! Tests that leave something out say so, or fail where that is not to be.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};

/// What a machine may lack: a browser, Python's packages, strace, the right to mount, an adapter, MNIST, an adapter
/// whose shaders have f16, one with small bindings, a user whom permissions bind, inputs that people have had, Khronos'
/// validators of shaders, SwiftShader, OpenGL, MPI.
const NEEDS: [&str; 14] = [
    "web",
    "python",
    "strace",
    "mount",
    "gpu",
    "mnist",
    "f16",
    "small",
    "user",
    "trials",
    "validators",
    "opengl",
    "swiftshader",
    "mpi",
];

/// Says what a test leaves out because this machine lacks one of [`NEEDS`].
///
/// # Panics
/// Where `ELBO_TEST_REQUIRE`, a list with commas, holds that name, or one that is none.
pub(crate) fn skipped(need: &str, what: impl Display) {
    let required = env::var("ELBO_TEST_REQUIRE").unwrap_or_default();
    let mut names = required.split(',').filter(|name| !name.is_empty());
    let known = |name: &str| NEEDS.contains(&name);
    assert!(
        known(need) && names.clone().all(known),
        "ELBO_TEST_REQUIRE={required}, {need}: expected some of {NEEDS:?}"
    );
    assert!(
        !names.any(|name| name == need),
        "ELBO_TEST_REQUIRE={required}, but {what}"
    );
    // Not by eprintln, which the test runner hides where a test passes.
    let _ = writeln!(io::stderr(), "SKIPPED ({need}): {what}");
}
