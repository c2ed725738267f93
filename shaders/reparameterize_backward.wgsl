// Formula:    d_mu += d_z;  d_logvar += d_z · epsilon · exp(logvar / 2) / 2
// Bindings:   heads     [rows, 2·latent]: mu, then logvar
//             epsilon   [rows, latent], the one that made z
//             d_z       [rows, latent]
//             d_heads   [rows, 2·latent]; holds the gradient of the KL already
// Invocation: handles one value of z.
// Hazard:     no gradient passes the bound of logvar.

struct Params {
    rows: u32,
    latent: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> heads: array<f32>;
@group(0) @binding(2) var<storage, read> epsilon: array<f32>;
@group(0) @binding(3) var<storage, read> d_z: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_heads: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_invocation(workgroup, count, lane);
    if i >= params.rows * params.latent { return; }
    let at = i / params.latent * 2u * params.latent + i % params.latent;
    let logvar = heads[at + params.latent];
    let gradient = d_z[i];
    d_heads[at] += gradient;
    d_heads[at + params.latent] +=
        0.5 * gradient * epsilon[i] * exp_of(logvar, 0.5) * inside(logvar);
}
