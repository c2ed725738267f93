//! q(z|x) = N(mu, exp(logvar)) with the prior N(0, I), by the reparameterisation trick (Kingma & Welling 2014):
//! z = mu + exp(logvar/2)·epsilon.

use super::{Code, Encoded, Head, Latent};
use crate::model::Estimator;
use crate::model::objectives::Gradients;
use crate::model::pass::Pass;
use crate::model::plans::buffers;
use crate::model::units::SUMS;
use crate::ops::{
    LOGVAR_BOUND, importance_backward, latent_units, reparameterize, reparameterize_backward,
};
use crate::plan::Slice;

/// The record.
pub static LATENT: Latent = Latent {
    heads: &[
        Head {
            name: "mu",
            text: "means of q(z|x)",
            bound: None,
        },
        Head {
            name: "logvar",
            text: "logarithms of the variances of q(z|x)",
            bound: Some(LOGVAR_BOUND),
        },
    ],
    torch: "mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)",
    has_prior: true,
    code,
    backward,
    units: Some(units),
};

fn code(pass: &mut Pass<'_>, posterior: Slice) -> Code {
    let latent = pass.spec.latent.values();
    let len = pass.rows() * latent;
    let counters = pass.counters();
    let noise = pass.noise();
    let epsilon = match noise {
        Some(_) => pass.lower.transient("epsilon", len),
        None => pass.lower.shared(buffers::ZEROS, len),
    };
    let z = pass.lower.transient("z", len);
    let call = reparameterize::call(pass.rows(), latent, pass.samples, noise);
    let slices = [counters, posterior, epsilon, z];
    pass.lower.step("z", &reparameterize::KERNEL, call, &slices);
    Code {
        z,
        epsilon: noise.map(|_| epsilon),
    }
}

fn backward(pass: &mut Pass<'_>, encoded: &Encoded, d_code: Slice, of: &Gradients) -> Slice {
    // Without noise nothing learns of the variance, and without a KL nothing keeps it from vanishing.
    let epsilon = encoded
        .code
        .epsilon
        .expect("codes that are drawn, to learn from");
    if let Some(weights) = of.weights {
        let d_posterior = pass
            .lower
            .transient("heads gradient", encoded.posterior.len);
        let size = [pass.images, pass.samples, pass.spec.latent.values()];
        let call = importance_backward::call(size, pass.spec.gradient == Estimator::Dreg);
        let slices = [encoded.posterior, epsilon, d_code, weights, d_posterior];
        let kernel = &importance_backward::KERNEL;
        pass.lower.step("heads gradient", kernel, call, &slices);
        return d_posterior;
    }
    let d_posterior = of.posterior.expect("an objective with a KL");
    let call = reparameterize_backward::call(pass.images, pass.spec.latent.values());
    let slices = [encoded.posterior, epsilon, d_code, d_posterior];
    let kernel = &reparameterize_backward::KERNEL;
    pass.lower.step("heads gradient", kernel, call, &slices);
    d_posterior
}

fn units(pass: &mut Pass<'_>, posterior: Slice) {
    let units = pass
        .lower
        .shared(buffers::UNITS, SUMS * pass.spec.latent.values());
    sum(pass, posterior, units, true);
}

/// Sums of each latent dimension over the batch into `units`, `[latent, 4]`; on top of what is there where `add`.
pub(in crate::model) fn sum(pass: &mut Pass<'_>, posterior: Slice, units: Slice, add: bool) {
    let call = latent_units::call(pass.images, pass.spec.latent.values(), add);
    pass.lower.step(
        "latent units",
        &latent_units::KERNEL,
        call,
        &[posterior, units],
    );
}
