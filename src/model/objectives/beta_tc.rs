//! The negative ELBO whose KL is in three parts, of which the total correlation has a weight of its own (Chen, Li, Grosse &
//! Duvenaud 2018, eq. 4): latent dimensions become independent of each other, while the code may carry as much as ever.

use super::{Computed, Objective, RECONSTRUCTION, Sums, Term, reconstruction_and_kl};
use crate::model::pass::Pass;
use crate::model::words;
use crate::ops::total_correlation as ops;

/// The record. The three parts are estimates by the codes of a batch; in expectation they add up to the KL.
pub(super) static OBJECTIVE: Objective = Objective {
    name: "beta-tc",
    terms: &[
        RECONSTRUCTION,
        Term {
            name: "mutual_information",
            text: "mutual information",
            unit: |_| words::NATS,
            weight: None,
            target: |_| None,
            of_elbo: true,
        },
        Term {
            name: "total_correlation",
            text: "total correlation",
            unit: |_| words::NATS,
            weight: Some(|spec| spec.beta),
            target: |_| None,
            of_elbo: true,
        },
        Term {
            name: "dimension_wise_kl",
            text: "dimension-wise KL",
            unit: |_| words::NATS,
            weight: None,
            target: |_| None,
            of_elbo: true,
        },
    ],
    has_prior: true,
    bound: Some(|_| words::ELBO.to_owned()),
    beta: Some(6.0),
    weighs_codes: false,
    of_batch: true,
    lower,
};

fn lower(pass: &mut Pass<'_>) -> Computed {
    let mut computed = reconstruction_and_kl(pass, None);
    let (rows, latent, images) = (
        pass.rows(),
        pass.spec.latent.values(),
        pass.images_of_split(),
    );
    let encoded = pass.encoded();
    let (z, heads) = (encoded.code.z, encoded.posterior);
    let lower = &mut pass.lower;
    let pairs = lower.transient("densities of pairs", rows * rows);
    let marginals = lower.transient("marginal densities", rows * latent);
    let joint = lower.transient("joint densities", rows);
    let partials = lower.transient("partial terms of the KL", 4 * rows);
    let call = || ops::call(rows, latent, images);
    lower.step(
        "densities of pairs",
        &ops::PAIRS,
        call(),
        &[z, heads, pairs],
    );
    let slices = [z, heads, marginals];
    lower.step("marginal densities", &ops::MARGINALS, call(), &slices);
    let slices = [z, pairs, marginals, joint, partials];
    lower.step("total correlation", &ops::TERMS, call(), &slices);
    computed.sums.push(Sums {
        partials,
        terms: 3,
        of_sigma: false,
    });
    if let Some(gradients) = &mut computed.gradients {
        let d_z = lower.transient("gradient of the codes' KL", rows * latent);
        let d_heads = lower.transient("gradient of the heads' KL", heads.len);
        let call = ops::backward_call(rows, latent, images, pass.spec.beta);
        let slices = [z, heads, pairs, marginals, joint, d_z, d_heads];
        lower.step("total correlation gradient", &ops::BACKWARD, call, &slices);
        gradients.code = Some(d_z);
        gradients.posterior = Some(d_heads);
    }
    computed
}
