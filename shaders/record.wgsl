// Formula:    second stage of the loss sums, in fixed order; writes a row of the log and moves the counters on:
//               log[row] = Σ partials,  step += 1,  position += rows,  row += 1
// Bindings:   partials      [threads, 4]: (reconstruction, KL, d_log_sigma, 0)
//             counters      [step, position, row]
//             log           [rows of the log, 2]: reconstruction and KL, summed over the batch
//             d_log_sigma   [1]
// Invocation: lane i of the only workgroup sums the partials i, i + GROUP, …, then lane 0 sums the lanes in order.
// Hazard:     counters are read before they move on, by the one lane that writes them.

struct Params {
    threads: u32,
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> counters: array<u32>;
@group(0) @binding(3) var<storage, read_write> log: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_log_sigma: array<f32>;

var<workgroup> sums: array<vec4<f32>, GROUP>;

@compute @workgroup_size(GROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < params.threads; i += GROUP) { sum += partials[i]; }
    sums[lane] = sum;
    workgroupBarrier();
    if lane != 0u { return; }
    var total = vec4<f32>(0.0);
    for (var i = 0u; i < GROUP; i++) { total += sums[i]; }
    let row = counters[2];
    log[2u * row] = total.x;
    log[2u * row + 1u] = total.y;
    d_log_sigma[0] = total.z;
    counters[0] += 1u;
    counters[1] += params.rows;
    counters[2] = row + 1u;
}
