// Formula:    the sigma of the images of the running epoch so far, which evaluation takes:
//               s = max(total / values, LEAST_VARIANCE),  mean += (s − mean) · rows / position, mean = s in the first step,
//               log_sigma = ½ ln mean,  total = 0
// Bindings:   counters    [step, position, row]: position is the images of the epoch up to this batch's last
//             total       [1]: sum of the batch's squared errors
//             mean        [1]
//             log_sigma   [1]
// Invocation: the first one does it all.
// Hazards:    as in sigma.wgsl. The total lies among the gradients, whose norm must not have it.

struct Params {
    values: u32, // of the batch
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> counters: array<u32>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>;
@group(0) @binding(3) var<storage, read_write> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> log_sigma: array<f32>;

// As in `ops::sigma`.
const LEAST_VARIANCE: f32 = 1e-8;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if linear_invocation(workgroup, count, lane) != 0u { return; }
    let error = total[0] / f32(params.values);
    let s = select(error, LEAST_VARIANCE, error < LEAST_VARIANCE);
    let before = mean[0];
    let share = f32(params.rows) / f32(counters[1]);
    let after = select(before + (s - before) * share, s, counters[1] <= params.rows);
    mean[0] = after;
    log_sigma[0] = select(after, 0.5 * log(after), after == after);
    total[0] = 0.0;
}
