//! Reconstruction losses that the fused ELBO and the importance weights share.

use crate::kernel::Real;

/// `override LIKELIHOOD`: Bernoulli from logits.
pub const BERNOULLI: u32 = 0;
/// Gaussian, mean = output.
pub const GAUSSIAN: u32 = 1;
/// ‖x − output‖².
pub const SQUARED_ERROR: u32 = 2;
/// ‖x − sigmoid(output)‖².
pub const SIGMOID_SQUARED_ERROR: u32 = 3;

/// ½·ln 2π, of [`GAUSSIAN`].
pub const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// Values handled side by side: enough for the vector units, and a short chain of rounding.
pub(super) const LANES: usize = 16;

/// Sums of a run of values, lane by lane.
struct Sums<F> {
    loss: [F; LANES],
    log_sigma: [F; LANES],
}

/// Adds up −log p(x|z) of some values into (loss, gradient with respect to log sigma), and writes the
/// gradients with respect to the decoder's outputs.
#[inline(always)]
pub(super) fn with_gradient<F: Real>(
    likelihood: u32,
    x: &[F],
    outputs: &[F],
    log_sigma: F,
    gradient: &mut [F],
) -> (F, F) {
    reconstruction::<F, true>(likelihood, x, outputs, log_sigma, gradient)
}

/// −log p(x|z) of some values, the same to the last bit.
#[inline(always)]
pub(crate) fn loss<F: Real>(likelihood: u32, x: &[F], outputs: &[F], log_sigma: F) -> F {
    reconstruction::<F, false>(likelihood, x, outputs, log_sigma, &mut []).0
}

/// The gradient is written where `KEEP`.
#[inline(always)]
fn reconstruction<F: Real, const KEEP: bool>(
    likelihood: u32,
    x: &[F],
    outputs: &[F],
    log_sigma: F,
    gradient: &mut [F],
) -> (F, F) {
    let mut sums = Sums {
        loss: [F::ZERO; LANES],
        log_sigma: [F::ZERO; LANES],
    };
    let inverse = (-log_sigma).exp();
    let constant = log_sigma + F::new(HALF_LOG_TWO_PI);
    match likelihood {
        GAUSSIAN => each::<F, KEEP>(
            x,
            outputs,
            gradient,
            &mut sums,
            #[inline(always)]
            |x, y| {
                let r = (y - x) * inverse;
                (F::new(0.5) * r * r + constant, r * inverse, F::ONE - r * r)
            },
        ),
        SQUARED_ERROR => each::<F, KEEP>(
            x,
            outputs,
            gradient,
            &mut sums,
            #[inline(always)]
            |x, y| {
                let r = y - x;
                (r * r, F::new(2.0) * r, F::ZERO)
            },
        ),
        SIGMOID_SQUARED_ERROR => each::<F, KEEP>(
            x,
            outputs,
            gradient,
            &mut sums,
            #[inline(always)]
            |x, y| {
                let e = (-y.abs()).exp();
                let p = F::ONE / (F::ONE + e);
                let r = if y < F::ZERO { e * p } else { p } - x;
                (r * r, F::new(2.0) * r * (e * p * p), F::ZERO)
            },
        ),
        _ => each::<F, KEEP>(
            x,
            outputs,
            gradient,
            &mut sums,
            #[inline(always)]
            |x, y| {
                let e = (-y.abs()).exp();
                let p = F::ONE / (F::ONE + e);
                let probability = if y < F::ZERO { e * p } else { p };
                (
                    y.positive() + e.ln_1p_unit() - x * y,
                    probability - x,
                    F::ZERO,
                )
            },
        ),
    }
    (
        sums.loss.into_iter().sum(),
        sums.log_sigma.into_iter().sum(),
    )
}

/// Applies `f(x, output)` = (loss, gradient, gradient of log sigma) to all values. Arrays of fixed length
/// are what lets the loop vectorise.
#[inline(always)]
fn each<F: Real, const KEEP: bool>(
    x: &[F],
    outputs: &[F],
    gradient: &mut [F],
    sums: &mut Sums<F>,
    f: impl Fn(F, F) -> (F, F, F),
) {
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (outputs, outputs_rest) = outputs.as_chunks::<LANES>();
    let (gradient, gradient_rest) = gradient.as_chunks_mut::<LANES>();
    for (i, (x, y)) in x.iter().zip(outputs).enumerate() {
        let mut slopes = [F::ZERO; LANES];
        for lane in 0..LANES {
            let (loss, slope, log_sigma) = f(x[lane], y[lane]);
            sums.loss[lane] += loss;
            sums.log_sigma[lane] += log_sigma;
            slopes[lane] = slope;
        }
        if KEEP {
            gradient[i] = slopes;
        }
    }
    for (lane, (&x, &y)) in x_rest.iter().zip(outputs_rest).enumerate() {
        let (loss, slope, log_sigma) = f(x, y);
        sums.loss[lane] += loss;
        sums.log_sigma[lane] += log_sigma;
        if KEEP {
            gradient_rest[lane] = slope;
        }
    }
}
