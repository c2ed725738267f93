// Formula:    the sigma by which a batch is most likely as N(output, sigma²), its root mean squared error (Rybkin, Daniilidis
//             & Levine 2021):
//               total = Σ squared errors,  batch = ½ ln max(total / values, LEAST_VARIANCE)
// Bindings:   partials    [threads, 4]: sums of squared errors in the first column
//             batch       [1]
//             total       [1]
// Invocation: lane i of the only workgroup sums the partials i, i + GROUP, …, then lane 0 sums the lanes in order.
// Hazards:    the gradients of the batch are divided by the variance, so that it must not be 0. A NaN is not less than the
//             least variance, so that it is not hidden by it; WGSL leaves open what its logarithm is.

struct Params {
    threads: u32,
    values: u32, // of the batch
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> batch: array<f32>;
@group(0) @binding(3) var<storage, read_write> total: array<f32>;

// As in `ops::sigma`.
const LEAST_VARIANCE: f32 = 1e-8;

var<workgroup> sums: array<f32, GROUP>;

@compute @workgroup_size(GROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.threads; i += GROUP) { sum += partials[i].x; }
    sums[lane] = sum;
    workgroupBarrier();
    if lane != 0u { return; }
    var all = 0.0;
    for (var i = 0u; i < GROUP; i++) { all += sums[i]; }
    let error = all / f32(params.values);
    let s = select(error, LEAST_VARIANCE, error < LEAST_VARIANCE);
    batch[0] = select(s, 0.5 * log(s), s == s);
    total[0] = all;
}
