//! A maximum mean discrepancy that holds the distribution of all codes to the prior, where the KL does so code by code: the
//! MMD-VAE (Zhao, Song & Ermon 2019) and, of an autoencoder, the Wasserstein autoencoder (Tolstikhin, Bousquet, Gelly &
//! Schölkopf 2018).

use super::{Computed, KL, Objective, RECONSTRUCTION, Sums, Term, reconstruction_and_kl, weigh_kl};
use crate::model::pass::Pass;
use crate::model::words;
use crate::ops::mmd;

/// The name of the term.
pub(super) const NAME: &str = "mmd";

/// The squared discrepancy of a batch, the same for each of its images.
const MMD: Term = Term {
    name: NAME,
    text: "MMD²",
    unit: |_| "between codes and prior",
    weight: Some(|spec| spec.mmd_weight),
    target: |_| None,
    of_elbo: false,
};

/// That of a VAE.
pub(super) static OBJECTIVE: Objective = Objective {
    name: "mmd",
    terms: &[RECONSTRUCTION, KL, MMD],
    has_prior: true,
    bound: Some(|_| words::ELBO.to_owned()),
    beta: Some(0.0),
    weighs_codes: false,
    of_batch: true,
    lower: |pass| {
        let computed = reconstruction_and_kl(pass, Some(pass.spec.beta));
        weigh_kl(pass, &computed);
        with_discrepancy(pass, computed)
    },
};

/// That of an autoencoder.
pub(super) static OF_POINTS: Objective = Objective {
    name: "wae",
    terms: &[RECONSTRUCTION, MMD],
    has_prior: false,
    bound: None,
    beta: None,
    weighs_codes: false,
    of_batch: true,
    lower: |pass| {
        let computed = reconstruction_and_kl(pass, None);
        with_discrepancy(pass, computed)
    },
};

fn with_discrepancy(pass: &mut Pass<'_>, mut computed: Computed) -> Computed {
    let (rows, latent) = (pass.rows(), pass.spec.latent.values());
    let z = pass.encoded().code.z;
    let draws = pass.prior_draws();
    let lower = &mut pass.lower;
    let slopes = lower.transient("slopes of the discrepancy", 2 * rows * rows);
    let partials = lower.transient("partial discrepancies", 4 * rows);
    let slices = [z, draws, slopes, partials];
    lower.step("MMD", &mmd::KERNEL, mmd::call(rows, latent), &slices);
    computed.sums.push(Sums {
        partials,
        terms: 1,
        of_sigma: false,
    });
    if let Some(gradients) = &mut computed.gradients {
        let d_z = lower.transient("gradient of the discrepancy", rows * latent);
        let call = mmd::backward_call(rows, latent, pass.spec.mmd_weight);
        lower.step(
            "MMD gradient",
            &mmd::BACKWARD,
            call,
            &[z, draws, slopes, d_z],
        );
        gradients.code = Some(d_z);
    }
    computed
}
