// Reconstruction losses −log p(x|z) of four values, their gradients with respect to the decoder's
// outputs, and the gradient with respect to log sigma. LIKELIHOOD selects Bernoulli from logits, Gaussian
// with mean = output, squared error, or squared error of sigmoid(output).
// Hazard: Bernoulli never takes the logarithm of a sigmoid; softplus never sees exp of a positive value.

override LIKELIHOOD: u32 = 0u;

// As in `ops::likelihood`.
const BERNOULLI: u32 = 0u;
const GAUSSIAN: u32 = 1u;
const SQUARED_ERROR: u32 = 2u;
const SIGMOID_SQUARED_ERROR: u32 = 3u;

const HALF_LOG_TWO_PI: f32 = 0.9189385332046727;

// ln(1 + e) for e in [0, 1], as 2·atanh(e / (2 + e)): relative error within 3 ulp, where
// log(1.0 + e) would lose every digit of a small e.
fn log1p_unit(e: vec4<f32>) -> vec4<f32> {
    let s = e / (2.0 + e);
    let t = s * s;
    let p = 1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t / 13.0))));
    return 2.0 * s + 2.0 * s * t * p;
}

struct Reconstruction {
    loss: vec4<f32>,
    gradient: vec4<f32>,
    log_sigma_gradient: vec4<f32>,
}

fn reconstruction(x: vec4<f32>, output: vec4<f32>, log_sigma: f32) -> Reconstruction {
    switch LIKELIHOOD {
        case GAUSSIAN: {
            let inverse = exp(-log_sigma);
            let r = (output - x) * inverse;
            return Reconstruction(
                0.5 * r * r + (log_sigma + HALF_LOG_TWO_PI),
                r * inverse,
                1.0 - r * r,
            );
        }
        case SQUARED_ERROR: {
            let r = output - x;
            return Reconstruction(r * r, 2.0 * r, vec4<f32>(0.0));
        }
        case SIGMOID_SQUARED_ERROR: {
            let e = exp_or_nan(-abs(output));
            let p = 1.0 / (1.0 + e);
            let r = select(p, e * p, output < vec4<f32>(0.0)) - x;
            // e·p² is the derivative of the sigmoid, without the cancellation of p·(1 − p).
            return Reconstruction(r * r, 2.0 * r * (e * p * p), vec4<f32>(0.0));
        }
        case BERNOULLI, default: {
            let e = exp_or_nan(-abs(output));
            let p = 1.0 / (1.0 + e);
            let positive = select(output, vec4<f32>(0.0), output <= vec4<f32>(0.0));
            return Reconstruction(
                positive + log1p_unit(e) - x * output,
                select(p, e * p, output < vec4<f32>(0.0)) - x,
                vec4<f32>(0.0),
            );
        }
    }
}
