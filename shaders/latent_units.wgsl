// Formula:    sums over a batch for each latent dimension j: of its KL, of mu and of mu², and how many logvar are
//             beyond their bound
//               KL_j = ½ (exp(logvar_j) + mu_j² − 1 − logvar_j)
// Bindings:   heads   [rows, 2·latent]: mu, then logvar
//             units   [latent, 4]: (KL, mu, mu², beyond), summed over the rows; with ADD 1 on top of what it holds
// Invocation: lane i of the workgroup of a latent dimension sums the rows i, i + GROUP, …, then lane 0 sums the
//             lanes in order.
// Hazard:     logvar is bounded (lib/latent.wgsl).

struct Params {
    rows: u32,
    latent: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> heads: array<f32>;
@group(0) @binding(2) var<storage, read_write> units: array<vec4<f32>>;

override ADD: u32 = 0u;

var<workgroup> sums: array<vec4<f32>, GROUP>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let unit = linear_workgroup(workgroup, count);
    // A workgroup past the end sums nothing, as no lane may miss the barrier.
    let rows = select(0u, params.rows, unit < params.latent);
    var sum = vec4<f32>(0.0);
    for (var row = lane; row < rows; row += GROUP) {
        let at = row * 2u * params.latent + unit;
        let mu = heads[at];
        let raw = heads[at + params.latent];
        let logvar = bounded(raw);
        let beyond = select(0.0, 1.0, abs(raw) > LOGVAR_BOUND);
        sum += vec4<f32>(0.5 * (exp_of(raw, 1.0) + mu * mu - 1.0 - logvar), mu, mu * mu, beyond);
    }
    sums[lane] = sum;
    workgroupBarrier();
    if lane != 0u || unit >= params.latent { return; }
    var total = vec4<f32>(0.0);
    for (var i = 0u; i < GROUP; i++) { total += sums[i]; }
    units[unit] = total + select(vec4<f32>(0.0), units[unit], ADD != 0u);
}
