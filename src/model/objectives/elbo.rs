//! The negative ELBO, reconstruction + beta · KL(q(z|x) ‖ p(z)), with the KL in closed form (Kingma & Welling 2014,
//! appendix B; beta: Higgins et al. 2017). A schedule and free bits (Kingma et al. 2016, sec. 2.1.3) weigh the KL's
//! gradient beside beta.

use super::{Computed, Objective, RECONSTRUCTION, Term, reconstruction_and_kl};
use crate::graph::arenas;
use crate::model::latents::gaussian;
use crate::model::pass::Pass;
use crate::model::units::SUMS;
use crate::model::words;
use crate::ops::kl_weight;

/// KL(q(z|x) ‖ p(z)).
const KL: Term = Term {
    name: "kl",
    text: "KL",
    unit: |_| words::NATS,
    weight: Some(|spec| spec.beta),
};

/// The record.
pub(super) static OBJECTIVE: Objective = Objective {
    name: "elbo",
    terms: &[RECONSTRUCTION, KL],
    has_prior: true,
    is_bound: true,
    lower,
};

fn lower(pass: &mut Pass<'_>) -> Computed {
    let computed = reconstruction_and_kl(pass, Some(pass.spec.beta));
    let d_posterior = computed.gradients.and_then(|found| found.posterior);
    if let (Some(free_bits), Some(d_posterior)) = (pass.weighs_kl(), d_posterior) {
        let latent = pass.spec.latent;
        let units = pass.lower.transient("units of the batch", SUMS * latent);
        let posterior = pass.encoded().posterior;
        gaussian::sum(pass, posterior, units, false);
        let scalars = pass.lower.shared(arenas::SCALARS, arenas::SCALAR_COUNT);
        let call = kl_weight::call(pass.images, latent, free_bits);
        let slices = [units, scalars, d_posterior];
        pass.lower
            .step("KL weight", &kl_weight::KERNEL, call, &slices);
    }
    computed
}
