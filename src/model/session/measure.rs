//! Losses of a split.

use super::{Measured, Passes, Session, add_rows};
use crate::error::Result;
use crate::model::Units;
use crate::model::plans::{Source, buffers};
use crate::model::units::SUMS;
use crate::plan::PlanId;
use crate::ranks::Ranks;

impl Session {
    /// Measures a split; `pass` sets the noise apart from that of other passes.
    pub(crate) fn measure(
        &mut self,
        source: &Source,
        passes: &Passes,
        pass: u32,
    ) -> Result<Measured> {
        let measured = self.measure_among(&Ranks::alone(), 1, source, passes, pass, || true)?;
        // It was told to go on.
        Ok(measured.unwrap_or_default())
    }

    /// The same by several processes, each of which has its part of the batches. They lie in `groups`, over which what
    /// latent dimensions carry is summed on the host. `None` where `go_on`, which is asked before each batch, says no
    /// on any of them.
    pub(crate) fn measure_among(
        &mut self,
        ranks: &Ranks,
        groups: usize,
        source: &Source,
        passes: &Passes,
        pass: u32,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Option<Measured>> {
        let plans: Vec<PlanId> = passes.each().map(|(plan, _)| plan).collect();
        let first = |group: usize| group * plans.len() / groups;
        let own = ranks.own(groups);
        let width = match self.model.spec().is_variational() {
            true => SUMS * self.model.spec().latent.values(),
            false => 0,
        };
        let (mut goes_on, mut units) = (true, Vec::new());
        for group in own.clone() {
            let batches = first(group)..first(group + 1);
            let step = passes.first_step(pass).wrapping_add(batches.start as u32);
            let place = [batches.start * passes.rows, batches.start];
            self.seek(source, step, place)?;
            if width > 0 {
                self.runtime.write(buffers::UNITS, 0, &vec![0.0; width])?;
            }
            for batch in batches {
                goes_on = goes_on && go_on();
                if goes_on {
                    self.fetch(source, batch * passes.rows)?;
                    self.runtime.run(plans[batch], 1)?;
                }
            }
            if width > 0 {
                units.extend(self.runtime.read(buffers::UNITS, 0, width)?);
            }
        }
        if ranks.greatest(u64::from(!goes_on))? > 0 {
            return Ok(None);
        }
        let terms = self.terms();
        let [start, end] = [own.start, own.end].map(|group| terms * first(group));
        let log = self.runtime.read(source.log(), start, end - start)?;
        let loss = self.mean_loss(&sums(ranks, &log, terms)?, source.images);
        let units = match width {
            0 => None,
            width => Some(Units::from_sums(
                &sums(ranks, &units, width)?,
                source.images,
            )),
        };
        Ok(Some(Measured { loss, units }))
    }
}

/// The sums of rows of so many numbers, of all processes in turn.
fn sums(ranks: &Ranks, own: &[f32], width: usize) -> Result<Vec<f64>> {
    let mut sums = vec![0.0; width];
    for rows in ranks.gather_numbers(own)? {
        add_rows(&mut sums, &rows);
    }
    Ok(sums)
}
