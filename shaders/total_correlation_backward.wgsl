// Formula:    the gradient of Σ_n (mutual information + beta · total correlation + dimension-wise KL). With the
//             responsibilities of row m for the code of row n,
//               r = exp(pairs[n, m] − joint[n]),  s_j = share(n, m) · N(z_nj; mu_mj, exp(logvar_mj)) / q(z_nj)
//             the density log N(z_nj; mu_mj, exp(logvar_mj)) has the coefficient
//               c = (beta − 1)·r + (1 − beta)·s_j + [n = m]
//             so that
//               d_z[n, j]       = z_nj − Σ_m c · (z_nj − mu_mj) / exp(logvar_mj)
//               d_mu[m, j]      = Σ_n c · (z_nj − mu_mj) / exp(logvar_mj)
//               d_logvar[m, j]  = Σ_n c · ½ ((z_nj − mu_mj)² / exp(logvar_mj) − 1)
// Bindings:   z          [rows, latent]
//             heads      [rows, 2·latent]: mu, then logvar
//             pairs      [rows, rows]: log share(n, m) + log q(z_n|x_m)
//             marginals  [rows, latent]: log q(z_j)
//             joint      [rows]: log q(z)
//             d_z        [rows, latent]
//             d_heads    [rows, 2·latent]
// Invocation: handles one latent dimension of one row, as that of a code and as that of a head.
// Hazard:     no gradient passes the bound of logvar.

struct Params {
    rows: u32,
    latent: u32,
    images: u32,
    beta: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> heads: array<f32>;
@group(0) @binding(3) var<storage, read> pairs: array<f32>;
@group(0) @binding(4) var<storage, read> marginals: array<f32>;
@group(0) @binding(5) var<storage, read> joint: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_z: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_heads: array<f32>;

struct Pull {
    off: f32,         // (z − mu) / exp(logvar)
    square: f32,      // (z − mu)² / exp(logvar)
    coefficient: f32, // c
}

fn pull(n: u32, m: u32, j: u32) -> Pull {
    let code = z[n * params.latent + j];
    let mu = heads[m * 2u * params.latent + j];
    let logvar = bounded(heads[m * 2u * params.latent + params.latent + j]);
    let off = (code - mu) * exp_of(-logvar, 1.0);
    let share = log_share(n, m, params.rows, params.images);
    let marginal = share + log_normal(code, mu, logvar) - marginals[n * params.latent + j];
    let parts = exp_or_nan(vec4<f32>(pairs[n * params.rows + m] - joint[n], marginal, 0.0, 0.0));
    let own = select(0.0, 1.0, n == m);
    return Pull(off, off * (code - mu), (params.beta - 1.0) * (parts.x - parts.y) + own);
}

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
    var of_code = z[at];
    var of_mu = 0.0;
    var of_logvar = 0.0;
    for (var other = 0u; other < params.rows; other++) {
        let as_code = pull(row, other, j);
        of_code -= as_code.coefficient * as_code.off;
        let as_head = pull(other, row, j);
        of_mu += as_head.coefficient * as_head.off;
        of_logvar += 0.5 * as_head.coefficient * (as_head.square - 1.0);
    }
    d_z[at] = of_code;
    let head = row * 2u * params.latent + j;
    d_heads[head] = of_mu;
    d_heads[head + params.latent] = of_logvar * inside(heads[head + params.latent]);
}
