// Formula:    d_heads[row, j] *= share · [units_j / rows > λ]: weighs the gradient of the KL by the schedule's share of
//             beta, and by 0 for latent values whose KL is within the free bits λ (Kingma et al. 2016, eq. 15:
//             max(λ, mean of KL_j over the batch)).
// Bindings:   units     [latent, 4]: (KL, …) of a latent value, summed over the batch
//             scalars   [learning rate, gradient scale, share of beta]
//             d_heads   [rows, 2·latent]: the gradient of beta · KL
// Invocation: handles one value of d_heads.
// Hazard:     a KL that is NaN is not within any bound, so that its NaN is not hidden by the 0.

struct Params {
    rows: u32,
    latent: u32,
    free: f32, // λ, nats
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> units: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> scalars: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_heads: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Before the branch, where a software driver can read once for all lanes.
    let share = scalars[2];
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.rows * 2u * params.latent { return; }
    let within = units[at % params.latent].x <= params.free * f32(params.rows);
    d_heads[at] *= select(share, 0.0, within);
}
