//! What the trainers of several processes have alike.

use sha2::{Digest, Sha256};

use super::{Trainer, keeping};
use crate::error::Result;
use crate::files;
use crate::model::plans::buffers;
use crate::plan::Shared;

/// Most floats that go from process to process at once, 4 MiB: the host holds them a few times.
pub(super) const MOST_SENT: usize = 1 << 20;

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
            self.in_parts(buffer, |trainer, start, part| {
                trainer.ranks.broadcast(bytemuck::cast_slice_mut(part))?;
                trainer.session.runtime.write(buffer, start, part)
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
        self.in_parts(buffers::PARAMETERS, |_, _, part| {
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

    /// Goes through an arena.
    fn in_parts(
        &mut self,
        buffer: Shared,
        mut each: impl FnMut(&mut Self, usize, &mut [f32]) -> Result<()>,
    ) -> Result<()> {
        let len = self.session.model.parameters().len;
        for start in (0..len).step_by(MOST_SENT) {
            let count = MOST_SENT.min(len - start);
            let mut part = self.session.runtime.read(buffer, start, count)?;
            each(self, start, &mut part)?;
        }
        Ok(())
    }
}
