// z[row, j] = mu + exp(logvar / 2) · epsilon (Kingma & Welling 2014, eq. 10)
//
// heads     [rows / samples, 2·latent]: mu, then logvar; row r of z uses row r / samples
// epsilon   [rows, latent]
// z         [rows, latent]
// An invocation makes one value. Hazard: see lib/latent.wgsl for the bound of logvar.

struct Params {
    rows: u32,
    latent: u32,
    samples: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> heads: array<f32>;
@group(0) @binding(2) var<storage, read> epsilon: array<f32>;
@group(0) @binding(3) var<storage, read_write> z: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_invocation(workgroup, count, lane);
    if i >= params.rows * params.latent { return; }
    let at = i / params.latent / params.samples * 2u * params.latent + i % params.latent;
    z[i] = heads[at] + exp(0.5 * bounded(heads[at + params.latent])) * epsilon[i];
}
