//! Downloads of data sets: each file is checked by its hash before it gets its name.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::Md5;
use sha2::{Digest, Sha256};
use ureq::Agent;

use super::Progress;
use super::source::Source;
use crate::error::{Error, Result};
use crate::files::{NewFile, hex};

/// Time to reach a server, and longest silence of one.
const PATIENCE: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: u32 = 5;
/// Larger than any file listed here; a server cannot fill the disk.
const MAX_BYTES: u64 = 64 << 20;
const CHUNK: usize = 1 << 16;

/// The hash that a file's publisher gives, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256, 64 digits.
    Sha256(String),
    /// MD5, 32 digits: guards against damage, not against intent.
    Md5(String),
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digits) => write!(f, "sha256 {digits}"),
            Self::Md5(digits) => write!(f, "md5 {digits}"),
        }
    }
}

/// A file to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name, on the server and in the cache.
    pub name: String,
    /// Hash of the file as it is served.
    pub hash: Hash,
}

/// A data set that can be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Name of the data set and of its folder in the cache.
    pub name: &'static str,
    /// Base addresses, tried in order.
    pub mirrors: Vec<String>,
    /// Its files, all of which are needed.
    pub files: Vec<RemoteFile>,
}

const FILE_NAMES: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

impl Remote {
    /// MNIST (LeCun, Cortes, Burges): 70,000 digits of `28×28×1`.
    pub fn mnist() -> Self {
        let hashes = [
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ];
        let mirrors = [
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ];
        Self::new(
            Source::Mnist.name(),
            &mirrors,
            hashes.map(|hash| Hash::Sha256(hash.to_owned())),
        )
    }

    /// Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 70,000 pieces of clothing of `28×28×1`.
    ///
    /// Its home speaks plain http and publishes MD5 only.
    pub fn fashion_mnist() -> Self {
        let hashes = [
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ];
        let mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"];
        Self::new(
            Source::FashionMnist.name(),
            &mirrors,
            hashes.map(|hash| Hash::Md5(hash.to_owned())),
        )
    }

    fn new(name: &'static str, mirrors: &[&str], hashes: [Hash; 4]) -> Self {
        let files = FILE_NAMES.into_iter().zip(hashes);
        Self {
            name,
            mirrors: mirrors.iter().map(|&mirror| mirror.to_owned()).collect(),
            files: files
                .map(|(name, hash)| RemoteFile {
                    name: name.to_owned(),
                    hash,
                })
                .collect(),
        }
    }
}

/// Brings every file of `remote` into `cache/<name>` and returns that folder.
///
/// A file that lies there with the right hash is used without the network. `mirrors` replaces the
/// data set's own list unless empty. `progress` gets a note for each file, and how much of it has arrived.
///
/// # Errors
///
/// [`Error::Data`] that lists why each mirror failed, or that the cache cannot be written. Nothing
/// that failed is left under a file's final name.
pub fn fetch(
    remote: &Remote,
    mirrors: &[String],
    cache: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf> {
    let folder = cache.join(remote.name);
    fs::create_dir_all(&folder).map_err(|reason| unwritable(&folder, &reason))?;
    let mirrors = if mirrors.is_empty() {
        &remote.mirrors
    } else {
        mirrors
    };
    let agent = new_agent();
    for file in &remote.files {
        let target = folder.join(&file.name);
        if target.is_file() {
            if hash_of_file(&target, &file.hash)? == file.hash {
                continue;
            }
            progress(Progress::Note(&format!(
                "{}: its hash is wrong, downloading it again",
                target.display()
            )));
        }
        fetch_file(&agent, file, mirrors, &target, progress).map_err(|failures| {
            let what = format!("cannot download {}: {failures}", remote.name);
            let hint = format!(
                "`data = {}`, which needs no download; or put {} into a folder and give \
                 `data = FOLDER`",
                Source::Digits.name(),
                FILE_NAMES.join(", ")
            );
            Error::data(&target, what, hint)
        })?;
    }
    Ok(folder)
}

fn unwritable(path: &Path, reason: &dyn fmt::Display) -> Error {
    Error::data(
        path,
        format!("expected a folder for downloads, but it cannot be written: {reason}"),
        "set ELBO_CACHE to a folder you can write to",
    )
}

fn new_agent() -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_resolve(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .max_redirects(MAX_REDIRECTS)
        .max_redirects_will_error(true)
        .user_agent(concat!("elbo/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

/// Tries the mirrors in order; the error lists what each of them answered.
fn fetch_file(
    agent: &Agent,
    file: &RemoteFile,
    mirrors: &[String],
    target: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), String> {
    let mut failures = Vec::new();
    let mut reached_any = false;
    for mirror in mirrors {
        let url = format!("{}/{}", mirror.trim_end_matches('/'), file.name);
        progress(Progress::Note(&format!("downloading {url}")));
        match fetch_from(agent, &url, file, target, progress) {
            Ok(()) => return Ok(()),
            Err(failure) => {
                reached_any |= failure.reached;
                let failure = format!("{url}: {}", failure.reason);
                progress(Progress::Note(&failure));
                failures.push(failure);
            }
        }
    }
    let offline = if reached_any {
        ""
    } else {
        "no server could be reached, this machine seems to be offline; "
    };
    Err(format!("{offline}{}", failures.join("; ")))
}

/// Why one mirror failed.
struct Failure {
    /// Whether there was an answer at all: otherwise the machine may be offline.
    reached: bool,
    reason: String,
}

impl Failure {
    fn answered(reason: impl Into<String>) -> Self {
        Self {
            reached: true,
            reason: reason.into(),
        }
    }
}

fn fetch_from(
    agent: &Agent,
    url: &str,
    file: &RemoteFile,
    target: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), Failure> {
    let mut response = agent.get(url).call().map_err(|reason| Failure {
        reached: !matches!(
            reason,
            ureq::Error::HostNotFound
                | ureq::Error::ConnectionFailed
                | ureq::Error::Io(_)
                | ureq::Error::Timeout(_)
        ),
        reason: reason.to_string(),
    })?;
    let expected = response.body().content_length();
    if expected.is_some_and(|length| length > MAX_BYTES) {
        return Err(Failure::answered(format!(
            "expected at most {MAX_BYTES} bytes, got more"
        )));
    }
    let refused = |reason: Error| Failure::answered(unwritable(target, &reason).to_string());
    let mut tee = Tee {
        hasher: Hasher::new(&file.hash),
        partial: NewFile::beside(target).map_err(refused)?,
    };
    let mut body = response.body_mut().as_reader();
    tee.copy(&mut body, expected, &mut |done, total| {
        progress(Progress::Part {
            what: &file.name,
            done,
            total,
            unit: "bytes",
        });
    })
    .map_err(Failure::answered)?;
    let Tee { hasher, partial } = tee;
    let got = hasher.finish();
    if got != file.hash {
        return Err(Failure::answered(format!(
            "expected {}, got {got}",
            file.hash
        )));
    }
    partial.replace().map_err(refused)
}

/// Writes what arrives and hashes it on the way.
struct Tee {
    hasher: Hasher,
    partial: NewFile,
}

impl Tee {
    fn copy(
        &mut self,
        body: &mut impl Read,
        expected: Option<u64>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), String> {
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        loop {
            let count = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(reason) => return Err(format!("broke off after {done} bytes: {reason}")),
            };
            done += count as u64;
            if done > MAX_BYTES {
                return Err(format!("expected at most {MAX_BYTES} bytes, got more"));
            }
            self.hasher.update(&chunk[..count]);
            let written = self.partial.write(&chunk[..count]);
            written.map_err(|reason| format!("cannot write it to the cache: {reason}"))?;
            if let Some(total) = expected.filter(|&total| total >= done) {
                progress(done, total);
            }
        }
        match expected {
            Some(total) if total != done => Err(format!("expected {total} bytes, got {done}")),
            _ => Ok(()),
        }
    }
}

/// A running hash of the kind that a file's publisher chose.
enum Hasher {
    Sha256(Sha256),
    Md5(Md5),
}

impl Hasher {
    fn new(kind: &Hash) -> Self {
        match kind {
            Hash::Sha256(_) => Self::Sha256(Sha256::new()),
            Hash::Md5(_) => Self::Md5(Md5::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> Hash {
        match self {
            Self::Sha256(hasher) => Hash::Sha256(hex(&hasher.finalize())),
            Self::Md5(hasher) => Hash::Md5(hex(&hasher.finalize())),
        }
    }
}

/// The hash of a file, of the same kind as `like`.
fn hash_of_file(path: &Path, like: &Hash) -> Result<Hash> {
    let mut file = File::open(path).map_err(Error::io(path, "open it"))?;
    let mut hasher = Hasher::new(like);
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk).map_err(Error::io(path, "read it"))?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&chunk[..count]);
    }
}
