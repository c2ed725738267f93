//! Models in plain loops at double precision, each number with how far single precision may be from it.

use elbo::model::{ModelKind, ModelSpec, Weights};
use elbo::rng::{self, Purpose};

/// Rounding of one operation in `f32`, relative to its result, with a factor of 2 for drivers that
/// round the wrong way.
const EPS: f64 = f32::EPSILON as f64;

/// A draw is −2 ln u under a root, times a sine: roundings relative to the largest radius.
pub(crate) const NOISE: f64 = 8.0 * EPS;

/// Error of `exp(x)` relative to its result, by the table of accuracies in WGSL's specification:
/// 3 + 2·|x| units in the last place.
fn exp_error(x: f64) -> f64 {
    (3.0 + 2.0 * x.abs()) * EPS
}

/// A number, and how far a computation of it in `f32` may be off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    pub(crate) value: f64,
    pub(crate) error: f64,
}

impl Near {
    pub(crate) fn exact(value: f64) -> Self {
        Self { value, error: 0.0 }
    }

    fn exp(self) -> Self {
        let value = self.value.exp();
        Self {
            value,
            error: value * (self.error + exp_error(self.value)),
        }
    }

    /// 1/(1 + exp(−x)), whose slope is p·(1 − p); the sum and the quotient round beside the exponential.
    pub(crate) fn sigmoid(self) -> Self {
        let value = 1.0 / (1.0 + (-self.value).exp());
        let slope = value * (1.0 - value);
        Self {
            value,
            error: slope * (self.error + exp_error(self.value)) + 2.0 * EPS * value,
        }
    }

    /// The sum of terms: a random walk over what the terms are off by, and over a rounding for each of
    /// them, relative to what may have been added up so far.
    pub(crate) fn sum(terms: &[Self]) -> Self {
        let absolute: f64 = terms.iter().map(|term| term.value.abs()).sum();
        let carried: f64 = terms.iter().map(|term| term.error * term.error).sum();
        let rounded = EPS * EPS * terms.len() as f64 * absolute * absolute;
        Self {
            value: terms.iter().map(|term| term.value).sum(),
            error: (carried + rounded).sqrt(),
        }
    }
}

/// Values as the model sees them: bytes over 255.
pub(crate) fn seen(bytes: &[u8]) -> Vec<Near> {
    let values = bytes.iter().map(|&byte| f64::from(f32::from(byte) / 255.0));
    values.map(Near::exact).collect()
}

/// The stream's definition, at double precision: Box-Muller of pairs of Philox's integers.
pub(crate) fn noise(seed: u64, purpose: Purpose, step: u32, len: usize) -> Vec<f64> {
    let blocks = (0..len.div_ceil(4) as u32).flat_map(|block| {
        let four = rng::draw(rng::key(seed), purpose as u32, step, block);
        let [a, b, c, d] = four.map(|bits| f64::from(rng::unit(bits)));
        [(a, b), (c, d)].into_iter().flat_map(|(u, v)| {
            let radius = (-2.0 * (1.0 - u).ln()).sqrt();
            let angle = std::f64::consts::TAU * v;
            [radius * angle.cos(), radius * angle.sin()]
        })
    });
    blocks.take(len).collect()
}

/// `[out]` from `[in]`, by a weight `[out, in]` and its bias.
fn linear(weights: &Weights, layer: &str, input: &[Near]) -> Vec<Near> {
    let tensor = |suffix: &str| {
        let name = format!("{layer}.{suffix}");
        let mut all = weights.iter();
        all.find(|(known, ..)| *known == name).expect("a layer").2
    };
    let rows = tensor("weight").chunks(input.len());
    let outputs = rows.zip(tensor("bias")).map(|(row, &bias)| {
        let mut terms: Vec<Near> = Vec::with_capacity(row.len() + 1);
        for (&w, x) in row.iter().zip(input) {
            let w = f64::from(w);
            terms.push(Near {
                value: w * x.value,
                error: w.abs() * x.error,
            });
        }
        terms.push(Near::exact(f64::from(bias)));
        Near::sum(&terms)
    });
    outputs.collect()
}

fn relu(values: Vec<Near>) -> Vec<Near> {
    let bounded = values.into_iter().map(|x| Near {
        value: x.value.max(0.0),
        ..x
    });
    bounded.collect()
}

/// mu and logvar of an image by a model of one hidden layer with ReLU; an autoencoder's code has no
/// logvar.
pub(crate) fn encode(spec: &ModelSpec, weights: &Weights, x: &[Near]) -> [Vec<Near>; 2] {
    let hidden = relu(linear(weights, "fc1", x));
    match spec.kind {
        ModelKind::Ae => [linear(weights, "fc2", &hidden), Vec::new()],
        ModelKind::Vae => ["fc21", "fc22"].map(|head| linear(weights, head, &hidden)),
    }
}

/// The decoder's outputs of a code.
pub(crate) fn decode(weights: &Weights, z: &[Near]) -> Vec<Near> {
    linear(weights, "fc4", &relu(linear(weights, "fc3", z)))
}

/// mu + exp(logvar/2)·noise.
pub(crate) fn latent([mu, logvar]: &[Vec<Near>; 2], noise: &[f64]) -> Vec<Near> {
    let all = mu.iter().zip(logvar).zip(noise);
    let codes = all.map(|((m, l), e)| {
        let half = Near {
            value: 0.5 * l.value,
            error: 0.5 * l.error,
        };
        let sigma = half.exp();
        let moved = Near {
            value: sigma.value * e,
            error: sigma.error * e.abs() + sigma.value * NOISE,
        };
        Near::sum(&[*m, moved])
    });
    codes.collect()
}

/// −log p(x|z) of a Bernoulli by its logits.
pub(crate) fn bernoulli(logits: &[Near], x: &[Near]) -> Near {
    let terms = logits.iter().zip(x).map(|(l, x)| {
        // The logarithms of sigmoid(l) and 1 − sigmoid(l), weighted by x; the slope is p − x. Three
        // roundings of parts that are at most |l| and ln 2.
        let (l, x) = (*l, x.value);
        let slope = (l.sigmoid().value - x).abs();
        Near {
            value: l.value.max(0.0) + (-l.value.abs()).exp().ln_1p() - x * l.value,
            error: slope * l.error + 3.0 * EPS * (l.value.abs() + std::f64::consts::LN_2),
        }
    });
    Near::sum(&terms.collect::<Vec<_>>())
}

/// KL(q(z|x) ‖ p(z)); 0 without logvar.
fn kl([mu, logvar]: &[Vec<Near>; 2]) -> Near {
    let parts = mu.iter().zip(logvar).flat_map(|(m, l)| {
        let variance = l.exp();
        let square = Near {
            value: m.value * m.value,
            error: 2.0 * m.value.abs() * m.error + EPS * m.value * m.value,
        };
        // exp(l) − l as one term: what l is off by moves both, and they move against each other.
        let rest = Near {
            value: variance.value - 1.0 - l.value,
            error: (variance.value - 1.0).abs() * l.error
                + variance.value * exp_error(l.value)
                + EPS * (variance.value + 1.0 + l.value.abs()),
        };
        [square, rest].map(|part| Near {
            value: 0.5 * part.value,
            error: 0.5 * part.error,
        })
    });
    Near::sum(&parts.collect::<Vec<_>>())
}

/// Reconstruction loss and KL of one image with Bernoulli likelihood, from the formulas.
pub(crate) fn losses(spec: &ModelSpec, weights: &Weights, x: &[Near], noise: &[f64]) -> [Near; 2] {
    let heads = encode(spec, weights, x);
    let z = match spec.kind {
        ModelKind::Ae => heads[0].clone(),
        ModelKind::Vae => latent(&heads, noise),
    };
    [bernoulli(&decode(weights, &z), x), kl(&heads)]
}

/// log p(x|z) + log p(z) − log q(z|x) of one draw of z.
pub(crate) fn log_weight(
    weights: &Weights,
    heads: &[Vec<Near>; 2],
    x: &[Near],
    noise: &[f64],
) -> Near {
    let z = latent(heads, noise);
    let loss = bernoulli(&decode(weights, &z), x);
    // The constants of both normal densities cancel.
    let codes = z.iter().zip(&heads[1]).zip(noise).flat_map(|((z, l), e)| {
        let square = z.value * z.value;
        [
            Near {
                value: 0.5 * e * e,
                error: e.abs() * NOISE + EPS * e * e,
            },
            Near {
                value: 0.5 * l.value,
                error: 0.5 * l.error,
            },
            Near {
                value: -0.5 * square,
                error: z.value.abs() * z.error + EPS * square,
            },
        ]
    });
    let mut terms: Vec<Near> = codes.collect();
    terms.push(Near {
        value: -loss.value,
        error: loss.error,
    });
    Near::sum(&terms)
}

/// log of the mean of exp of the terms. Its slopes are the terms' shares, and the terms round apart.
pub(crate) fn log_mean_exp(terms: &[Near]) -> Near {
    let largest = terms.iter().map(|t| t.value).fold(f64::MIN, f64::max);
    let (mut sum, mut squares) = (0.0, 0.0);
    for term in terms {
        let share = (term.value - largest).exp();
        sum += share;
        squares += (share * term.error).powi(2);
    }
    Near {
        value: largest + (sum / terms.len() as f64).ln(),
        error: squares.sqrt() / sum,
    }
}
