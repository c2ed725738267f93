//! The interpreter of tests that need Python.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use crate::skipped::skipped;

/// An interpreter that has these packages: that of `ELBO_PYTHON`, which has to have them, or `python3`.
pub(crate) fn python(packages: &[&str]) -> Option<OsString> {
    let demanded = env::var_os("ELBO_PYTHON").filter(|name| !name.is_empty());
    let interpreter = demanded.clone().unwrap_or_else(|| "python3".into());
    let import = format!("import {}", packages.join(", "));
    let outcome = Command::new(&interpreter).args(["-c", &import]).output();
    let missing = match outcome {
        Ok(output) if output.status.success() => return Some(interpreter),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let last = missing.lines().last().unwrap_or_default();
    let what = format!("{} cannot `{import}`: {last}", interpreter.display());
    assert!(demanded.is_none(), "ELBO_PYTHON: {what}");
    let how = "to run it: ELBO_PYTHON=/path/to/python with these packages installed";
    skipped("python", format_args!("{what}\n  {how}"));
    None
}
