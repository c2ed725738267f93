//! The library's error type: every variant says what went wrong, where, and what to try next.
//!
//! Its texts name a setting as a configuration does, in backticks: `` `batch-size = 0` ``, or `` `batch-size = …` ``
//! whatever its value, and `` `skip-broken = true` ``. The command line makes flags of them.

use std::io;
use std::path::{Path, PathBuf};

/// Result of a fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, by the party that can mend it.
///
/// [`Error::exit_code`] maps each variant to the exit code of the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option, a configuration value or a combination of them is not usable.
    #[error("{what}\n  try: {hint}")]
    Config {
        /// The option, its value, and what was expected.
        what: String,
        /// The next thing to try.
        hint: String,
    },
    /// Something that cannot be, whatever the input: a fault of this program.
    #[error("{what}\n  try: please report this as a fault of the program")]
    Internal {
        /// What was found.
        what: String,
    },
    /// A data set or one of its files is not usable.
    #[error("{}: {what}\n  try: {hint}", path.display())]
    Data {
        /// The file or folder at fault.
        path: PathBuf,
        /// Expected and found.
        what: String,
        /// The next thing to try.
        hint: String,
    },
    /// A saved run or model is not usable.
    #[error("{}: {what}\n  try: {hint}", path.display())]
    Model {
        /// The file or folder at fault.
        path: PathBuf,
        /// Expected and found.
        what: String,
        /// The next thing to try.
        hint: String,
    },
    /// No suitable device, or the device failed.
    #[error("{what}\n  try: {hint}")]
    Device {
        /// What failed, with the device's name where there is one.
        what: String,
        /// The next thing to try.
        hint: String,
    },
    /// The device was lost: reset by its driver or its watchdog, or removed. It can be opened again.
    #[error(
        "{what}\n  try: the same once more; if it stays, a newer driver, a smaller `batch-size = …`, or `device = cpu`"
    )]
    Lost {
        /// The device's name, and what it was lost at.
        what: String,
    },
    /// Training produced a value that is not finite.
    #[error("step {step}: {tensor} is not finite\n  try: {hint}")]
    NotFinite {
        /// Training step, counted from 1.
        step: u64,
        /// The first tensor, in the order of computation, that holds a NaN or an infinity.
        tensor: String,
        /// The next thing to try.
        hint: String,
    },
    /// Training went astray: its loss is a number still, but none to go on with.
    #[error("step {step}: the test loss is {loss:.1e} nats per value{remark}\n  try: {hint}")]
    Diverged {
        /// Training step, counted from 1.
        step: u64,
        /// The loss per value of an image, nats.
        loss: f64,
        /// What else is wrong with the model: `, and …`, or nothing.
        remark: String,
        /// The next thing to try.
        hint: String,
    },
    /// Another of the processes that train together failed.
    #[error("process {rank}: {what}")]
    Process {
        /// Its rank.
        rank: usize,
        /// Its error, with what to try.
        what: String,
        /// Its exit code.
        code: u8,
    },
    /// The operating system refused to read or write.
    #[error("{}: cannot {doing}: {source}\n  try: {}", path.display(), remedy(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// A verb phrase, such as `create the run folder`.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

/// The next thing to try where the system refused.
fn remedy(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "a path that you have the permission for"
        }
        io::ErrorKind::NotFound => "a path that exists; `ls` shows what is there",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "another disk, or room on this one"
        }
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists => "another path",
        _ => "the same once more; if it stays, another path or disk",
    }
}

impl Error {
    /// A [`Error::Config`].
    pub fn config(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// A [`Error::Internal`].
    pub fn internal(what: impl Into<String>) -> Self {
        Self::Internal { what: what.into() }
    }

    /// A [`Error::Data`].
    pub fn data(path: impl AsRef<Path>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Data {
            path: path.as_ref().to_owned(),
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// A [`Error::Model`].
    pub fn model(path: impl AsRef<Path>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Model {
            path: path.as_ref().to_owned(),
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// A [`Error::Device`].
    pub fn device(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Device {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// A [`Error::Lost`].
    pub fn lost(what: impl Into<String>) -> Self {
        Self::Lost { what: what.into() }
    }

    /// Turns an [`io::Error`] into an [`Error::Io`]; meant for `map_err(Error::io(path, "read it"))`.
    pub fn io(path: impl AsRef<Path>, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io {
            path,
            doing,
            source,
        }
    }

    /// The program's exit code for this error: 1 input/output, 2 configuration (as clap has it for
    /// arguments), 3 data or saved model, 4 device, 5 a loss that is not finite or has
    /// diverged, 70 a fault of the program (`EX_SOFTWARE` of BSD's `sysexits.h`).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Io { .. } => 1,
            Self::Config { .. } => 2,
            Self::Internal { .. } => 70,
            Self::Data { .. } | Self::Model { .. } => 3,
            Self::Device { .. } | Self::Lost { .. } => 4,
            Self::NotFinite { .. } | Self::Diverged { .. } => 5,
            Self::Process { code, .. } => *code,
        }
    }
}
