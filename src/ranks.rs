//! Processes that train together, told apart by their ranks.
//!
//! A launcher such as `mpirun` starts them, MPI joins them. What they compute together has the same bits however many
//! they are, because sums are binary trees over parts of a batch, of which each process has a subtree.

mod launch;
// Its handles need a machine of 64 bits whose lower half comes first.
#[cfg(all(unix, target_pointer_width = "64", target_endian = "little"))]
mod mpi;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytemuck::Pod;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// How processes pass bytes to each other. All of them make every call, in the same order.
pub trait Messages: Send + Sync {
    /// Number of this process.
    fn rank(&self) -> usize;

    /// Number of processes.
    fn count(&self) -> usize;

    /// Part `i` of `sent` goes to process `i`, and part `i` of `received` comes from it; all parts are of one length.
    ///
    /// # Errors
    /// [`Error::Device`] where it failed.
    fn all_to_all(&self, sent: &[u8], received: &mut [u8]) -> Result<()>;

    /// Part `i` of `received` is what process `i` sent; all send as many bytes.
    ///
    /// # Errors
    /// As [`Messages::all_to_all`].
    fn all_gather(&self, sent: &[u8], received: &mut [u8]) -> Result<()>;

    /// Gives all processes the bytes of the first one.
    ///
    /// # Errors
    /// As [`Messages::all_to_all`].
    fn broadcast(&self, bytes: &mut [u8]) -> Result<()>;

    /// Ends all processes with this exit code.
    fn abort(&self, code: u8) -> !;

    /// Waits for all processes to come here, behind their last message.
    ///
    /// # Errors
    /// As [`Messages::all_to_all`].
    fn finish(&self) -> Result<()>;
}

/// Where a process is among those of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Processes before it on the same machine: its local rank.
    pub before: usize,
    /// All processes of the machine.
    pub on_machine: usize,
    /// Processes that share this one's processors, itself among them.
    pub sharers: usize,
}

impl Place {
    /// That of a process alone.
    pub const ALONE: Self = Self {
        before: 0,
        on_machine: 1,
        sharers: 1,
    };
}

/// The processes that train together: this one among others, or alone.
#[derive(Clone, Default)]
pub struct Ranks {
    others: Option<Arc<dyn Messages>>,
    /// Whether all of them know of the error that one of them returned.
    is_agreed: Arc<AtomicBool>,
}

impl Ranks {
    /// A process alone.
    pub fn alone() -> Self {
        Self::default()
    }

    /// This process among those that `messages` reach.
    pub fn new(messages: impl Messages + 'static) -> Self {
        let is_alone = messages.count() == 1;
        Self {
            others: (!is_alone).then(|| Arc::new(messages) as Arc<dyn Messages>),
            ..Self::default()
        }
    }

    /// Joins the processes that the launcher has started with this one; alone where the variables of its environment name
    /// none.
    ///
    /// # Errors
    /// [`Error::Config`] where these disagree, with each other or with MPI; [`Error::Device`] where no MPI library can
    /// be used.
    pub fn join() -> Result<Self> {
        match launch::find(|name| std::env::var(name).ok())? {
            None => Ok(Self::alone()),
            #[cfg(all(unix, target_pointer_width = "64", target_endian = "little"))]
            Some(launch) => {
                let mpi = mpi::Mpi::join(&launch)?;
                launch.check(mpi.count(), mpi.version())?;
                if mpi.count() == 1 {
                    mpi.finish()?;
                    return Ok(Self::alone());
                }
                Ok(Self::new(mpi))
            }
            #[cfg(not(all(unix, target_pointer_width = "64", target_endian = "little")))]
            Some(launch) => Err(launch.unsupported()),
        }
    }

    /// Number of this process.
    pub fn rank(&self) -> usize {
        self.others.as_ref().map_or(0, |others| others.rank())
    }

    /// Number of processes.
    pub fn count(&self) -> usize {
        self.others.as_ref().map_or(1, |others| others.count())
    }

    /// Whether it is the one that speaks and writes.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Which of some parts are this process's; their number is a multiple of that of the processes.
    pub fn own(&self, parts: usize) -> Range<usize> {
        let each = parts / self.count();
        each * self.rank()..each * (self.rank() + 1)
    }

    /// Checks that the processes can part that many shards of a batch among them.
    ///
    /// # Errors
    /// [`Error::Config`] where they cannot.
    pub fn check_shards(&self, shards: usize) -> Result<()> {
        let count = self.count();
        if shards.is_multiple_of(count) {
            return Ok(());
        }
        let hint = match count.is_power_of_two() {
            true => format!("`shards = {count}`, or a greater power of two"),
            false => format!(
                "{} or {} processes, and as many `shards = …`",
                count.next_power_of_two() / 2,
                count.next_power_of_two()
            ),
        };
        Err(Error::config(
            format!("`shards = {shards}`: {count} processes cannot have equal parts of it"),
            hint,
        ))
    }

    /// What every process gave, in the order of their ranks.
    ///
    /// # Errors
    /// [`Error::Device`] where the processes cannot be reached.
    pub fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        let Some(others) = &self.others else {
            return Ok(vec![own.to_vec()]);
        };
        let mut lens = vec![0; 8 * others.count()];
        others.all_gather(&(own.len() as u64).to_le_bytes(), &mut lens)?;
        let lens: Vec<usize> = lens.chunks(8).map(|len| number(len) as usize).collect();
        let most = lens.iter().copied().max().unwrap_or(0);
        let mut sent = own.to_vec();
        sent.resize(most, 0);
        let mut received = vec![0; most * lens.len()];
        if most > 0 {
            others.all_gather(&sent, &mut received)?;
        }
        let part = |(i, &len): (usize, &usize)| received[most * i..][..len].to_vec();
        Ok(lens.iter().enumerate().map(part).collect())
    }

    /// The same of numbers.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn gather_numbers<T: Pod>(&self, own: &[T]) -> Result<Vec<Vec<T>>> {
        let all = self.gather(bytemuck::cast_slice(own))?;
        Ok(all
            .iter()
            .map(|it| bytemuck::pod_collect_to_vec(it))
            .collect())
    }

    /// The greatest of the numbers that the processes gave (MPI's all-reduce by `MAX`).
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn greatest(&self, own: u64) -> Result<u64> {
        let Some(others) = &self.others else {
            return Ok(own);
        };
        let mut all = vec![0; 8 * others.count()];
        others.all_gather(&own.to_le_bytes(), &mut all)?;
        Ok(all.chunks(8).map(number).max().unwrap_or(own))
    }

    /// The number that the first process gave.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn of_first(&self, own: u64) -> Result<u64> {
        let mut bytes = own.to_le_bytes();
        self.broadcast(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Gives all processes the bytes of the first one, which are as many for each.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        match &self.others {
            Some(others) => others.broadcast(bytes),
            None => Ok(()),
        }
    }

    /// What the first process alone finds out.
    ///
    /// # Errors
    /// What `find` returned there, on all processes; [`Error::Device`] where they cannot be reached.
    pub fn from_first<T: Serialize + DeserializeOwned>(
        &self,
        find: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if self.others.is_none() {
            return find();
        }
        let found = self.is_first().then(find).transpose();
        let found = self.agree(found)?;
        let mut text = Vec::new();
        if let Some(found) = &found {
            text = serde_json::to_vec(found).map_err(broken)?;
        }
        text.resize(self.of_first(text.len() as u64)? as usize, 0);
        self.broadcast(&mut text)?;
        match found {
            Some(found) => Ok(found),
            None => serde_json::from_slice(&text).map_err(broken),
        }
    }

    /// An outcome where no process failed.
    ///
    /// # Errors
    /// Its own error, or that of the first process that has one.
    pub fn agree<T>(&self, outcome: Result<T>) -> Result<T> {
        // Whoever has agreed on a failure is on its way out, and asks nobody any more.
        if self.others.is_none() || self.have_agreed() {
            return outcome;
        }
        let own = match &outcome {
            Ok(_) => Vec::new(),
            Err(error) => [&[error.exit_code()], error.to_string().as_bytes()].concat(),
        };
        let all = self.gather(&own)?;
        let failed = all.iter().enumerate().find_map(|(rank, failed)| {
            let (code, what) = failed.split_first()?;
            Some(Error::Process {
                rank,
                code: *code,
                what: String::from_utf8_lossy(what).into_owned(),
            })
        });
        match failed {
            None => outcome,
            Some(failed) => {
                self.is_agreed.store(true, Ordering::Relaxed);
                Err(outcome.err().unwrap_or(failed))
            }
        }
    }

    /// Checks that what each process has is what the first one has; `tell` says what is different.
    ///
    /// # Errors
    /// [`Error::Config`] with the rank of the first one that has something else, and `hint`.
    pub fn check_equal(
        &self,
        own: &str,
        tell: impl Fn(&str, &str) -> Result<Option<String>>,
        hint: &str,
    ) -> Result<()> {
        if self.others.is_none() {
            return Ok(());
        }
        let all = self.gather(own.as_bytes())?;
        let all: Vec<_> = all
            .iter()
            .map(|text| String::from_utf8_lossy(text))
            .collect();
        for (rank, other) in all.iter().enumerate() {
            if let Some(what) = tell(&all[0], other)? {
                self.is_agreed.store(true, Ordering::Relaxed);
                return Err(Error::config(format!("process {rank}: {what}"), hint));
            }
        }
        Ok(())
    }

    /// Where this process is among those of its machine.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn place(&self) -> Result<Place> {
        if self.others.is_none() {
            return Ok(Place::ALONE);
        }
        let machine = gethostname::gethostname().to_string_lossy().into_owned();
        let own = format!("{machine}\n{}", launch::processors());
        let all = self.gather(own.as_bytes())?;
        let is_here = |text: &[u8]| text.split(|b| *b == b'\n').next() == Some(machine.as_bytes());
        Ok(Place {
            before: all[..self.rank()].iter().filter(|it| is_here(it)).count(),
            on_machine: all.iter().filter(|it| is_here(it)).count(),
            sharers: all.iter().filter(|it| **it == own.as_bytes()).count(),
        })
    }

    /// Adds the values of the first `present` processes as a binary tree over them, ((0 + 1) + (2 + 3)) + …, and gives
    /// all processes the sums. All have as many values.
    ///
    /// Each process adds its slice of them, so that as much goes over the wire as in a ring.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn add(&self, values: &mut Vec<f32>, present: usize) -> Result<()> {
        let Some(others) = &self.others else {
            return Ok(());
        };
        let (len, count) = (values.len(), others.count());
        let each = len.div_ceil(count);
        values.resize(each * count, 0.0);
        let mut slices = vec![0.0; each * count];
        others.all_to_all(
            bytemuck::cast_slice(values),
            bytemuck::cast_slice_mut(&mut slices),
        )?;
        add_as_a_tree(&mut slices[..each * present], each);
        others.all_gather(
            bytemuck::cast_slice(&slices[..each]),
            bytemuck::cast_slice_mut(values),
        )?;
        values.truncate(len);
        Ok(())
    }

    /// Whether an error of this process is one that all of them have returned.
    pub fn have_agreed(&self) -> bool {
        self.is_agreed.load(Ordering::Relaxed)
    }

    /// Waits for the others at the end of all messages.
    ///
    /// # Errors
    /// As [`Ranks::gather`].
    pub fn leave(&self) -> Result<()> {
        self.greatest(0)?;
        self.others
            .as_ref()
            .map_or(Ok(()), |others| others.finish())
    }

    /// Ends this process and all others, which do not know why.
    pub fn abort(&self, code: u8) -> ! {
        match &self.others {
            Some(others) => others.abort(code),
            None => std::process::exit(code.into()),
        }
    }
}

/// Rows of values, of which the first becomes the sum of all.
fn add_as_a_tree(rows: &mut [f32], each: usize) {
    let mut pair = 2 * each;
    while each > 0 && pair / 2 < rows.len() {
        for rows in rows.chunks_mut(pair).filter(|rows| rows.len() > pair / 2) {
            let (left, right) = rows.split_at_mut(pair / 2);
            for (a, b) in left[..each].iter_mut().zip(&right[..each]) {
                *a += b;
            }
        }
        pair *= 2;
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |n, &byte| n << 8 | u64::from(byte))
}

fn broken(reason: serde_json::Error) -> Error {
    Error::internal(format!("a message between processes: {reason}"))
}
