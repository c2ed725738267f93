// Formula:    importance weights of the latent samples (Burda, Grosse & Salakhutdinov 2016, eq. 8):
//               log w = log p(x|z) + log p(z) − log q(z|x)
//                     = −reconstruction + Σ ½ (epsilon² + logvar − z²)        (the 2π cancel)
// Bindings:   x          [rows / samples, values]; row r of the others uses row r / samples
//             outputs    [rows, values]
//             heads      [rows / samples, 2·latent]: mu, then logvar
//             epsilon    [rows, latent]
//             z          [rows, latent]
//             log_sigma  [1]
//             log_w      [rows]
// Invocation: makes one weight.
// Hazard:     sums over many values; the values of four columns are summed apart and joined at the end, which also
//             shortens the chain of rounding.

struct Params {
    rows: u32,
    values: u32,
    latent: u32,
    samples: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> outputs: array<f32>;
@group(0) @binding(3) var<storage, read> heads: array<f32>;
@group(0) @binding(4) var<storage, read> epsilon: array<f32>;
@group(0) @binding(5) var<storage, read> z: array<f32>;
@group(0) @binding(6) var<storage, read> log_sigma: array<f32>;
@group(0) @binding(7) var<storage, read_write> log_w: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = linear_invocation(workgroup, count, lane);
    if row >= params.rows { return; }
    let image = row / params.samples;
    var losses = vec4<f32>(0.0);
    for (var j = 0u; j < params.values; j += 4u) {
        var target_values = vec4<f32>(0.0);
        var found = vec4<f32>(0.0);
        var mask = vec4<f32>(0.0);
        for (var i = 0u; i < 4u && j + i < params.values; i++) {
            target_values[i] = x[image * params.values + j + i];
            found[i] = outputs[row * params.values + j + i];
            mask[i] = 1.0;
        }
        losses += mask * reconstruction(target_values, found, log_sigma[0]).loss;
    }
    var latent = 0.0;
    for (var j = 0u; j < params.latent; j++) {
        let e = epsilon[row * params.latent + j];
        let code = z[row * params.latent + j];
        let logvar = bounded(heads[image * 2u * params.latent + params.latent + j]);
        latent += 0.5 * (e * e + logvar - code * code);
    }
    log_w[row] = latent - dot(losses, vec4<f32>(1.0));
}
