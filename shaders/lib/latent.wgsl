// The latent Gaussian q(z|x) = N(mu, exp(logvar)); heads: [rows, 2·latent], mu then logvar.
// Hazard: exp(logvar) overflows beyond 88, so logvar is bounded to ±LOGVAR_BOUND wherever it is used,
// and its gradient is zero beyond the bound. Comparisons rather than clamp, which would hide a NaN.

const LOGVAR_BOUND: f32 = 30.0;

fn bounded(logvar: f32) -> f32 {
    let low = select(logvar, -LOGVAR_BOUND, logvar < -LOGVAR_BOUND);
    return select(low, LOGVAR_BOUND, low > LOGVAR_BOUND);
}

// exp(part · logvar) within the bound.
fn exp_of(logvar: f32, part: f32) -> f32 {
    return exp_or_nan(vec4<f32>(part * bounded(logvar))).x;
}

// Derivative of `bounded`.
fn inside(logvar: f32) -> f32 {
    return select(1.0, 0.0, abs(logvar) > LOGVAR_BOUND);
}
