// Activations and their derivatives, selected by ACTIVATION. GELU is its tanh approximation.
//
// Hazards: exp never sees a positive argument, so it cannot overflow; tanh's argument is bounded,
// because some drivers return NaN beyond about 44.

override ACTIVATION: u32 = 0u;

// As in `ops::activation`.
const IDENTITY: u32 = 0u;
const RELU: u32 = 1u;
const LEAKY_RELU: u32 = 2u;
const TANH: u32 = 3u;
const SIGMOID: u32 = 4u;
const SILU: u32 = 5u;
const GELU: u32 = 6u;

const LEAK: f32 = 0.01;
const GELU_SCALE: f32 = 0.7978845608028654; // sqrt(2/pi)
const GELU_CUBIC: f32 = 0.044715;

fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    let e = exp_or_nan(-abs(x));
    let p = 1.0 / (1.0 + e);
    return select(p, e * p, x < vec4<f32>(0.0));
}

// Comparisons rather than clamp, which would turn a NaN into a bound.
fn bounded_tanh(x: vec4<f32>) -> vec4<f32> {
    let low = select(x, vec4<f32>(-15.0), x < vec4<f32>(-15.0));
    return tanh(select(low, vec4<f32>(15.0), low > vec4<f32>(15.0)));
}

fn activate(x: vec4<f32>) -> vec4<f32> {
    switch ACTIVATION {
        case RELU: { return select(x, vec4<f32>(0.0), x <= vec4<f32>(0.0)); }
        case LEAKY_RELU: { return select(x, LEAK * x, x <= vec4<f32>(0.0)); }
        case TANH: { return bounded_tanh(x); }
        case SIGMOID: { return sigmoid(x); }
        case SILU: { return x * sigmoid(x); }
        case GELU: { return 0.5 * x * (1.0 + bounded_tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x))); }
        case IDENTITY, default: { return x; }
    }
}

// Derivative, from the activation's output for the first four and from its input for SiLU and GELU.
fn derivative(saved: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    switch ACTIVATION {
        case RELU: { return select(one, zero, saved <= zero); }
        case LEAKY_RELU: { return select(one, vec4<f32>(LEAK), saved <= zero); }
        case TANH: { return one - saved * saved; }
        case SIGMOID: { return saved * (one - saved); }
        case SILU: {
            let s = sigmoid(saved);
            return s * (one + saved * (one - s));
        }
        case GELU: {
            let t = bounded_tanh(GELU_SCALE * (saved + GELU_CUBIC * saved * saved * saved));
            let inner = GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * saved * saved);
            return 0.5 * (one + t) + 0.5 * saved * (one - t * t) * inner;
        }
        case IDENTITY, default: { return one; }
    }
}

// Derivative from the activation's input, for all of them.
fn slope(x: vec4<f32>) -> vec4<f32> {
    switch ACTIVATION {
        case SILU, GELU: { return derivative(x); }
        default: { return derivative(activate(x)); }
    }
}
