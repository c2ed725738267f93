//! The kernels, one file per op: its record, its parameters, and its CPU twin.
//!
//! [`KERNELS`] is the registry: what is in it is validated, reflected and compared with its twin by
//! the tests.

pub mod activation;
pub mod activation_backward;
pub mod adam;
pub mod add;
pub mod augment;
pub mod average;
pub mod clip;
pub mod column_sums;
pub mod convolution;
pub mod copy;
pub mod elbo;
pub mod fma;
pub mod fsq;
pub mod gather;
pub mod group_norm;
pub mod group_norm_backward;
pub mod importance;
pub mod importance_backward;
pub mod join;
pub mod kl_weight;
pub mod latent_units;
pub mod likelihood;
pub mod log_weight;
pub mod matmul;
pub mod merge_taps;
pub mod merge_taps_backward;
pub mod mmd;
pub mod one_hot;
pub mod part;
pub mod product;
pub mod record;
pub mod reparameterize;
pub mod reparameterize_backward;
pub mod schedule;
pub mod sigma;
pub mod sigma_mean;
pub mod square_sum;
pub mod sum_parts;
pub mod total_correlation;
pub mod weight_update;
pub mod weighted_gradient;

use crate::kernel::{Capabilities, GRID, Kernel, Variant, linear_dispatch};

/// Every kernel of the program.
pub static KERNELS: &[&Kernel] = &[
    &activation::KERNEL,
    &activation_backward::KERNEL,
    &adam::KERNEL,
    &add::KERNEL,
    &augment::KERNEL,
    &average::KERNEL,
    &clip::KERNEL,
    &column_sums::KERNEL,
    &convolution::CONVOLUTION,
    &convolution::TRANSPOSED,
    &convolution::INPUT_GRADIENT,
    &convolution::TRANSPOSED_INPUT_GRADIENT,
    &convolution::WEIGHT_GRADIENT,
    &copy::KERNEL,
    &elbo::KERNEL,
    &fma::KERNEL,
    &fsq::KERNEL,
    &fsq::BACKWARD,
    &gather::KERNEL,
    &group_norm::KERNEL,
    &group_norm_backward::KERNEL,
    &importance::KERNEL,
    &importance_backward::KERNEL,
    &join::KERNEL,
    &kl_weight::KERNEL,
    &latent_units::KERNEL,
    &log_weight::KERNEL,
    &matmul::MATMUL,
    &matmul::LINEAR,
    &matmul::INPUT_GRADIENT,
    &matmul::WEIGHT_GRADIENT,
    &merge_taps::KERNEL,
    &merge_taps_backward::KERNEL,
    &mmd::KERNEL,
    &mmd::BACKWARD,
    &one_hot::KERNEL,
    &part::KERNEL,
    &record::KERNEL,
    &reparameterize::KERNEL,
    &reparameterize_backward::KERNEL,
    &schedule::KERNEL,
    &sigma::KERNEL,
    &sigma_mean::KERNEL,
    &square_sum::KERNEL,
    &sum_parts::KERNEL,
    &total_correlation::PAIRS,
    &total_correlation::MARGINALS,
    &total_correlation::TERMS,
    &total_correlation::BACKWARD,
    &weight_update::KERNEL,
    &weighted_gradient::KERNEL,
];

/// WGSL that several ops share.
pub(crate) mod lib {
    use crate::kernel::Capabilities;

    /// How four floats are moved from and to storage: the faster way on this device.
    pub(crate) fn four(device: &Capabilities) -> &'static str {
        if device.longs {
            FOUR_LONGS
        } else {
            FOUR_FLOATS
        }
    }

    pub(crate) const FOUR_FLOATS: &str = include_str!("../../shaders/lib/four_floats.wgsl");
    pub(crate) const FOUR_LONGS: &str = include_str!("../../shaders/lib/four_longs.wgsl");
    pub(crate) const ADAM: &str = include_str!("../../shaders/lib/adam.wgsl");
    pub(crate) const ACTIVATION: &str = include_str!("../../shaders/lib/activation.wgsl");
    pub(crate) const FSQ: &str = include_str!("../../shaders/lib/fsq.wgsl");
    pub(crate) const EXP: &str = include_str!("../../shaders/lib/exp.wgsl");
    pub(crate) const LANES_ALONE: &str = include_str!("../../shaders/lib/lanes_alone.wgsl");
    pub(crate) const LANES_SHARED: &str = include_str!("../../shaders/lib/lanes_shared.wgsl");
    pub(crate) const LATENT: &str = include_str!("../../shaders/lib/latent.wgsl");
    pub(crate) const LIKELIHOOD: &str = include_str!("../../shaders/lib/likelihood.wgsl");
    pub(crate) const NORMAL: &str = include_str!("../../shaders/lib/normal.wgsl");
    pub(crate) const PHILOX: &str = include_str!("../../shaders/lib/philox.wgsl");
    pub(crate) const STRATIFIED: &str = include_str!("../../shaders/lib/stratified.wgsl");
    pub(crate) const UNITS_SCALAR: &str = include_str!("../../shaders/lib/units_scalar.wgsl");
    pub(crate) const UNITS_VEC4: &str = include_str!("../../shaders/lib/units_vec4.wgsl");
}

/// Bound of logvar: exp must not overflow (`shaders/lib/latent.wgsl`).
pub const LOGVAR_BOUND: f64 = 30.0;

/// logvar within ±[`LOGVAR_BOUND`]; NaN stays NaN.
#[inline(always)]
pub(crate) fn bounded<F: crate::kernel::Real>(logvar: F) -> F {
    let bound = F::new(LOGVAR_BOUND);
    if logvar > bound {
        bound
    } else if logvar < -bound {
        -bound
    } else {
        logvar
    }
}

/// Derivative of [`bounded`].
#[inline(always)]
pub(crate) fn inside<F: crate::kernel::Real>(logvar: F) -> F {
    if logvar.abs() > F::new(LOGVAR_BOUND) {
        F::ZERO
    } else {
        F::ONE
    }
}

/// Groups of values to a workgroup, an invocation each, where the driver is software.
const ALONE: u32 = 16;

/// The only variant of a kernel that sums groups of values: hardware has a workgroup of so many lanes for each group, a
/// software driver an invocation.
pub(crate) fn by_lanes(
    device: &Capabilities,
    parts: &[&'static str],
    groups: u32,
    lanes: u32,
) -> Vec<Variant> {
    let (name, lanes_of, size, workgroups) = match device.software {
        true => ("alone", lib::LANES_ALONE, ALONE, groups.div_ceil(ALONE)),
        false => ("shared", lib::LANES_SHARED, lanes, groups),
    };
    vec![Variant {
        name: name.into(),
        parts: [parts, &[GRID, lanes_of]].concat(),
        constants: vec![("LANES", size)],
        workgroups: linear_dispatch(workgroups),
    }]
}

/// Invocations of a first-stage sum over `count` values: enough to fill a GPU, few enough that the
/// second stage stays short.
pub fn sum_threads(count: usize) -> u32 {
    count.div_ceil(32).clamp(1, 8192) as u32
}
