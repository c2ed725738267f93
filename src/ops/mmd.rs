//! The maximum mean discrepancy between the codes of a batch and draws from the prior (Gretton et al. 2012), with the
//! inverse multiquadratic kernels of Tolstikhin, Bousquet, Gelly & Schölkopf 2018, and its gradient.

use rayon::prelude::*;

use super::by_lanes;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of codes, and of draws.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
    }
}

/// The share of each row in the squared discrepancy, and the slopes of the kernel for its gradient.
///
/// Bindings: z and draws `[rows, latent]`, slopes `[rows, rows, 2]`, partials `[rows, 4]`, of which the first column has
/// MMD² as its mean.
pub static KERNEL: Kernel = Kernel {
    name: "mmd",
    bindings: &[
        Binding::read("z"),
        Binding::read("draws"),
        Binding::write("slopes"),
        Binding::write("partials"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, device| {
        by_lanes(
            device,
            &[include_str!("../../shaders/mmd.wgsl")],
            call.params::<Params>().rows,
            LANES,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// Lanes of a row on hardware.
const LANES: u32 = 64;

crate::params! {
    /// Parameters of [`BACKWARD`].
    pub struct Weighted {
        /// Rows of codes, and of draws.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
        /// Weight of the discrepancy of an image.
        weight: f32,
    }
}

/// The gradient of weight · rows · MMD² for the codes.
///
/// Bindings: z and draws `[rows, latent]`, slopes `[rows, rows, 2]` of [`KERNEL`], d_z `[rows, latent]`.
pub static BACKWARD: Kernel = Kernel {
    name: "mmd_backward",
    bindings: &[
        Binding::read("z"),
        Binding::read("draws"),
        Binding::read("slopes"),
        Binding::write("d_z"),
    ],
    fields: Weighted::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Weighted = call.params();
        elementwise(
            &[include_str!("../../shaders/mmd_backward.wgsl")],
            p.rows * p.latent,
        )
    },
    twin: backward::<f32>,
    oracle: backward::<f64>,
};

/// The call for `rows` codes.
pub fn call(rows: usize, latent: usize) -> Call {
    let params = Params {
        rows: rows as u32,
        latent: latent as u32,
    };
    Call::new(params, &[])
}

/// The call of [`BACKWARD`].
pub fn backward_call(rows: usize, latent: usize, weight: f32) -> Call {
    let params = Weighted {
        rows: rows as u32,
        latent: latent as u32,
        weight,
    };
    Call::new(params, &[])
}

/// Scales of the kernels' widths (`shaders/mmd.wgsl`).
pub const SCALES: [f64; 7] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// The kernel and its derivative at a squared distance.
#[inline(always)]
fn kernel<F: Real>(latent: usize, square: F) -> [F; 2] {
    let mut sums = [F::ZERO; 2];
    for scale in SCALES {
        let c = F::new(2.0 * latent as f64 * scale);
        let share = F::ONE / (c + square);
        sums[0] += c * share;
        sums[1] += -(c * share * share);
    }
    sums
}

#[inline(always)]
fn square<F: Real>(a: &[F], b: &[F]) -> F {
    let mut sum = F::ZERO;
    for (&a, &b) in a.iter().zip(b) {
        sum += (a - b) * (a - b);
    }
    sum
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [z, draws, slopes, partials] = bind(bound);
    let p: Params = call.params();
    let (rows, latent) = (p.rows as usize, p.latent as usize);
    let (z, draws) = (z.floats(), draws.floats());
    let others = F::new((rows as f64 - 1.0).max(1.0));
    parallel::parts(
        slopes.floats_mut(),
        2 * rows,
        partials.floats_mut().par_chunks_mut(4),
        #[inline(always)]
        |(i, (slopes, partials))| {
            let [code, drawn] = [z, draws].map(|values| &values[i * latent..][..latent]);
            let mut sum = F::ZERO;
            for (k, slopes) in slopes.chunks_mut(2).enumerate() {
                if i == k {
                    slopes.fill(F::ZERO);
                    continue;
                }
                let (z, draws) = (&z[k * latent..][..latent], &draws[k * latent..][..latent]);
                let among = kernel(latent, square(code, z));
                let across = kernel(latent, square(code, draws));
                let of_draws = kernel(latent, square(drawn, draws));
                slopes.copy_from_slice(&[among[1], across[1]]);
                sum += among[0] + of_draws[0] - F::new(2.0) * across[0];
            }
            partials.copy_from_slice(&[sum / others, F::ZERO, F::ZERO, F::ZERO]);
        },
    );
}

fn backward<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [z, draws, slopes, d_z] = bind(bound);
    let p: Weighted = call.params();
    let (rows, latent) = (p.rows as usize, p.latent as usize);
    let (z, draws, slopes) = (z.floats(), draws.floats(), slopes.floats());
    let factor = f64::from(p.weight) * 4.0 / (rows as f64 - 1.0).max(1.0);
    parallel::chunks_of(
        4 * rows,
        d_z.floats_mut(),
        latent,
        #[inline(always)]
        |(first, d_z)| {
            for (i, d_z) in d_z.chunks_mut(latent).enumerate() {
                let row = first / latent + i;
                let code = &z[row * latent..][..latent];
                d_z.fill(F::ZERO);
                let slopes = slopes[row * 2 * rows..][..2 * rows].chunks(2);
                let others = z.chunks(latent).zip(draws.chunks(latent));
                for (slopes, (z, draws)) in slopes.zip(others) {
                    for (((d, &code), &z), &drawn) in d_z.iter_mut().zip(code).zip(z).zip(draws) {
                        *d += slopes[0] * (code - z) - slopes[1] * (code - drawn);
                    }
                }
                d_z.iter_mut().for_each(|d| *d *= F::new(factor));
            }
        },
    );
}
