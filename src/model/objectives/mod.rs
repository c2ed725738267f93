//! What training minimises, one file per objective: the weights of its terms, and the steps that compute them with their
//! gradients.

mod elbo;
mod reconstruction;

use crate::graph::arenas;
use crate::model::pass::Pass;
use crate::model::{ModelKind, ModelSpec};
use crate::ops::{elbo as kernel, record, sum_threads};
use crate::plan::Slice;

/// An objective: a weighted sum of the terms of a row of the log.
pub struct Objective {
    /// The weight of each term, reconstruction and KL, in the loss.
    pub weights: fn(&ModelSpec) -> [f32; LOG_WIDTH],
    /// Computes the terms of a batch with their gradients, and counts the step.
    pub(super) lower: fn(&mut Pass<'_>, &Seen) -> Gradients,
}

/// What an objective is computed from.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) image: Slice,
    pub(super) posterior: Slice,
    pub(super) output: Slice,
}

/// Gradients of what an objective is computed from.
#[derive(Clone, Copy)]
pub(super) struct Gradients {
    pub(super) output: Slice,
    /// `None` where no term is a function of it.
    pub(super) posterior: Option<Slice>,
}

impl ModelKind {
    /// What a model of the kind minimises.
    pub fn objective(self) -> &'static Objective {
        match self {
            Self::Vae => &elbo::OBJECTIVE,
            Self::Ae => &reconstruction::OBJECTIVE,
        }
    }
}

/// Numbers of a row of the log: reconstruction and KL, which is 0 where an objective has none.
pub const LOG_WIDTH: usize = 2;

/// The loss of a batch by the fused kernel; with `beta` the KL of the posterior too.
fn fused(pass: &mut Pass<'_>, seen: &Seen, beta: Option<f32>) -> Gradients {
    let (rows, values) = (pass.rows(), pass.spec.image.values());
    let threads = sum_threads(seen.output.len);
    let lower = &mut pass.lower;
    let partials = lower.transient("partial losses", 4 * threads as usize);
    let d_output = lower.transient("output gradient", seen.output.len);
    // The kernel writes it where there is a KL only.
    let d_posterior = lower.transient("heads gradient", seen.posterior.len);
    let log_sigma = pass.log_sigma();
    let latent = beta.map(|_| pass.spec.latent);
    let selector = pass.spec.likelihood.selector();
    let slices = [
        seen.image,
        seen.output,
        seen.posterior,
        log_sigma,
        d_output,
        d_posterior,
        partials,
    ];
    let call = kernel::call(selector, rows, values, latent, beta.unwrap_or(0.0));
    pass.lower.step("loss", &kernel::KERNEL, call, &slices);
    let d_log_sigma = match pass.net.log_sigma {
        Some(learned) if pass.learns() => pass.lower.parameter(learned, arenas::GRADIENT),
        _ => pass.lower.transient("log sigma gradient", 1),
    };
    let (counters, log) = (pass.counters(), pass.log());
    let slices = [partials, counters, log, d_log_sigma];
    let call = record::call(threads, rows);
    pass.lower
        .step("sum of losses", &record::KERNEL, call, &slices);
    Gradients {
        output: d_output,
        posterior: beta.map(|_| d_posterior),
    }
}
