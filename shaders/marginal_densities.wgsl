// Formula:    densities[n, j] = log q(z_j) of the code of row n = log Σ_m share(n, m) · N(z_nj; mu_mj, exp(logvar_mj))
// Bindings:   z          [rows, latent]
//             heads      [rows, 2·latent]: mu, then logvar
//             densities  [rows, latent]
// Invocation: handles one latent dimension of one row.
// Hazard:     exp of a density underflows far from all rows, so the largest one is taken off first. A NaN is never the
//             largest unless it is the first, and its exp is NaN.

struct Params {
    rows: u32,
    latent: u32,
    images: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> heads: array<f32>;
@group(0) @binding(3) var<storage, read_write> densities: array<f32>;

fn density(n: u32, m: u32, j: u32) -> f32 {
    let mu = heads[m * 2u * params.latent + j];
    let logvar = bounded(heads[m * 2u * params.latent + params.latent + j]);
    let share = log_share(n, m, params.rows, params.images);
    return share + log_normal(z[n * params.latent + j], mu, logvar);
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.rows * params.latent { return; }
    let n = at / params.latent;
    let j = at % params.latent;
    var largest = density(n, 0u, j);
    for (var m = 1u; m < params.rows; m++) {
        let one = density(n, m, j);
        largest = select(largest, one, one > largest);
    }
    var sum = 0.0;
    for (var m = 0u; m < params.rows; m++) {
        sum += exp_or_nan(vec4<f32>(density(n, m, j) - largest)).x;
    }
    densities[at] = largest + log(sum);
}
