//! Naming what is not finite.

use super::Trainer;
use crate::error::{Error, Result};
use crate::kernel::Precision;
use crate::model::{Loss, Units};
use crate::plan::{self, PlanId};

/// What brings a loss down that is far from where it belongs.
pub const DIVERGENCE_HINT: &str = "`standardize = true` or `scale = range` where values lie far from 0 to 1, otherwise a smaller `lr = …` or `grad-clip = 1`";

/// Loss per value of an image that no likelihood of sane values and parameters reaches, nats.
const DIVERGED: f64 = 1e9;

impl Trainer {
    /// Refuses to go on where the test loss after an epoch is a number of no meaning.
    pub(super) fn check_diverged(&self, test: &Loss, units: Option<&Units>) -> Result<()> {
        let spec = self.session.model.spec();
        // Whatever weights terms have.
        let nats = spec.objective().negative_elbo(test).unwrap_or(test.total);
        let loss = nats / spec.image.values() as f64;
        // Squared errors have the unit of the data, squared, so that no number is too large for them.
        if spec.likelihood.is_squared_error() || !loss.is_finite() || loss < DIVERGED {
            return Ok(());
        }
        // All processes measured it.
        self.ranks.agree(Err(Error::Diverged {
            step: self.position.steps,
            loss,
            remark: units
                .and_then(Units::beyond_bound_in_words)
                .map(|what| format!(", and {what}"))
                .unwrap_or_default(),
            hint: DIVERGENCE_HINT.to_owned(),
        }))
    }

    /// Whether a test loss after an epoch is far beyond that of a model which has learned nothing.
    pub(super) fn is_astray(&self, test: &Loss, kl_weight: f64, sigma: Option<f32>) -> bool {
        let spec = self.session.model.spec();
        self.guess.is_far_below(spec, test, kl_weight, sigma)
    }

    pub(super) fn not_finite(&self, step: u64, tensor: &str) -> Error {
        let hint = "a smaller `lr = …`, `grad-clip = 1`, or data without extreme values";
        let hint = match self.options.precision {
            Precision::F16 => format!("`precision = f32`, whose range is wider; {hint}"),
            Precision::F32 => hint.to_owned(),
        };
        Error::NotFinite {
            step,
            tensor: tensor.to_owned(),
            hint,
        }
    }

    /// Finds the tensor that spoilt the loss of a batch of the running epoch: repeats the steps since the last
    /// state that is known to be finite, which gives the same values, up to that batch, and then looks at every
    /// result of its step.
    pub(super) fn diagnose(&mut self, batch: usize) -> Result<Error> {
        let good = self.good_state()?.into_owned();
        self.write(&good)?;
        let done = good.position.batches;
        self.seek(good.position.steps, done)?;
        let before = self.steps.whole_batches().min(batch) - done;
        self.run_steps(done, before)?;
        let step = good.position.steps + (batch - done) as u64 + 1;
        if let Some(name) = self.weights()?.first_not_finite() {
            return Ok(self.not_finite(step, name));
        }
        let found = self.find_fault(batch)?;
        // It may be in the shard of another process.
        let all = self.ranks.gather(found.unwrap_or_default().as_bytes())?;
        let found = all.iter().find(|tensor| !tensor.is_empty());
        let tensor = found.map(|tensor| String::from_utf8_lossy(tensor));
        Ok(self.not_finite(step, tensor.as_deref().unwrap_or("the loss")))
    }

    /// The first result of a step that is not finite.
    fn find_fault(&mut self, batch: usize) -> Result<Option<String>> {
        self.session.fetch(&self.train, batch * self.steps.rows)?;
        let step = self.steps.of(batch);
        let plans: Vec<PlanId> = match self.ranks.count() {
            1 => step.plans().collect(),
            // What comes next takes the gradients of all.
            _ => step.gradients().to_vec(),
        };
        for plan in plans {
            if let Some(fault) = plan::find_fault(self.session.runtime.as_mut(), plan)? {
                return Ok(Some(format!("{} (of {})", fault.buffer, fault.step)));
            }
        }
        Ok(None)
    }

    /// Finds the tensor that spoilt the test loss: a parameter, which has the clearer message; otherwise measures again,
    /// and looks at every result.
    pub(super) fn diagnose_test(&mut self, epoch: u32) -> Result<Error> {
        if let Some(name) = self.weights()?.first_not_finite() {
            return Ok(self.not_finite(self.position.steps, name));
        }
        let step = self.evaluation.first_step(epoch);
        self.session.seek(&self.test, step, [0, 0])?;
        for (batch, (plan, _)) in self.evaluation.each().enumerate() {
            let position = batch * self.evaluation.rows;
            self.session.fetch(&self.test, position)?;
            if let Some(fault) = plan::find_fault(self.session.runtime.as_mut(), plan)? {
                let tensor = format!("{} (of {}, test images)", fault.buffer, fault.step);
                return Ok(self.not_finite(self.position.steps, &tensor));
            }
        }
        Ok(self.not_finite(self.position.steps, "the test loss"))
    }
}
