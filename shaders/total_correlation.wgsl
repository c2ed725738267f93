// Formula:    the KL of q(z|x) to the prior in three parts (Chen, Li, Grosse & Duvenaud 2018, eq. 2), at the code of row n:
//               mutual information  = log q(z|x) − log q(z)
//               total correlation   = log q(z) − Σ_j log q(z_j)
//               dimension-wise KL   = Σ_j log q(z_j) − log p(z)
//             with log q(z_n) = log Σ_m exp(pairs[n, m])
// Bindings:   z          [rows, latent]
//             pairs      [rows, rows]: log share(n, m) + log q(z_n|x_m)
//             marginals  [rows, latent]: log q(z_j)
//             joint      [rows]: log q(z)
//             partials   [rows, 4]: the three parts, 0
// Invocation: handles one row.
// Hazard:     as in marginal_densities.wgsl.

struct Params {
    rows: u32,
    latent: u32,
    images: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> pairs: array<f32>;
@group(0) @binding(3) var<storage, read> marginals: array<f32>;
@group(0) @binding(4) var<storage, read_write> joint: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec4<f32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = linear_invocation(workgroup, count, lane);
    if n >= params.rows { return; }
    let first = n * params.rows;
    var largest = pairs[first];
    for (var m = 1u; m < params.rows; m++) {
        largest = select(largest, pairs[first + m], pairs[first + m] > largest);
    }
    var sum = 0.0;
    for (var m = 0u; m < params.rows; m++) {
        sum += exp_or_nan(vec4<f32>(pairs[first + m] - largest)).x;
    }
    let log_q = largest + log(sum);
    joint[n] = log_q;
    var product = 0.0;
    var prior = 0.0;
    for (var j = 0u; j < params.latent; j++) {
        let code = z[n * params.latent + j];
        product += marginals[n * params.latent + j];
        prior -= 0.5 * code * code + HALF_LOG_TWO_PI;
    }
    let posterior = pairs[first + n] - log_share(n, n, params.rows, params.images);
    partials[n] = vec4<f32>(posterior - log_q, log_q - product, product - prior, 0.0);
}
