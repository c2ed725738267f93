// Formula:    scalars[0] = schedule[row, 0],  scalars[2] = schedule[row, 1]: what a schedule says for this step.
// Bindings:   counters   [step, position, row]; row is that of the log, counted from the start of the epoch
//             schedule   [steps of the epoch, 2]: learning rate, share of beta
//             scalars    [learning rate, gradient scale, share of beta]
// Invocation: the first one does it all.
// Hazard:     a row past the end takes the last one. The host computes the schedule, so that every device follows the
//             same one to the bit.

struct Params {
    steps: u32,
    rows: u32, // of the log in a step
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> counters: array<u32>;
@group(0) @binding(2) var<storage, read> schedule: array<f32>;
@group(0) @binding(3) var<storage, read_write> scalars: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if linear_invocation(workgroup, count, lane) != 0u { return; }
    let row = min(counters[2] / params.rows, params.steps - 1u);
    scalars[0] = schedule[2u * row];
    scalars[2] = schedule[2u * row + 1u];
}
