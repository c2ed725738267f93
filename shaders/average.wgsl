// Formula:    average += (parameter − average) · (1 − d), where d = min(decay, (1 + t) / (10 + t)) at step t: an exponential
//             moving average whose decay rises to its value, so that it is not held back by the first parameters, which know
//             nothing yet (TensorFlow's ExponentialMovingAverage with num_updates). 1 − d = max(1 − decay, 9 / (10 + t)).
// Bindings:   parameters, average   [count], in arrays padded to a multiple of four
//             counters              [step, …]; step is t, counted from 1
// Invocation: averages four values.
// Hazard:     1 − decay is made by the host, as the difference would cancel. An average that a step should
//             move by less than half the distance to the next number stays: with a decay of 0.9999 it may stop 0.06 % from
//             where it should be, with 0.999 0.006 %.

struct Params {
    count: u32,
    rest: f32, // 1 − decay
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<Four>;
@group(0) @binding(2) var<storage, read_write> average: array<Four>;
@group(0) @binding(3) var<storage, read> counters: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Before the branch, where a software driver can read once for all lanes.
    let share = max(params.rest, 9.0 / (10.0 + f32(counters[0])));
    let at = linear_invocation(workgroup, count, lane);
    if 4u * at >= params.count { return; }
    let before = floats(average[at]);
    average[at] = four(before + (floats(parameters[at]) - before) * share);
}
