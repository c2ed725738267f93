// Standard normal values from uniform integers, by Box-Muller.
// Hazards: u = 1 − unit lies in (0, 1], so log(u) is finite and at most 0. WGSL allows log an error of
// 2^-21 near 1, which the root of a small radius magnifies a thousandfold, and cos one of 2^-11: all
// three are polynomials there, so that every device draws the same.

const HALF_PI: f32 = 1.5707963267948966;

// (cos, sin) of 2π·turn for turn in [0, 1): Taylor polynomials within an eighth of a turn.
fn circle(turn: f32) -> vec2<f32> {
    let quarter = floor(4.0 * turn + 0.5);
    let angle = (4.0 * turn - quarter) * HALF_PI;
    let t = angle * angle;
    let s = angle * (1.0 + t * (-1.0 / 6.0 + t * (1.0 / 120.0 + t * (-1.0 / 5040.0 + t / 362880.0))));
    let c = 1.0 + t * (-0.5 + t * (1.0 / 24.0 + t * (-1.0 / 720.0 + t * (1.0 / 40320.0 - t / 3628800.0))));
    switch u32(quarter) % 4u {
        case 1u: { return vec2<f32>(-s, c); }
        case 2u: { return vec2<f32>(-c, -s); }
        case 3u: { return vec2<f32>(s, -c); }
        default: { return vec2<f32>(c, s); }
    }
}

// log(1 − w) for w in [0, 1), as −2·atanh(w / (2 − w)) where 1 − w is near 1.
fn log_rest(w: vec2<f32>) -> vec2<f32> {
    let s = w / (2.0 - w);
    let t = s * s;
    let p = 1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t / 13.0))));
    return select(log(1.0 - w), -2.0 * s - 2.0 * s * t * p, w <= vec2<f32>(0.5));
}

// Four values of four integers: the cosine and sine of the first pair, then of the second.
fn normal(bits: vec4<u32>) -> vec4<f32> {
    let four = unit(bits);
    let radius = sqrt(-2.0 * log_rest(four.xz));
    return vec4<f32>(radius.x * circle(four.y), radius.y * circle(four.w));
}
