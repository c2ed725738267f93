//! The fused ELBO: reconstruction loss, KL, the gradients of both, and the first stage of the sums.

use super::likelihood::{self, LANES};
use super::{bounded, inside, lib, sum_threads};
use rayon::prelude::*;

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values of the batch: rows · values.
        count: u32,
        /// rows · latent
        codes: u32,
        /// Values of a latent code.
        latent: u32,
        /// Invocations; each makes one row of partial sums.
        threads: u32,
        /// Weight of the KL.
        beta: f32,
    }
}

/// Loss and gradients of a batch; selectors `LIKELIHOOD`, `LATENT` (0 = no KL) and `GRADIENTS` (0 = none).
///
/// Bindings: x and outputs `[rows, values]`, heads `[rows, 2·latent]`, log_sigma `[1]`, d_outputs and
/// d_heads of the same shapes where they are asked for, partials `[threads, 4]`.
pub static KERNEL: Kernel = Kernel {
    name: "elbo",
    bindings: &[
        Binding::read("x"),
        Binding::read("outputs"),
        Binding::read("heads"),
        Binding::read("log_sigma"),
        Binding::write("d_outputs").touching(|call| match call.selector("GRADIENTS") {
            0 => 0,
            _ => call.params::<Params>().count as usize,
        }),
        Binding::write("d_heads").touching(|call| {
            match call.selector("GRADIENTS") * call.selector("LATENT") {
                0 => 0,
                _ => 2 * call.params::<Params>().codes as usize,
            }
        }),
        Binding::partial("partials"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, device| {
        elementwise(
            &[
                lib::four(device),
                lib::EXP,
                lib::LATENT,
                lib::LIKELIHOOD,
                include_str!("../../shaders/elbo.wgsl"),
            ],
            call.params::<Params>().threads,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for a batch of `rows` images of `values` values. `latent` = `None` leaves the KL out.
pub fn call(
    likelihood: u32,
    [rows, values]: [usize; 2],
    latent: Option<usize>,
    beta: f32,
    gradients: bool,
) -> Call {
    let width = latent.unwrap_or(1);
    let params = Params {
        count: (rows * values) as u32,
        codes: (rows * width) as u32,
        latent: width as u32,
        threads: sum_threads(rows * values),
        beta,
    };
    let selectors = [
        ("LIKELIHOOD", likelihood),
        ("LATENT", u32::from(latent.is_some())),
        ("GRADIENTS", u32::from(gradients)),
    ];
    Call::new(params, &selectors)
}

/// Least values of a partial sum on the CPU.
const SHARE: usize = 4096;

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [x, outputs, heads, log_sigma, d_outputs, d_heads, partials] = bind(bound);
    let p: Params = call.params();
    let (x, outputs, log_sigma) = (x.floats(), outputs.floats(), log_sigma.floats()[0]);
    let kind = call.selector("LIKELIHOOD");
    // A row of partials covers a run of values here, long enough to be worth a thread's while, and
    // strided ones on a GPU: the sums agree up to rounding, which the tests bound.
    let share = (p.count as usize).div_ceil(p.threads as usize).max(SHARE);
    let (partials, rest) = partials
        .floats_mut()
        .split_at_mut(4 * (p.count as usize).div_ceil(share));
    rest.fill(F::ZERO);
    partials.fill(F::ZERO);
    let (rows, _) = partials.as_chunks_mut::<4>();
    let gradients = call.selector("GRADIENTS") != 0;
    if gradients {
        parallel::parts(
            d_outputs.floats_mut(),
            share,
            &mut *rows,
            #[inline(always)]
            |(i, (gradient, row))| {
                let range = i * share..i * share + gradient.len();
                let (x, outputs) = (&x[range.clone()], &outputs[range]);
                (row[0], row[3]) = likelihood::with_gradient(kind, x, outputs, log_sigma, gradient);
            },
        );
    } else {
        let parts = x.par_chunks(share).zip(outputs.par_chunks(share));
        parallel::parts(
            &mut *rows,
            1,
            parts,
            #[inline(always)]
            |(_, (row, (x, outputs)))| {
                row[0][0] = likelihood::loss(kind, x, outputs, log_sigma);
            },
        );
    }
    if call.selector("LATENT") == 0 {
        return;
    }
    let beta = F::new(f64::from(p.beta));
    let latent = p.latent as usize;
    let heads = heads.floats();
    let codes = (p.codes as usize).div_ceil(rows.len()).max(SHARE);
    let share = codes.div_ceil(latent) * 2 * latent;
    if gradients {
        parallel::parts(
            d_heads.floats_mut(),
            share,
            &mut *rows,
            #[inline(always)]
            |(i, (gradients, row))| {
                let heads = heads[i * share..].chunks(2 * latent);
                let gradients = gradients.chunks_mut(2 * latent);
                let kls = heads.zip(gradients);
                row[1] =
                    side_by_side(kls.map(|(head, gradient)| with_gradient(head, beta, gradient)));
            },
        );
    } else {
        parallel::parts(
            &mut *rows,
            1,
            heads.par_chunks(share),
            #[inline(always)]
            |(_, (row, heads))| {
                row[0][1] = side_by_side(heads.chunks(2 * latent).map(divergence));
            },
        );
    }
}

/// The sum of values, in as many sums side by side as make a short chain of rounding.
#[inline(always)]
fn side_by_side<F: Real>(values: impl Iterator<Item = F>) -> F {
    let mut sums = [F::ZERO; LANES];
    for (j, value) in values.enumerate() {
        sums[j % LANES] += value;
    }
    sums.into_iter().sum()
}

/// KL(q(z|x) ‖ N(0, I)) of a head (mu, logvar).
#[inline(always)]
fn divergence<F: Real>(head: &[F]) -> F {
    let (mu, raw) = head.split_at(head.len() / 2);
    let mut kl = F::ZERO;
    for (&mu, &raw) in mu.iter().zip(raw) {
        kl += term(mu, bounded(raw), bounded(raw).exp());
    }
    kl
}

/// The part of a latent dimension.
#[inline(always)]
fn term<F: Real>(mu: F, logvar: F, variance: F) -> F {
    F::new(0.5) * (variance + mu * mu - F::ONE - logvar)
}

/// The same, and `beta` times its gradient.
#[inline(always)]
fn with_gradient<F: Real>(head: &[F], beta: F, gradient: &mut [F]) -> F {
    let half = F::new(0.5);
    let latent = head.len() / 2;
    let (mu, raw) = head.split_at(latent);
    let (d_mu, d_raw) = gradient.split_at_mut(latent);
    // The sum has an order, so it has a loop of its own: the others vectorise.
    for (variance, &raw) in d_raw.iter_mut().zip(raw) {
        *variance = bounded(raw).exp();
    }
    let mut kl = F::ZERO;
    for ((&variance, &mu), &raw) in d_raw.iter().zip(mu).zip(raw) {
        kl += term(mu, bounded(raw), variance);
    }
    for (d, &mu) in d_mu.iter_mut().zip(mu) {
        *d = beta * mu;
    }
    for (d, &raw) in d_raw.iter_mut().zip(raw) {
        *d = beta * half * (*d - F::ONE) * inside(raw);
    }
    kl
}
