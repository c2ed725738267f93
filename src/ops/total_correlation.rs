//! The KL to the prior in the three parts of Chen, Li, Grosse & Duvenaud 2018: mutual information, total correlation and
//! dimension-wise KL, by minibatch-stratified sampling, and their gradients.
//!
//! The density of a code under the codes' distribution over the whole data is estimated from the rows of its batch
//! (appendix C.2). The row itself has the share 1/N of N images, the next one stands for those that are not in the batch,
//! and the others have 1/M, where the batch has M + 1 rows.

use super::likelihood::HALF_LOG_TWO_PI;
use super::{bounded, inside, lib};
use crate::kernel::{Binding, Bound, Call, Kernel, Real, Variant, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`PAIRS`], [`MARGINALS`] and [`TERMS`].
    pub struct Params {
        /// Rows of the batch.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
        /// Images of the data that the batch is from.
        images: u32,
    }
}

/// log share(n, m) + log q(z_n|x_m) of all pairs of rows.
///
/// Bindings: z `[rows, latent]`, heads `[rows, 2·latent]`, densities `[rows, rows]`.
pub static PAIRS: Kernel = Kernel {
    name: "pair_densities",
    bindings: &[
        Binding::read("z"),
        Binding::read("heads"),
        Binding::write("densities"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        let text = include_str!("../../shaders/pair_densities.wgsl");
        variants(text, p.rows * p.rows)
    },
    twin: pairs::<f32>,
    oracle: pairs::<f64>,
};

/// log q(z_j) of each latent dimension of each code.
///
/// Bindings: z `[rows, latent]`, heads `[rows, 2·latent]`, densities `[rows, latent]`.
pub static MARGINALS: Kernel = Kernel {
    name: "marginal_densities",
    bindings: &[
        Binding::read("z"),
        Binding::read("heads"),
        Binding::write("densities"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        let text = include_str!("../../shaders/marginal_densities.wgsl");
        variants(text, p.rows * p.latent)
    },
    twin: marginals::<f32>,
    oracle: marginals::<f64>,
};

/// The three terms of each row, with the logarithm of q(z).
///
/// Bindings: z `[rows, latent]`, pairs `[rows, rows]` of [`PAIRS`], marginals `[rows, latent]` of [`MARGINALS`], joint
/// `[rows]`, partials `[rows, 4]`.
pub static TERMS: Kernel = Kernel {
    name: "total_correlation",
    bindings: &[
        Binding::read("z"),
        Binding::read("pairs"),
        Binding::read("marginals"),
        Binding::write("joint"),
        Binding::write("partials"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        let text = include_str!("../../shaders/total_correlation.wgsl");
        variants(text, p.rows)
    },
    twin: terms::<f32>,
    oracle: terms::<f64>,
};

crate::params! {
    /// Parameters of [`BACKWARD`].
    pub struct Weighted {
        /// Rows of the batch.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
        /// Images of the data that the batch is from.
        images: u32,
        /// Weight of the total correlation.
        beta: f32,
    }
}

/// The gradient of mutual information + beta · total correlation + dimension-wise KL for codes and heads.
///
/// Bindings: z `[rows, latent]`, heads `[rows, 2·latent]`, pairs, marginals and joint as [`TERMS`] has them, d_z
/// `[rows, latent]`, d_heads `[rows, 2·latent]`.
pub static BACKWARD: Kernel = Kernel {
    name: "total_correlation_backward",
    bindings: &[
        Binding::read("z"),
        Binding::read("heads"),
        Binding::read("pairs"),
        Binding::read("marginals"),
        Binding::read("joint"),
        Binding::write("d_z"),
        Binding::write("d_heads"),
    ],
    fields: Weighted::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Weighted = call.params();
        let text = include_str!("../../shaders/total_correlation_backward.wgsl");
        variants(text, p.rows * p.latent)
    },
    twin: backward::<f32>,
    oracle: backward::<f64>,
};

/// The call of [`PAIRS`], [`MARGINALS`] and [`TERMS`] for `rows` codes of a batch from `images` images.
pub fn call(rows: usize, latent: usize, images: usize) -> Call {
    let params = Params {
        rows: rows as u32,
        latent: latent as u32,
        images: images as u32,
    };
    Call::new(params, &[])
}

/// The call of [`BACKWARD`] with the weight of the total correlation.
pub fn backward_call(rows: usize, latent: usize, images: usize, beta: f32) -> Call {
    let params = Weighted {
        rows: rows as u32,
        latent: latent as u32,
        images: images as u32,
        beta,
    };
    Call::new(params, &[])
}

/// The only variant of a kernel of densities.
fn variants(text: &'static str, invocations: u32) -> Vec<Variant> {
    let parts = [lib::EXP, lib::LATENT, lib::STRATIFIED, text];
    elementwise(&parts, invocations)
}

/// Time of a density beside that of an addition.
const EXP: usize = 4;

/// Logarithms of the three shares that rows have.
#[derive(Clone, Copy)]
struct Shares<F> {
    rows: usize,
    own: F,
    next: F,
    other: F,
}

impl<F: Real> Shares<F> {
    fn new(rows: usize, images: u32) -> Self {
        let (others, all) = (rows as f64 - 1.0, f64::from(images));
        let log = |share: f64| F::new(share.ln());
        Self {
            rows,
            own: if rows == 1 { F::ZERO } else { log(1.0 / all) },
            next: log((all - others) / (all * others)),
            other: log(1.0 / others),
        }
    }

    /// That of row m in the density at the code of row n.
    #[inline(always)]
    fn of(&self, n: usize, m: usize) -> F {
        if m == n {
            self.own
        } else if m == (n + 1) % self.rows {
            self.next
        } else {
            self.other
        }
    }
}

/// log N(z; mu, exp(logvar)), with a logvar that is bounded already.
#[inline(always)]
fn log_normal<F: Real>(z: F, mu: F, logvar: F) -> F {
    let off = z - mu;
    F::new(-0.5) * (off * off * (-logvar).exp() + logvar) - F::new(HALF_LOG_TWO_PI)
}

/// log Σ exp of some values, which are computed twice.
#[inline(always)]
fn log_sum_exp<F: Real>(count: usize, value: impl Fn(usize) -> F) -> F {
    let mut largest = value(0);
    for i in 1..count {
        let one = value(i);
        if one > largest {
            largest = one;
        }
    }
    let mut sum = F::ZERO;
    for i in 0..count {
        sum += (value(i) - largest).exp();
    }
    largest + F::new(sum.wide().ln())
}

fn pairs<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [z, heads, densities] = bind(bound);
    let p: Params = call.params();
    let (rows, latent) = (p.rows as usize, p.latent as usize);
    let shares = Shares::<F>::new(rows, p.images);
    let (z, heads) = (z.floats(), heads.floats());
    parallel::chunks_of(
        EXP * latent,
        densities.floats_mut(),
        rows,
        #[inline(always)]
        |(first, densities)| {
            for (i, densities) in densities.chunks_mut(rows).enumerate() {
                let n = first / rows + i;
                let z = &z[n * latent..][..latent];
                for (m, density) in densities.iter_mut().enumerate() {
                    let (mu, raw) = heads[m * 2 * latent..][..2 * latent].split_at(latent);
                    let mut sum = shares.of(n, m);
                    for ((&z, &mu), &raw) in z.iter().zip(mu).zip(raw) {
                        sum += log_normal(z, mu, bounded(raw));
                    }
                    *density = sum;
                }
            }
        },
    );
}

fn marginals<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [z, heads, densities] = bind(bound);
    let p: Params = call.params();
    let (rows, latent) = (p.rows as usize, p.latent as usize);
    let shares = Shares::<F>::new(rows, p.images);
    let (z, heads) = (z.floats(), heads.floats());
    parallel::chunks_of(
        2 * EXP * rows,
        densities.floats_mut(),
        1,
        #[inline(always)]
        |(first, densities)| {
            for (i, density) in densities.iter_mut().enumerate() {
                let (n, j) = ((first + i) / latent, (first + i) % latent);
                *density = log_sum_exp(rows, |m| {
                    let head = &heads[m * 2 * latent..][..2 * latent];
                    shares.of(n, m) + log_normal(z[first + i], head[j], bounded(head[latent + j]))
                });
            }
        },
    );
}

fn terms<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [z, pairs, marginals, joint, partials] = bind(bound);
    let p: Params = call.params();
    let (rows, latent) = (p.rows as usize, p.latent as usize);
    let shares = Shares::<F>::new(rows, p.images);
    let of_rows = joint
        .floats_mut()
        .iter_mut()
        .zip(partials.floats_mut().chunks_mut(4));
    for (n, (joint, partials)) in of_rows.enumerate() {
        let pairs = &pairs.floats()[n * rows..][..rows];
        *joint = log_sum_exp(rows, |m| pairs[m]);
        let product: F = marginals.floats()[n * latent..][..latent]
            .iter()
            .copied()
            .sum();
        let z = &z.floats()[n * latent..][..latent];
        let prior: F = z
            .iter()
            .map(|&z| F::new(-0.5) * z * z - F::new(HALF_LOG_TWO_PI))
            .sum();
        let posterior = pairs[n] - shares.of(n, n);
        let terms = [
            posterior - *joint,
            *joint - product,
            product - prior,
            F::ZERO,
        ];
        partials.copy_from_slice(&terms);
    }
}

/// Rows of codes and of heads, with their densities.
struct Batch<'a, F> {
    latent: usize,
    shares: Shares<F>,
    beta: F,
    z: &'a [F],
    heads: &'a [F],
    pairs: &'a [F],
    marginals: &'a [F],
    joint: &'a [F],
}

impl<F: Real> Batch<'_, F> {
    /// For latent dimension j of code n and head m: (z − mu)/variance, (z − mu)²/variance, and the coefficient of the
    /// density.
    #[inline(always)]
    fn pull(&self, n: usize, m: usize, j: usize) -> [F; 3] {
        let (z, head) = (self.z[n * self.latent + j], m * 2 * self.latent + j);
        let (mu, logvar) = (self.heads[head], bounded(self.heads[head + self.latent]));
        let off = (z - mu) * (-logvar).exp();
        let log_marginal = self.shares.of(n, m) + log_normal(z, mu, logvar);
        let marginal = (log_marginal - self.marginals[n * self.latent + j]).exp();
        let joint = (self.pairs[n * self.shares.rows + m] - self.joint[n]).exp();
        let own = if n == m { F::ONE } else { F::ZERO };
        [
            off,
            off * (z - mu),
            (self.beta - F::ONE) * (joint - marginal) + own,
        ]
    }
}

fn backward<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [z, heads, pairs, marginals, joint, d_z, d_heads] = bind(bound);
    let p: Weighted = call.params();
    let (rows, latent) = (p.rows as usize, p.latent as usize);
    let batch = Batch {
        latent,
        shares: Shares::new(rows, p.images),
        beta: F::new(f64::from(p.beta)),
        z: z.floats(),
        heads: heads.floats(),
        pairs: pairs.floats(),
        marginals: marginals.floats(),
        joint: joint.floats(),
    };
    parallel::chunks_of(
        2 * EXP * rows,
        d_z.floats_mut(),
        1,
        #[inline(always)]
        |(first, d_z)| {
            for (at, d_z) in (first..).zip(d_z) {
                let (n, j) = (at / latent, at % latent);
                *d_z = batch.z[at];
                for m in 0..rows {
                    let [off, _, coefficient] = batch.pull(n, m, j);
                    *d_z += -(coefficient * off);
                }
            }
        },
    );
    parallel::chunks_of(
        2 * EXP * rows,
        d_heads.floats_mut(),
        2 * latent,
        #[inline(always)]
        |(first, d_heads)| {
            for (i, d_head) in d_heads.chunks_mut(2 * latent).enumerate() {
                let m = first / (2 * latent) + i;
                for j in 0..latent {
                    let mut sums = [F::ZERO; 2];
                    for n in 0..rows {
                        let [off, square, coefficient] = batch.pull(n, m, j);
                        sums[0] += coefficient * off;
                        sums[1] += F::new(0.5) * coefficient * (square - F::ONE);
                    }
                    d_head[j] = sums[0];
                    d_head[latent + j] = sums[1] * inside(batch.heads[m * 2 * latent + latent + j]);
                }
            }
        },
    );
}
