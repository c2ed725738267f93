// Formula:    the gradient of weight · n · MMD² for the codes:
//               d_z_i = weight · 4/(n − 1) Σ_k (slopes[i, k, 0] · (z_i − z_k) − slopes[i, k, 1] · (z_i − e_k))
// Bindings:   z       [rows, latent]
//             draws   [rows, latent]: e
//             slopes  [rows, rows, 2], as mmd.wgsl leaves them
//             d_z     [rows, latent]
// Invocation: handles one latent dimension of one row.
// Hazard:     of a single row there is no pair; its gradient is 0.

struct Params {
    rows: u32,
    latent: u32,
    weight: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> draws: array<f32>;
@group(0) @binding(3) var<storage, read> slopes: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_z: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.rows * params.latent { return; }
    let row = at / params.latent;
    let j = at % params.latent;
    let code = z[at];
    var sum = 0.0;
    for (var other = 0u; other < params.rows; other++) {
        let slope = 2u * (row * params.rows + other);
        let there = other * params.latent + j;
        sum += slopes[slope] * (code - z[there]) - slopes[slope + 1u] * (code - draws[there]);
    }
    d_z[at] = params.weight * 4.0 / max(f32(params.rows) - 1.0, 1.0) * sum;
}
