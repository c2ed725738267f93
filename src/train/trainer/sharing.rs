//! What the trainers of several processes have alike.

use sha2::{Digest, Sha256};

use super::{Trainer, keeping};
use crate::error::Result;
use crate::files;
use crate::model::plans::buffers;
use crate::model::session::Session;
use crate::plan::{Runtime, Shared};
use crate::ranks::Ranks;

/// Most floats that go from process to process at once, 4 MiB: the host holds them a few times.
const MOST_SENT: usize = 1 << 20;

impl Trainer {
    /// Has all processes start from where the first one is.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub fn share(&mut self) -> Result<()> {
        if self.ranks.count() == 1 {
            return Ok(());
        }
        let position = self.ranks.from_first(|| Ok(self.position.clone()))?;
        let arenas = keeping::arenas(&self.session);
        for buffer in buffers::STATE.into_iter().take(arenas) {
            in_parts(&mut self.session, buffer, |runtime, start, part| {
                self.ranks.broadcast(bytemuck::cast_slice_mut(part))?;
                runtime.write(buffer, start, part)
            })?;
        }
        self.position = position;
        self.refresh()
    }

    /// Checks that all processes have the same parameters, as they do where their devices compute alike.
    pub(super) fn check_alike(&mut self) -> Result<()> {
        if self.ranks.count() == 1 {
            return Ok(());
        }
        let mut hash = Sha256::new();
        in_parts(&mut self.session, buffers::PARAMETERS, |_, _, part| {
            hash.update(bytemuck::cast_slice(part));
            Ok(())
        })?;
        let epoch = self.position.epochs;
        self.ranks.check_equal(
            &files::hex(&hash.finalize()),
            |first, other| {
                let what = || {
                    format!(
                        "its parameters after epoch {epoch} are not those of process 0: their devices compute otherwise"
                    )
                };
                Ok((first != other).then(what))
            },
            "GPUs of one kind with one driver, or `device = cpu`",
        )
    }
}

/// Goes through an arena in parts that processes send to each other.
pub(super) fn in_parts(
    session: &mut Session,
    buffer: Shared,
    mut each: impl FnMut(&mut dyn Runtime, usize, &mut Vec<f32>) -> Result<()>,
) -> Result<()> {
    let len = session.model.parameters().len;
    for start in (0..len).step_by(MOST_SENT) {
        let count = MOST_SENT.min(len - start);
        let mut part = session.runtime.read(buffer, start, count)?;
        each(session.runtime.as_mut(), start, &mut part)?;
    }
    Ok(())
}

/// What `make` prepares, on all processes by the choices of kernels that the first one has made.
pub(super) fn alike<T>(
    ranks: &Ranks,
    session: &mut Session,
    make: impl Fn(&mut Session) -> Result<T>,
) -> Result<T> {
    let first = ranks.is_first().then(|| make(session)).transpose();
    let first = ranks.agree(first)?;
    let choices = ranks.from_first(|| Ok(session.runtime.remembered()))?;
    if let Some(made) = first {
        return Ok(made);
    }
    session.runtime.remember(&choices);
    make(session)
}
