//! The importance-weighted bound (Burda, Grosse & Salakhutdinov 2016): −log (1/K Σ w_k) with
//! w = p(x|z)·p(z)/q(z|x), by K samples of the code of an image. Its gradient is theirs, or the doubly reparameterised one
//! (Tucker, Lawson, Gu & Maddison 2019), whose spread for the encoder does not grow with K.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Computed, Gradients, KL, Objective, RECONSTRUCTION, Sums, Term};
use crate::model::pass::Pass;
use crate::model::words;
use crate::ops::{importance, weighted_gradient};
use crate::plan::Slice;

/// How the gradient of the bound is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// That of the bound itself, by the reparameterised samples (Burda et al. 2016)
    #[default]
    Reparameterized,
    /// The doubly reparameterised one: of less variance for the encoder (Tucker et al. 2019)
    Dreg,
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reparameterized => "reparameterized",
            Self::Dreg => "dreg",
        })
    }
}

/// The record. Reconstruction and KL are means over the samples, −log p(x|z) and log q(z|x) − log p(z), so that they add up
/// to the negative ELBO by as many samples; what the weights take off it is the last term, 0 or less.
pub(super) static OBJECTIVE: Objective = Objective {
    name: "iwae",
    terms: &[RECONSTRUCTION, Term { weight: None, ..KL }, IMPORTANCE],
    has_prior: true,
    bound: Some(|spec| format!("IWAE-{}", spec.importance)),
    beta: None,
    weighs_codes: true,
    of_batch: false,
    lower,
};

/// −log (1/K Σ w) + 1/K Σ log w.
const IMPORTANCE: Term = Term {
    name: "importance",
    text: "importance weighting",
    unit: |_| words::NATS,
    weight: None,
    target: |_| None,
    of_elbo: false,
};

fn lower(pass: &mut Pass<'_>) -> Computed {
    let (images, samples) = (pass.images, pass.samples);
    let rows = images * samples;
    let terms = pass.lower.transient("terms of the weights", 2 * rows);
    pass.log_weights(terms);
    let weights = pass.lower.transient("weights", rows);
    let partials = pass.lower.transient("partial losses", 4 * images);
    let call = importance::call(images, samples);
    let slices = [terms, weights, partials];
    pass.lower
        .step("importance", &importance::KERNEL, call, &slices);
    let mut sums = vec![Sums {
        partials,
        terms: 3,
        of_sigma: false,
    }];
    let gradients = pass.learns().then(|| {
        let (d_output, of_sigma) = output_gradient(pass, weights);
        // Before the others: behind the last term the step is over.
        sums.splice(0..0, of_sigma);
        Gradients {
            output: d_output,
            code: None,
            posterior: None,
            weights: Some(weights),
        }
    });
    Computed { sums, gradients }
}

/// The gradient of the decoder's output, and the partial sums of that of sigma where it learns.
fn output_gradient(pass: &mut Pass<'_>, weights: Slice) -> (Slice, Option<Sums>) {
    let (image, output) = (pass.image(), pass.output());
    let log_sigma = pass.log_sigma();
    let d_output = pass.lower.transient("output gradient", output.len);
    let likelihood = pass.spec.likelihood;
    let (values, learns) = (pass.spec.image.values(), likelihood.learns_sigma());
    let size = (pass.images, pass.samples, values);
    let call = weighted_gradient::call(likelihood.selector(), size.0, size.1, size.2, learns);
    let threads = call.params::<weighted_gradient::Params>().threads as usize;
    let len = if learns { 4 * threads } else { 1 };
    let partials = pass.lower.transient("partial sigma gradients", len);
    let slices = [image, output, weights, log_sigma, d_output, partials];
    pass.lower
        .step("output gradient", &weighted_gradient::KERNEL, call, &slices);
    let of_sigma = Sums {
        partials,
        terms: 0,
        of_sigma: true,
    };
    (d_output, learns.then_some(of_sigma))
}
