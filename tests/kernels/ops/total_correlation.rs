//! Cases of the kernels of `total_correlation`.

use ::elbo::ops::total_correlation::{BACKWARD, MARGINALS, PAIRS, TERMS, backward_call, call};

use super::reparameterize::bounded;
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// Images of the data that a batch is from, unless a batch has them all.
const IMAGES: usize = 1000;

/// A batch of codes and heads, with the densities in double precision and their errors in units of U.
struct Batch {
    rows: usize,
    latent: usize,
    images: usize,
    z: Vec<f32>,
    heads: Vec<f32>,
}

/// A value, and its error in units of U.
type Uncertain = (f64, f64);

impl Batch {
    fn new(rows: usize, latent: usize, images: usize) -> Self {
        let seed = (rows * latent) as u64;
        let mut heads = Vec::new();
        let (mu, logvar) = (
            values(seed, rows * latent, -2.0, 2.0),
            values(seed + 1, rows * latent, -3.0, 1.0),
        );
        for (mu, logvar) in mu.chunks(latent).zip(logvar.chunks(latent)) {
            heads.extend(mu);
            heads.extend(logvar);
        }
        Self {
            rows,
            latent,
            images,
            z: values(seed + 2, rows * latent, -2.5, 2.5),
            heads,
        }
    }

    fn share(&self, n: usize, m: usize) -> f64 {
        let (others, all) = (self.rows as f64 - 1.0, self.images as f64);
        match m {
            _ if self.rows == 1 => 0.0,
            _ if m == n => -all.ln(),
            _ if m == (n + 1) % self.rows => ((all - others) / (all * others)).ln(),
            _ => -others.ln(),
        }
    }

    /// z − mu and the variance of code n and head m, with the relative error of the precision.
    fn off(&self, n: usize, m: usize, j: usize) -> (f64, f64, f64) {
        let head = m * 2 * self.latent + j;
        let logvar = bounded(self.heads[head + self.latent]);
        let off = f64::from(self.z[n * self.latent + j]) - f64::from(self.heads[head]);
        (off, logvar, 2.0 * (3.0 + 2.0 * logvar.abs()))
    }

    /// log N of one latent dimension.
    fn density(&self, n: usize, m: usize, j: usize) -> Uncertain {
        let (off, logvar, exp) = self.off(n, m, j);
        let square = off * off / logvar.exp();
        let size = 0.5 * (square + logvar.abs() + 1.84);
        // A difference twice, exp, two products, two sums.
        (
            -0.5 * (square + logvar + 1.837_877_066_4),
            0.5 * square * (exp + 4.0) + 3.0 * size,
        )
    }

    /// log share + log q(z_n|x_m).
    fn pair(&self, n: usize, m: usize) -> Uncertain {
        let share = self.share(n, m);
        let mut sums = (share, share.abs() * 6.0 + 6.0);
        let mut size = share.abs();
        for j in 0..self.latent {
            let (value, error) = self.density(n, m, j);
            size += value.abs();
            // The sum so far rounds again.
            sums = (sums.0 + value, sums.1 + error + size);
        }
        sums
    }

    /// log Σ exp of some logarithms, each with its error.
    fn log_sum_exp(terms: &[Uncertain]) -> Uncertain {
        let most = terms.iter().map(|t| t.0).fold(f64::NEG_INFINITY, f64::max);
        let exps = terms.iter().map(|t| (t.0 - most).exp());
        let sum: f64 = exps.clone().sum();
        // The error of a term counts by its share; exp by WGSL's rule; the chain; a logarithm and a sum.
        let shares = exps.zip(terms);
        let errors: f64 = shares
            .map(|(exp, t)| exp / sum * (t.1 + (t.0 - most).abs() * 5.0 + 6.0))
            .sum();
        let value = most + sum.ln();
        (
            value,
            errors + terms.len() as f64 + 10.0 + 6.0 * sum.ln().abs() + value.abs(),
        )
    }

    fn marginal(&self, n: usize, j: usize) -> Uncertain {
        let terms = (0..self.rows).map(|m| {
            let (share, (value, error)) = (self.share(n, m), self.density(n, m, j));
            (
                share + value,
                error + 6.0 * share.abs() + 6.0 + (share + value).abs(),
            )
        });
        Self::log_sum_exp(&terms.collect::<Vec<_>>())
    }

    fn joint(&self, n: usize) -> Uncertain {
        let terms: Vec<Uncertain> = (0..self.rows).map(|m| self.pair(n, m)).collect();
        Self::log_sum_exp(&terms)
    }

    fn pairs(&self) -> Vec<f32> {
        let of = |at: usize| self.pair(at / self.rows, at % self.rows).0 as f32;
        (0..self.rows * self.rows).map(of).collect()
    }

    fn marginals(&self) -> Vec<f32> {
        let of = |at: usize| self.marginal(at / self.latent, at % self.latent).0 as f32;
        (0..self.rows * self.latent).map(of).collect()
    }

    fn inputs(&self) -> [Operand; 2] {
        [&self.z, &self.heads].map(|values| Operand::input(values.clone()))
    }

    fn name(&self) -> String {
        format!("{} rows of {} from {}", self.rows, self.latent, self.images)
    }

    fn cases(&self) -> Vec<Case> {
        let (rows, latent) = (self.rows, self.latent);
        let call = || call(rows, latent, self.images);
        let [z, heads] = self.inputs();
        let errors = (0..rows * rows).map(|at| self.pair(at / rows, at % rows).1);
        let output = |errors: Vec<f64>| Operand::output(errors.len(), Tolerance::sums(1, errors));
        let operands = vec![z.clone(), heads.clone(), output(errors.collect())];
        let mut cases = vec![Case::new(self.name(), &PAIRS, call(), operands)];
        let errors = (0..rows * latent).map(|at| self.marginal(at / latent, at % latent).1);
        let operands = vec![z.clone(), heads, output(errors.collect())];
        cases.push(Case::new(self.name(), &MARGINALS, call(), operands));
        cases.push(self.terms(z));
        cases.extend([1.0, 6.0].map(|beta| self.backward(beta)));
        cases
    }

    fn terms(&self, z: Operand) -> Case {
        let (rows, latent) = (self.rows, self.latent);
        let (pairs, marginals) = (self.pairs(), self.marginals());
        let (mut joints, mut partials) = (Vec::new(), Vec::new());
        for n in 0..rows {
            // The pairs are given, and have no error here.
            let given: Vec<Uncertain> = pairs[n * rows..][..rows]
                .iter()
                .map(|&pair| (f64::from(pair), f64::from(pair.abs())))
                .collect();
            let (joint, error) = Self::log_sum_exp(&given);
            let sizes = marginals[n * latent..][..latent].iter();
            let product: f64 = sizes.map(|m| f64::from(m.abs())).sum::<f64>() * latent as f64;
            let codes = self.z[n * latent..][..latent].iter();
            let prior: f64 = codes.map(|z| 0.5 * (f64::from(*z).powi(2) + 1.84)).sum();
            let prior = prior * (latent as f64 + 4.0);
            let own = f64::from(pairs[n * rows + n].abs()) + 8.0 * self.share(n, n).abs();
            joints.push(error);
            let sum = error + joint.abs();
            partials.extend([sum + 2.0 * own, sum + product, product + prior, 0.0]);
        }
        let operands = vec![
            z,
            Operand::input(pairs),
            Operand::input(marginals),
            Operand::output(rows, Tolerance::sums(1, joints)),
            Operand::output(4 * rows, Tolerance::sums(1, partials)),
        ];
        Case::new(
            self.name(),
            &TERMS,
            call(rows, latent, self.images),
            operands,
        )
    }

    fn backward(&self, beta: f32) -> Case {
        let (rows, latent) = (self.rows, self.latent);
        let (pairs, marginals) = (self.pairs(), self.marginals());
        let joint: Vec<f32> = (0..rows).map(|n| self.joint(n).0 as f32).collect();
        let weight = f64::from((beta - 1.0).abs());
        // What code n and head m pull at each other with, and its error, times (z − mu)/variance.
        let pull = |n: usize, m: usize, j: usize| {
            let (off, logvar, exp) = self.off(n, m, j);
            let off = off.abs() / logvar.exp();
            let (density, error) = self.density(n, m, j);
            let log_marginal = self.share(n, m) + density - f64::from(marginals[n * latent + j]);
            let log_joint = f64::from(pairs[n * rows + m]) - f64::from(joint[n]);
            let sizes = [
                (
                    log_marginal,
                    error
                        + 6.0 * self.share(n, m).abs()
                        + 6.0
                        + density.abs()
                        + f64::from(marginals[n * latent + j].abs()),
                ),
                (
                    log_joint,
                    f64::from(pairs[n * rows + m].abs()) + f64::from(joint[n].abs()),
                ),
            ];
            let own = if n == m { 1.0 } else { 0.0 };
            let errors =
                sizes.map(|(log, error)| log.exp() * (error + 2.0 * (3.0 + 2.0 * log.abs()) + 2.0));
            let size = weight * (log_marginal.exp() + log_joint.exp()) + own;
            let error = weight * errors.iter().sum::<f64>() + size;
            // The chain of the sum, exp, a difference, two products.
            (off, error + size * (rows as f64 + exp + 5.0))
        };
        let over = |of: &dyn Fn(usize) -> f64| (0..rows).map(of).sum::<f64>();
        let of_codes = (0..rows * latent).map(|at| {
            let (n, j) = (at / latent, at % latent);
            let pulls = over(&|m| {
                let (off, error) = pull(n, m, j);
                off * error
            });
            pulls + rows as f64 * f64::from(self.z[at].abs())
        });
        let of_heads = (0..2 * rows * latent).map(|at| {
            let (m, j) = (at / (2 * latent), at % latent);
            over(&|n| {
                let (off, error) = pull(n, m, j);
                match at % (2 * latent) < latent {
                    true => off * error,
                    false => {
                        let (difference, _, exp) = self.off(n, m, j);
                        (0.5 * off * difference.abs() + 0.5) * error
                            + 0.5 * off * difference.abs() * exp
                    }
                }
            })
        });
        let [z, heads] = self.inputs();
        let operands = vec![
            z,
            heads,
            Operand::input(pairs.clone()),
            Operand::input(marginals.clone()),
            Operand::input(joint.clone()),
            Operand::output(rows * latent, Tolerance::sums(1, of_codes.collect())),
            Operand::output(2 * rows * latent, Tolerance::sums(1, of_heads.collect())),
        ];
        let call = backward_call(rows, latent, self.images, beta);
        Case::new(
            format!("{}, beta {beta}", self.name()),
            &BACKWARD,
            call,
            operands,
        )
    }
}

pub(super) fn cases() -> Vec<Case> {
    // One row, which is compared with itself; two, of which the next is the last other; a batch that is all images; a
    // workgroup of 64 pairs and of 64 dimensions, less one and one more; primes; several workgroups.
    let sizes = [
        (1, 1, IMAGES),
        (2, 3, IMAGES),
        (5, 4, 5),
        (8, 8, IMAGES),
        (9, 7, IMAGES),
        (13, 5, IMAGES),
        (37, 11, 60_000),
    ];
    let batches = sizes.map(|(rows, latent, images)| Batch::new(rows, latent, images));
    let mut cases: Vec<Case> = batches.iter().flat_map(Batch::cases).collect();
    // Three workgroups of rows.
    let many = Batch::new(150, 2, IMAGES);
    cases.push(many.terms(Operand::input(many.z.clone())));
    // A logvar beyond its bound has no gradient.
    let mut extreme = Batch::new(3, 2, IMAGES);
    extreme.heads[2..4].copy_from_slice(&[31.0, 400.0]);
    cases.push(extreme.backward(6.0));
    cases
}

#[test]
fn densities_and_their_gradients_match_the_oracle() {
    verify(&cases());
}
