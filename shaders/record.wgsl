// Formula:    second stage of the loss sums, in fixed order; writes terms of a row of the log and, behind the last of
//             them, moves the counters on:
//               log[row, first + i] = Σ partials[i],  row += 1, and where a step ends here  step += 1,  position += rows
// Bindings:   partials      [threads, 4]: up to three terms, then d_log_sigma
//             counters      [step, position, row]; as they are where `ends` is 0
//             log           [rows of the log, width]: terms, summed over the batch
//             d_log_sigma   [1]; untouched where SIGMA is 0
// Invocation: lane i of the only workgroup sums the partials i, i + GROUP, …, then lane 0 sums the lanes in order.
// Hazard:     counters are read before they move on, by the one lane that writes them.

struct Params {
    threads: u32,
    terms: u32,
    first: u32,
    width: u32,
    ends: u32,
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> counters: array<u32>;
@group(0) @binding(3) var<storage, read_write> log: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_log_sigma: array<f32>;

override SIGMA: u32 = 0u;

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
    for (var i = 0u; i < params.terms; i++) { log[params.width * row + params.first + i] = total[i]; }
    if SIGMA != 0u { d_log_sigma[0] = total.w; }
    if params.ends == 0u { return; }
    counters[2] = row + 1u;
    if params.rows == 0u { return; }
    counters[0] += 1u;
    counters[1] += params.rows;
}
