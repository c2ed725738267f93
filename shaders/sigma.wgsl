// Formula:    the sigma by which a batch is most likely as N(output, sigma²), its root mean squared error (Rybkin, Daniilidis
//             & Levine 2021), and that of the images of the running epoch so far, which evaluation takes:
//               s = max(Σ squared errors / values, LEAST_VARIANCE)
//               mean += (s − mean) · rows / (position + rows), and mean = s where position is 0
//               batch = ½ ln s,  log_sigma = ½ ln mean
// Bindings:   partials    [threads, 4]: sums of squared errors in the first column
//             counters    [step, position, row]: position is the images of the epoch before this batch
//             batch       [1]
//             mean        [1]
//             log_sigma   [1]
// Invocation: lane i of the only workgroup sums the partials i, i + GROUP, …, then lane 0 sums the lanes in order.
// Hazards:    the gradients of the batch are divided by s, so that it must not be 0. A NaN is not less than the least
//             variance, so that it is not hidden by it.

struct Params {
    threads: u32,
    values: u32, // of the batch
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> counters: array<u32>;
@group(0) @binding(3) var<storage, read_write> batch: array<f32>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> log_sigma: array<f32>;

// As in `ops::sigma`.
const LEAST_VARIANCE: f32 = 1e-8;

// WGSL leaves open what the logarithm of a NaN is.
fn half_log(x: f32) -> f32 {
    return select(x, 0.5 * log(x), x == x);
}

var<workgroup> sums: array<f32, GROUP>;

@compute @workgroup_size(GROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.threads; i += GROUP) { sum += partials[i].x; }
    sums[lane] = sum;
    workgroupBarrier();
    if lane != 0u { return; }
    var total = 0.0;
    for (var i = 0u; i < GROUP; i++) { total += sums[i]; }
    let error = total / f32(params.values);
    let s = select(error, LEAST_VARIANCE, error < LEAST_VARIANCE);
    let before = mean[0];
    let position = counters[1];
    let share = f32(params.rows) / f32(position + params.rows);
    let after = select(before + (s - before) * share, s, position == 0u);
    batch[0] = half_log(s);
    mean[0] = after;
    log_sigma[0] = half_log(after);
}
