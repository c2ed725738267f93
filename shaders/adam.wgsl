// Formula:    AdamW over the whole arena, as in lib/adam.wgsl: m, v = moments(g), p = p − update(m, v).
// Bindings:   parameters, gradient, first, second   [count], in arrays padded to a multiple of four
//             counters   [step, …]; step is t, counted from 1
//             scalars    [learning rate, gradient scale]
// Invocation: updates four values.
// Hazard:     that of lib/adam.wgsl: 1 − β^t cancels for small t.

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

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Before the branch, where a software driver can read once for all lanes.
    let rates = rates();
    let at = linear_invocation(workgroup, count, lane);
    if 4u * at >= params.count { return; }
    let before = Moments(floats(parameters[at]), floats(first[at]), floats(second[at]));
    let after = adam(before, floats(gradient[at]), rates);
    first[at] = four(after.m);
    second[at] = four(after.v);
    parameters[at] = four(after.p);
}
