// Formula:    d_outputs[row, j] = weights[row] · d(−log p(x_j|z)) / d outputs[row, j], and with SIGMA 1 the first stage of
//             the sum of weights[row] · d(−log p(x_j|z)) / d log_sigma
// Bindings:   x          [rows / samples, values]; row r of the others uses row r / samples
//             outputs    [rows, values]
//             weights    [rows]
//             log_sigma  [1]
//             d_outputs  [rows, values]
//             partials   [threads, 4]: (0, 0, 0, d_log_sigma) of one invocation; untouched where SIGMA is 0
// Invocation: number i of `threads` handles the groups of four values i, i + threads, …; a row begins a new group.
// Hazard:     values beyond a row are masked out.

struct Params {
    rows: u32,
    values: u32,
    samples: u32,
    threads: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> outputs: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> log_sigma: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_outputs: array<f32>;
@group(0) @binding(6) var<storage, read_write> partials: array<vec4<f32>>;

override SIGMA: u32 = 0u;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Before any branch, where a software driver can read once for all lanes.
    let sigma = log_sigma[0];
    let thread = linear_invocation(workgroup, count, lane);
    if thread >= params.threads { return; }
    let groups = (params.values + 3u) / 4u;
    var d_log_sigma = 0.0;
    for (var group = thread; group < params.rows * groups; group += params.threads) {
        let row = group / groups;
        let first = 4u * (group % groups);
        let size = min(4u, params.values - first);
        let seen = row / params.samples * params.values + first;
        let at = row * params.values + first;
        var target_values = vec4<f32>(0.0);
        var found = vec4<f32>(0.0);
        for (var i = 0u; i < size; i++) {
            target_values[i] = x[seen + i];
            found[i] = outputs[at + i];
        }
        let r = reconstruction(target_values, found, sigma);
        let weight = weights[row];
        for (var i = 0u; i < size; i++) {
            d_outputs[at + i] = weight * r.gradient[i];
            d_log_sigma += weight * r.log_sigma_gradient[i];
        }
    }
    if SIGMA != 0u { partials[thread] = vec4<f32>(0.0, 0.0, 0.0, d_log_sigma); }
}
