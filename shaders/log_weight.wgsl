// Formula:    the importance weights of latent samples (Burda, Grosse & Salakhutdinov 2016, eq. 8) are
//               log w = log p(x|z) + log p(z) − log q(z|x)
//             of which this makes the two parts, each with the other sign:
//               reconstruction = −log p(x|z)
//               divergence     = log q(z|x) − log p(z) = Σ ½ (z² − epsilon² − logvar)        (the 2π cancel)
// Bindings:   x          [rows / samples, values]; row r of the others uses row r / samples
//             outputs    [rows, values]
//             heads      [rows / samples, 2·latent]: mu, then logvar
//             epsilon    [rows, latent]
//             z          [rows, latent]
//             log_sigma  [1]
//             terms      [rows, 2]: reconstruction, divergence
// Invocation: a lane of a row; it takes groups of four values in its turn.
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
@group(0) @binding(7) var<storage, read_write> terms: array<f32>;

// What lanes add up.
alias Pair = vec2<f32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let row = group_of(workgroup, count, index);
    if row >= params.rows { return; }
    let lane = lane_of(index);
    let image = row / params.samples;
    var losses = vec4<f32>(0.0);
    for (var j = 4u * lane; j < params.values; j += 4u * lanes()) {
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
    var divergence = 0.0;
    for (var j = lane; j < params.latent; j += lanes()) {
        let e = epsilon[row * params.latent + j];
        let code = z[row * params.latent + j];
        let logvar = bounded(heads[image * 2u * params.latent + params.latent + j]);
        divergence += 0.5 * (code * code - e * e - logvar);
    }
    let sums = over_rows(Pair(dot(losses, vec4<f32>(1.0)), divergence), lane, 1u);
    if lane == 0u {
        terms[2u * row] = sums[0];
        terms[2u * row + 1u] = sums[1];
    }
}
