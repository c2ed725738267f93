//! Reconstruction losses that the fused ELBO and the importance weights share.

use crate::kernel::Real;

/// `override LIKELIHOOD`: Bernoulli from logits.
pub const BERNOULLI: u32 = 0;
/// Gaussian, mean = output.
pub const GAUSSIAN: u32 = 1;
/// ‖x − output‖².
pub const SQUARED_ERROR: u32 = 2;

const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// Adds up −log p(x|z) of some values into (loss, gradient with respect to log sigma), and writes the
/// gradients with respect to the decoder's outputs.
#[inline(always)]
pub(crate) fn reconstruction<F: Real>(
    likelihood: u32,
    x: &[F],
    outputs: &[F],
    log_sigma: F,
    gradient: &mut [F],
) -> (F, F) {
    // Sixteen sums side by side: enough for the vector units, and a short chain of rounding.
    let mut losses = [F::ZERO; 16];
    let mut sigmas = [F::ZERO; 16];
    let precision = (-log_sigma).exp();
    let constant = log_sigma + F::new(HALF_LOG_TWO_PI);
    let chunks = x
        .chunks(16)
        .zip(outputs.chunks(16))
        .zip(gradient.chunks_mut(16));
    for ((x, outputs), gradient) in chunks {
        let lanes = losses
            .iter_mut()
            .zip(&mut sigmas)
            .zip(x)
            .zip(outputs)
            .zip(gradient);
        match likelihood {
            GAUSSIAN => lanes.for_each(|((((loss, sigma), &x), &y), g)| {
                let r = (y - x) * precision;
                *loss += F::new(0.5) * r * r + constant;
                *sigma += F::ONE - r * r;
                *g = r * precision;
            }),
            SQUARED_ERROR => lanes.for_each(|((((loss, _), &x), &y), g)| {
                let r = y - x;
                *loss += r * r;
                *g = F::new(2.0) * r;
            }),
            _ => lanes.for_each(|((((loss, _), &x), &y), g)| {
                let e = (-y.abs()).exp();
                let p = F::ONE / (F::ONE + e);
                *loss += y.positive() + e.ln_1p_unit() - x * y;
                *g = if y < F::ZERO { e * p } else { p } - x;
            }),
        }
    }
    (losses.into_iter().sum(), sigmas.into_iter().sum())
}
