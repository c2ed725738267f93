//! What training minimises, one file per objective: its terms, and the steps that compute them with their gradients.

mod elbo;
mod reconstruction;

use crate::graph::arenas;
use crate::model::pass::Pass;
use crate::model::{ModelKind, ModelSpec};
use crate::ops::{elbo as kernel, record, sum_threads};
use crate::plan::Slice;

/// An objective: a weighted sum of terms.
pub struct Objective {
    /// Its name.
    pub name: &'static str,
    /// The terms, in the order of a row of the log.
    pub terms: fn(&ModelSpec) -> Vec<Term>,
    /// Computes the terms of a batch with their gradients, and counts the step.
    pub(super) lower: fn(&mut Pass<'_>, &Seen) -> Gradients,
}

/// A term of an objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Its name in logs: `reconstruction`.
    pub name: &'static str,
    /// Its name in a text.
    pub text: &'static str,
    /// Its weight in the loss.
    pub weight: f32,
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
    pub(super) posterior: Slice,
}

/// Every objective of the program.
pub static OBJECTIVES: &[&Objective] = &[&elbo::OBJECTIVE, &reconstruction::OBJECTIVE];

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
pub(super) const LOG_WIDTH: usize = 2;

/// The term that every objective has first.
const RECONSTRUCTION: Term = Term {
    name: "reconstruction",
    text: "reconstruction",
    weight: 1.0,
};

/// The loss of a batch by the fused kernel; with `beta` the KL of the posterior too.
fn fused(pass: &mut Pass<'_>, seen: &Seen, beta: Option<f32>) -> Gradients {
    let (rows, values) = (pass.rows(), pass.spec.image.values());
    let threads = sum_threads(seen.output.len);
    let lower = &mut pass.lower;
    let partials = lower.transient("partial losses", 4 * threads as usize);
    let gradients = Gradients {
        output: lower.transient("output gradient", seen.output.len),
        posterior: lower.transient("heads gradient", seen.posterior.len),
    };
    let log_sigma = pass.log_sigma();
    let latent = beta.map(|_| pass.spec.latent);
    let selector = pass.spec.likelihood.selector();
    let slices = [
        seen.image,
        seen.output,
        seen.posterior,
        log_sigma,
        gradients.output,
        gradients.posterior,
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
    gradients
}
