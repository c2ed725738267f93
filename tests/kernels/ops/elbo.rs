//! Cases of `elbo`.

use ::elbo::ops::likelihood::{BERNOULLI, GAUSSIAN, SIGMOID_SQUARED_ERROR, SQUARED_ERROR};
use ::elbo::ops::{elbo, sum_threads};

use super::reparameterize::{bounded, heads};
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

pub(super) const LIKELIHOODS: [(u32, &str); 4] = [
    (BERNOULLI, "Bernoulli"),
    (GAUSSIAN, "Gaussian"),
    (SQUARED_ERROR, "squared error"),
    (SIGMOID_SQUARED_ERROR, "squared error of a sigmoid"),
];

/// One value's loss and its gradients' errors, in units of U.
pub(super) struct Errors {
    /// Absolute values that the loss is summed from.
    pub(super) loss_terms: f64,
    /// Error of the loss before it is summed.
    pub(super) loss: f64,
    pub(super) gradient: f64,
    /// The same for the gradient with respect to log sigma.
    pub(super) sigma_terms: f64,
    pub(super) sigma: f64,
}

/// What f32 and WGSL's functions allow for −log p(x|z).
pub(super) fn errors(likelihood: u32, x: f32, y: f32, log_sigma: f32) -> Errors {
    let (x, y, log_sigma) = (f64::from(x), f64::from(y), f64::from(log_sigma));
    let r = y - x;
    // exp within 3 + 2·|log sigma| ULP.
    let exp = 2.0 * (3.0 + 2.0 * log_sigma.abs());
    match likelihood {
        BERNOULLI => Errors {
            loss_terms: 2.0 * y.abs() + 1.0,
            // e^−|y|·(3 + 2·|y|) is at most 3 ULP; ln(1 + e) within 3 ULP; a product and two sums.
            loss: 12.0 + 3.0 * (2.0 * y.abs() + 1.0),
            // e as above, a sum, a quotient of 2.5 ULP, a product and a difference.
            gradient: 16.0,
            sigma_terms: 0.0,
            sigma: 0.0,
        },
        GAUSSIAN => {
            let scaled = r * (-log_sigma).exp();
            // A difference, exp, a product; twice for the square.
            let square = scaled * scaled * (2.0 * (exp + 2.0) + 1.0);
            Errors {
                loss_terms: 0.5 * scaled * scaled + log_sigma.abs() + 1.0,
                loss: 0.5 * square + 3.0 * (log_sigma.abs() + 1.0),
                gradient: (scaled * (-log_sigma).exp()).abs() * (2.0 * exp + 3.0),
                sigma_terms: 1.0 + scaled * scaled,
                sigma: square + 1.0,
            }
        }
        SIGMOID_SQUARED_ERROR => {
            let e = (-y.abs()).exp();
            let p = if y < 0.0 { e } else { 1.0 } / (1.0 + e);
            let (r, slope) = (p - x, e / ((1.0 + e) * (1.0 + e)));
            // The sigmoid: e as for Bernoulli (the error of a small e is at most 3 ULP of 1), a sum, a
            // quotient of 2.5 ULP, a product; then a difference.
            let sigmoid = 2.0 * (3.0 + 0.5 + 2.5 + 0.5) + 1.0;
            Errors {
                loss_terms: r * r,
                loss: 2.0 * r.abs() * sigmoid + r * r,
                // The slope has e once and p twice, each within the sigmoid's error of its own size.
                gradient: 2.0
                    * (slope * sigmoid
                        + r.abs() * (3.0 * sigmoid).min(4.0 * sigmoid * slope + sigmoid)),
                sigma_terms: 0.0,
                sigma: 0.0,
            }
        }
        _ => Errors {
            loss_terms: r * r,
            loss: 3.0 * r * r,
            gradient: 2.0 * r.abs(),
            sigma_terms: 0.0,
            sigma: 0.0,
        },
    }
}

/// What a case is made of.
struct Batch {
    likelihood: u32,
    x: Vec<f32>,
    outputs: Vec<f32>,
    log_sigma: f32,
    rows: usize,
    /// Heads and latent dimensions, or no KL.
    heads: Option<(Vec<f32>, usize)>,
    beta: f32,
    /// Whether gradients are asked for.
    gradients: bool,
}

impl Batch {
    fn new(likelihood: u32, rows: usize, width: usize, latent: Option<usize>) -> Self {
        let seed = (rows * width) as u64;
        Self {
            likelihood,
            x: values(seed, rows * width, 0.0, 1.0),
            outputs: values(seed + 1, rows * width, -8.0, 8.0),
            log_sigma: -0.5,
            rows,
            heads: latent.map(|latent| (heads(seed + 2, rows, latent, 6.0), latent)),
            beta: 1.0,
            gradients: true,
        }
    }

    fn without_gradients(self) -> Self {
        Self {
            gradients: false,
            ..self
        }
    }

    /// Errors of the four column sums of the partials.
    fn sums(&self, chain: f64) -> Vec<f64> {
        let mut sums = vec![0.0; 4];
        for (&x, &y) in self.x.iter().zip(&self.outputs) {
            let errors = errors(self.likelihood, x, y, self.log_sigma);
            sums[0] += chain * errors.loss_terms + errors.loss;
            if self.gradients {
                sums[3] += chain * errors.sigma_terms + errors.sigma;
            }
        }
        for (mu, raw) in self.codes() {
            let logvar = bounded(raw);
            let variance = logvar.exp();
            let terms = 0.5 * (variance + f64::from(mu).powi(2) + 1.0 + logvar.abs());
            // exp, then a square, three sums and a product.
            sums[1] += (chain + 5.0) * terms + variance * (3.0 + 2.0 * logvar.abs());
        }
        sums
    }

    /// (mu, logvar) of every latent dimension.
    fn codes(&self) -> Vec<(f32, f32)> {
        let Some((heads, latent)) = &self.heads else {
            return Vec::new();
        };
        let pairs = |head: &[f32]| {
            let (mu, logvar) = head.split_at(*latent);
            mu.iter().copied().zip(logvar.iter().copied()).collect()
        };
        heads
            .chunks(2 * latent)
            .flat_map::<Vec<_>, _>(pairs)
            .collect()
    }

    /// Errors of d_heads.
    fn head_gradients(&self) -> Vec<f64> {
        let beta = f64::from(self.beta);
        let Some((heads, latent)) = &self.heads else {
            return vec![0.0; 2 * self.rows];
        };
        let error = |(j, value): (usize, &f32)| {
            if j % (2 * latent) < *latent {
                return beta * f64::from(value.abs());
            }
            let logvar = bounded(*value);
            let variance = logvar.exp();
            beta * (variance * (3.0 + 2.0 * logvar.abs()) + 1.5 * (variance + 1.0))
        };
        heads.iter().enumerate().map(error).collect()
    }

    fn case(self, name: impl Into<String>) -> Case {
        let count = self.x.len();
        let threads = sum_threads(count) as usize;
        let latent = self.heads.as_ref().map(|(_, latent)| *latent);
        // The longer chain: the twin's runs of values or of latent dimensions, joined from 16 lanes.
        let codes = self.codes().len();
        let chain = count
            .div_ceil(threads)
            .max(codes.div_ceil(threads) + latent.unwrap_or(0))
            + 16;
        let gradients = (self.x.iter().zip(&self.outputs))
            .map(|(&x, &y)| errors(self.likelihood, x, y, self.log_sigma).gradient)
            .collect();
        let partials = Tolerance::sums(1, self.sums(chain as f64));
        // What nobody asks for stays as it is.
        let earlier = |len| Operand::update(values(12, len, -1.0, 1.0), Tolerance::exact());
        let len = self.head_gradients().len();
        let d_heads = match latent {
            Some(_) if self.gradients => {
                Operand::output(len, Tolerance::sums(1, self.head_gradients()))
            }
            _ => earlier(len),
        };
        let d_outputs = match self.gradients {
            true => Operand::output(count, Tolerance::sums(1, gradients)),
            false => earlier(count),
        };
        let size = [self.rows, count / self.rows];
        let call = elbo::call(self.likelihood, size, latent, self.beta, self.gradients);
        let heads = self
            .heads
            .map_or(vec![0.5; 2 * self.rows], |(heads, _)| heads);
        Case::new(
            name,
            &elbo::KERNEL,
            call,
            vec![
                Operand::input(self.x),
                Operand::input(self.outputs),
                Operand::input(heads),
                Operand::input(vec![self.log_sigma]),
                d_outputs,
                d_heads,
                Operand::partials(threads, 4, partials),
            ],
        )
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (likelihood, name) in LIKELIHOODS {
        // One value; counts of 3 and 5 modulo a vec4; an invocation's 32 values and one more; a
        // workgroup's 64 invocations and a few more; a last short batch of primes; more latent dimensions
        // than invocations; more codes than one thread of the twin takes.
        for (rows, width, latent) in [
            (1, 1, 1),
            (1, 3, 2),
            (5, 1, 1),
            (4, 8, 3),
            (3, 11, 5),
            (16, 128, 4),
            (19, 109, 7),
            (31, 2, 40),
            (300, 40, 20),
        ] {
            let batch = Batch::new(likelihood, rows, width, Some(latent));
            cases.push(batch.case(format!("{name}, {rows} rows of {width}, latent {latent}")));
            let batch = Batch::new(likelihood, rows, width, Some(latent)).without_gradients();
            cases.push(batch.case(format!("{name}, {rows} rows of {width}, no gradients")));
        }
        let batch = Batch::new(likelihood, 7, 29, None);
        cases.push(batch.case(format!("{name}, without a KL: d_heads stays")));
        let batch = Batch::new(likelihood, 7, 29, None).without_gradients();
        cases.push(batch.case(format!("{name}, without a KL and gradients")));
        let mut batch = Batch::new(likelihood, 5, 13, Some(3));
        batch.beta = 0.25;
        batch.log_sigma = 1.5;
        cases.push(batch.case(format!("{name}, beta 0.25, another sigma")));
        let mut batch = Batch::new(likelihood, 5, 13, Some(3));
        batch.outputs[7] = f32::NAN;
        if let Some((heads, latent)) = &mut batch.heads {
            heads[0] = f32::NAN;
            heads[*latent + 1] = f32::NAN;
        }
        cases.push(batch.case(format!("{name}, NaN in an output, a mu and a logvar")));
    }
    let mut batch = Batch::new(BERNOULLI, 3, 6, Some(2));
    for (i, output) in batch.outputs.iter_mut().enumerate() {
        *output = [100.0, -100.0, 0.0, 89.0, -89.0, -0.0][i % 6];
        batch.x[i] = (i / 6 % 2) as f32;
    }
    cases.push(batch.case("logits of ±100"));
    let mut batch = Batch::new(BERNOULLI, 2, 6, Some(3));
    batch.heads = Some((
        vec![
            0.5, 0.1, -1.0, 31.0, -31.0, 30.0, 0.0, 2.0, -2.0, -30.0, 500.0, -500.0,
        ],
        3,
    ));
    cases.push(batch.case("logvar beyond its bound: no gradient"));
    cases
}

#[test]
fn losses_and_gradients_match_the_oracle_for_every_likelihood() {
    verify(&cases());
}
