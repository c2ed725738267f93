// AdamW over the whole arena (Kingma & Ba 2015; decoupled decay: Loshchilov & Hutter 2019):
//   m += (g − m)(1 − β1);  v += (g² − v)(1 − β2)
//   p −= lr · decay · p + lr / (1 − β1^t) · m / (sqrt(v / (1 − β2^t)) + epsilon)
//
// parameters, gradient, first, second   [count], in arrays padded to a multiple of four
// counters   [step, …]; step is t, counted from 1
// scalars    [learning rate, gradient scale]
// An invocation updates four values.
// Hazard: 1 − β^t cancels for small t (β2: three digits at t = 1), so it is −expm1(t·ln β).

struct Params {
    count: u32,
    log_beta1: f32,
    log_beta2: f32,
    rate1: f32, // 1 − β1
    rate2: f32, // 1 − β2
    epsilon: f32,
    decay: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameters: array<Four>;
@group(0) @binding(2) var<storage, read> gradient: array<Four>;
@group(0) @binding(3) var<storage, read_write> first: array<Four>;
@group(0) @binding(4) var<storage, read_write> second: array<Four>;
@group(0) @binding(5) var<storage, read> counters: array<u32>;
@group(0) @binding(6) var<storage, read> scalars: array<f32>;

// 1 − exp(x) for x ≤ 0: the Taylor polynomial near 0, where the difference would cancel.
fn one_minus_exp(x: f32) -> f32 {
    if x < -0.5 { return 1.0 - exp(x); }
    return -x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0 * (1.0 + x / 8.0)))))));
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Read before the branch, where a software driver can read once for all lanes.
    let t = f32(counters[0]);
    let rate = scalars[0];
    let scale = scalars[1];
    let step_size = rate / one_minus_exp(t * params.log_beta1);
    let inverse_root = 1.0 / sqrt(one_minus_exp(t * params.log_beta2));
    let at = linear_invocation(workgroup, count, lane);
    if 4u * at >= params.count { return; }
    let g = floats(gradient[at]) * scale;
    let m_before = floats(first[at]);
    let v_before = floats(second[at]);
    let m = m_before + (g - m_before) * params.rate1;
    let v = v_before + (g * g - v_before) * params.rate2;
    first[at] = four(m);
    second[at] = four(v);
    let p = floats(parameters[at]);
    parameters[at] = four(p - rate * params.decay * p - step_size * m / (sqrt(v) * inverse_root + params.epsilon));
}
