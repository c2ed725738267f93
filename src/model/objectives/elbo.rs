//! The negative ELBO, reconstruction + beta · KL(q(z|x) ‖ p(z)), with the KL in closed form (Kingma & Welling 2014,
//! appendix B; beta: Higgins et al. 2017). A schedule and free bits (Kingma et al. 2016, sec. 2.1.3) weigh the KL's
//! gradient beside beta. A capacity (Burgess et al. 2018) makes it beta · |KL − capacity|, rounded off within a nat.

use super::{KL, Objective, RECONSTRUCTION, reconstruction_and_kl, weigh_kl};
use crate::model::words;

/// The record.
pub(super) static OBJECTIVE: Objective = Objective {
    name: "elbo",
    terms: &[RECONSTRUCTION, KL],
    has_prior: true,
    bound: Some(|_| words::ELBO.to_owned()),
    beta: Some(1.0),
    weighs_codes: false,
    of_batch: false,
    lower: |pass| {
        let computed = reconstruction_and_kl(pass, Some(pass.spec.beta));
        weigh_kl(pass, &computed);
        computed
    },
};
