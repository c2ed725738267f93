// Formula:    z[row, j] = mu + exp(logvar / 2) · epsilon (Kingma & Welling 2014, eq. 10), epsilon ~ N(0, 1)
// Bindings:   counters  [step, …]
//             heads     [rows / samples, 2·latent]: mu, then logvar; row r of z uses row r / samples
//             epsilon   [rows, latent]: value i is element first·latent + i of the stream (key, purpose, step), kept for
//                       the gradient; with DRAW 0 what it holds already. first is the number of the first row within
//                       the whole batch of codes
//             z         [rows, latent]
// Invocation: makes the values of one call of Philox: four, or fewer where the rows begin or end inside its block.
// Hazard:     logvar is bounded (lib/latent.wgsl); draws are made without WGSL's inexact log and cos (lib/normal.wgsl).

struct Params {
    rows: u32,
    latent: u32,
    samples: u32,
    key_low: u32,
    key_high: u32,
    purpose: u32,
    first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> counters: array<u32>;
@group(0) @binding(2) var<storage, read> heads: array<f32>;
@group(0) @binding(3) var<storage, read_write> epsilon: array<f32>;
@group(0) @binding(4) var<storage, read_write> z: array<f32>;

override DRAW: u32 = 0u;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = linear_invocation(workgroup, count, lane);
    let before = params.first * params.latent;
    // Elements of the first block that belong to the row before.
    let skipped = before % 4u;
    let key = vec2<u32>(params.key_low, params.key_high);
    let drawn = normal(philox(key, params.purpose, counters[0], before / 4u + block));
    let end = min(4u * block + 4u, skipped + params.rows * params.latent);
    for (var element = max(4u * block, skipped); element < end; element++) {
        let i = element - skipped;
        if DRAW != 0u { epsilon[i] = drawn[element % 4u]; }
        let at = i / params.latent / params.samples * 2u * params.latent + i % params.latent;
        z[i] = heads[at] + exp_of(heads[at + params.latent], 0.5) * epsilon[i];
    }
}
