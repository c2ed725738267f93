// Activations and their derivatives, selected by ACTIVATION (`ops::activation::selector`):
// 0 identity, 1 ReLU, 2 leaky ReLU, 3 tanh, 4 sigmoid, 5 SiLU, 6 GELU by the tanh approximation.
//
// Hazards: exp never sees a positive argument, so it cannot overflow; tanh's argument is bounded,
// because some drivers return NaN beyond about 44.

override ACTIVATION: u32 = 0u;

const LEAK: f32 = 0.01;
const GELU_SCALE: f32 = 0.7978845608028654; // sqrt(2/pi)
const GELU_CUBIC: f32 = 0.044715;

fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(x));
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
        case 1u: { return select(x, vec4<f32>(0.0), x <= vec4<f32>(0.0)); }
        case 2u: { return select(x, LEAK * x, x <= vec4<f32>(0.0)); }
        case 3u: { return bounded_tanh(x); }
        case 4u: { return sigmoid(x); }
        case 5u: { return x * sigmoid(x); }
        case 6u: { return 0.5 * x * (1.0 + bounded_tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x))); }
        default: { return x; }
    }
}

// Derivative, from the activation's output for the first four and from its input for SiLU and GELU.
fn derivative(saved: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    switch ACTIVATION {
        case 1u: { return select(one, zero, saved <= zero); }
        case 2u: { return select(one, vec4<f32>(LEAK), saved <= zero); }
        case 3u: { return one - saved * saved; }
        case 4u: { return saved * (one - saved); }
        case 5u: {
            let s = sigmoid(saved);
            return s * (one + saved * (one - s));
        }
        case 6u: {
            let t = bounded_tanh(GELU_SCALE * (saved + GELU_CUBIC * saved * saved * saved));
            let inner = GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * saved * saved);
            return 0.5 * (one + t) + 0.5 * saved * (one - t * t) * inner;
        }
        default: { return one; }
    }
}
