//! The cases, one file per op.

pub(crate) mod activation;
mod activation_backward;
mod adam;
mod add;
mod augment;
mod average;
mod clip;
mod column_sums;
pub(crate) mod convolution;
mod copy;
mod elbo;
mod fma;
mod fsq;
pub(crate) mod gather;
mod group_norm;
mod group_norm_backward;
mod importance;
mod importance_backward;
mod join;
mod kl_weight;
pub(crate) mod latent_units;
mod log_weight;
pub(crate) mod matmul;
mod merge_taps;
mod merge_taps_backward;
mod mmd;
mod one_hot;
mod part;
mod record;
mod reparameterize;
mod reparameterize_backward;
mod schedule;
mod sigma;
mod sigma_mean;
mod square_sum;
mod sum_parts;
mod total_correlation;
pub(crate) mod weight_update;
mod weighted_gradient;

use ::elbo::ops::KERNELS;

use crate::harness::Case;

/// Every case but those of `dispatch`, which are too large to keep.
pub(crate) fn cases() -> Vec<Case> {
    [
        activation::cases(),
        activation_backward::cases(),
        adam::cases(),
        add::cases(),
        augment::cases(),
        average::cases(),
        clip::cases(),
        column_sums::cases(),
        convolution::cases(),
        copy::cases(),
        elbo::cases(),
        fma::cases(),
        fsq::cases(),
        gather::cases(),
        group_norm::cases(),
        group_norm_backward::cases(),
        importance::cases(),
        importance_backward::cases(),
        join::cases(),
        kl_weight::cases(),
        latent_units::cases(),
        log_weight::cases(),
        matmul::cases(),
        merge_taps::cases(),
        merge_taps_backward::cases(),
        mmd::cases(),
        one_hot::cases(),
        part::cases(),
        record::cases(),
        reparameterize::cases(),
        reparameterize_backward::cases(),
        schedule::cases(),
        sigma::cases(),
        sigma_mean::cases(),
        square_sum::cases(),
        sum_parts::cases(),
        total_correlation::cases(),
        weight_update::cases(),
        weighted_gradient::cases(),
    ]
    .concat()
}

#[test]
fn every_kernel_of_the_registry_has_cases() {
    let cases = cases();
    let missing: Vec<&str> = KERNELS
        .iter()
        .map(|kernel| kernel.name)
        .filter(|name| cases.iter().all(|case| case.kernel.name != *name))
        .collect();
    assert!(missing.is_empty(), "kernels without a case: {missing:?}");
}
