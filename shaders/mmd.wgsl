// Formula:    the maximum mean discrepancy between codes z and draws e from the prior, without bias (Gretton et al. 2012,
//             eq. 4), with the kernel of Tolstikhin et al. 2018, sec. 4:
//               MMD² = 1/(n (n − 1)) Σ_{i ≠ k} (k(z_i, z_k) + k(e_i, e_k) − 2 k(z_i, e_k))
//               k(a, b) = Σ_s C_s / (C_s + ‖a − b‖²),  C_s = 2 · latent · s,  s = 0.1, 0.2, 0.5, 1, 2, 5, 10
//             Row i of codes may depend on row i of draws: their pair has no part in it.
// Bindings:   z         [rows, latent]
//             draws     [rows, latent]: e
//             slopes    [rows, rows, 2]: the derivatives of k(z_i, z_k) and of k(z_i, e_k) by the squared distance; 0 of i = k
//             partials  [rows, 4]: (Σ_k … / (n − 1), 0, 0, 0), so that their mean is MMD²
// Invocation: a lane of a row i; it takes every row k that is its turn.
// Hazard:     of a single row there is no pair; its discrepancy is 0.

struct Params {
    rows: u32,
    latent: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> draws: array<f32>;
@group(0) @binding(3) var<storage, read_write> slopes: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4<f32>>;

// What lanes add up.
alias Pair = vec2<f32>;

// The kernel of one scale and its derivative at a squared distance.
fn scaled(square: f32, scale: f32) -> vec2<f32> {
    let c = 2.0 * f32(params.latent) * scale;
    let share = 1.0 / (c + square);
    return vec2<f32>(c * share, -c * share * share);
}

// Those of all scales, as in `ops::mmd`.
fn kernel(square: f32) -> vec2<f32> {
    let narrow = scaled(square, 0.1) + scaled(square, 0.2) + scaled(square, 0.5);
    let wide = scaled(square, 2.0) + scaled(square, 5.0) + scaled(square, 10.0);
    return narrow + scaled(square, 1.0) + wide;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let row = group_of(workgroup, count, index);
    if row >= params.rows { return; }
    let lane = lane_of(index);
    var sum = 0.0;
    for (var other = lane; other < params.rows; other += lanes()) {
        var squares = vec3<f32>(0.0);
        for (var j = 0u; j < params.latent; j++) {
            let code = z[row * params.latent + j];
            let drawn = draws[other * params.latent + j];
            let off = vec3<f32>(
                code - z[other * params.latent + j],
                code - drawn,
                draws[row * params.latent + j] - drawn,
            );
            squares += off * off;
        }
        let among = kernel(squares.x);
        let across = kernel(squares.y);
        let differ = row != other;
        let at = 2u * (row * params.rows + other);
        slopes[at] = select(0.0, among.y, differ);
        slopes[at + 1u] = select(0.0, across.y, differ);
        sum += select(0.0, among.x + kernel(squares.z).x - 2.0 * across.x, differ);
    }
    let total = over_rows(Pair(sum, 0.0), lane, 1u)[0];
    if lane == 0u {
        partials[row] = vec4<f32>(total / max(f32(params.rows) - 1.0, 1.0), 0.0, 0.0, 0.0);
    }
}
