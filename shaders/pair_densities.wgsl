// Formula:    densities[n, m] = log share(n, m) + log q(z_n|x_m), log q(z|x) = Σ_j log N(z_j; mu_j, exp(logvar_j))
// Bindings:   z          [rows, latent]
//             heads      [rows, 2·latent]: mu, then logvar
//             densities  [rows, rows]
// Invocation: handles one pair of rows.
// Hazard:     see lib/stratified.wgsl.

struct Params {
    rows: u32,
    latent: u32,
    images: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> heads: array<f32>;
@group(0) @binding(3) var<storage, read_write> densities: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.rows * params.rows { return; }
    let n = at / params.rows;
    let m = at % params.rows;
    var density = log_share(n, m, params.rows, params.images);
    for (var j = 0u; j < params.latent; j++) {
        let mu = heads[m * 2u * params.latent + j];
        let logvar = bounded(heads[m * 2u * params.latent + params.latent + j]);
        density += log_normal(z[n * params.latent + j], mu, logvar);
    }
    densities[at] = density;
}
