// AdamW (Kingma & Ba 2015; decoupled decay: Loshchilov & Hutter 2019):
//   m += (g − m)(1 − β1);  v += (g² − v)(1 − β2)
//   p −= lr · decay · p + lr / (1 − β1^t) · m / (sqrt(v / (1 − β2^t)) + epsilon)
// Needs counters [step, …], where step is t, counted from 1, scalars [learning rate, gradient scale], and
// log_beta1 … decay in params.
// Hazard: 1 − β^t cancels for small t (β2: three digits at t = 1), so it is −expm1(t·ln β).

struct Moments {
    p: vec4<f32>,
    m: vec4<f32>,
    v: vec4<f32>,
}

// What all parameters have in common.
struct Rates {
    learning: f32,
    scale: f32,
    step: f32,
    inverse_root: f32,
}

// 1 − exp(x) for x ≤ 0: the Taylor polynomial near 0, where the difference would cancel.
fn one_minus_exp(x: f32) -> f32 {
    if x < -0.5 { return 1.0 - exp(x); }
    return -x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0 * (1.0 + x / 8.0)))))));
}

fn rates() -> Rates {
    let t = f32(counters[0]);
    let learning = scalars[0];
    return Rates(
        learning,
        scalars[1],
        learning / one_minus_exp(t * params.log_beta1),
        1.0 / sqrt(one_minus_exp(t * params.log_beta2)),
    );
}

fn adam(before: Moments, gradient: vec4<f32>, rates: Rates) -> Moments {
    let g = gradient * rates.scale;
    let m = before.m + (g - before.m) * params.rate1;
    let v = before.v + (g * g - before.v) * params.rate2;
    let p = before.p;
    return Moments(
        p - rates.learning * params.decay * p - rates.step * m / (sqrt(v) * rates.inverse_root + params.epsilon),
        m,
        v,
    );
}
