// Formula:    weighs the gradient of beta · KL. With CAPACITY 0 by the schedule's share of beta, and by 0 for latent values
//             whose KL is within the free bits λ (Kingma et al. 2016, eq. 15: max(λ, mean of KL_j over the batch)):
//               d_heads[row, j] *= share · [units_j / rows > λ]
//             with CAPACITY 1 by how far the KL of the batch is from its target (Burgess et al. 2018, eq. 8, |KL − C|, which
//             is rounded off within a nat: the derivative of Huber's loss):
//               d_heads[row, j] *= clamp(Σ_j units_j / rows − share · C, −1, 1)
// Bindings:   units     [latent, 4]: (KL, …) of a latent value, summed over the batch
//             scalars   [learning rate, gradient scale, share of beta or of C]
//             d_heads   [rows, 2·latent]: the gradient of beta · KL
// Invocation: handles one value of d_heads.
// Hazard:     a KL that is NaN is not within any bound and at no distance, so that its NaN is not hidden.

struct Params {
    rows: u32,
    latent: u32,
    nats: f32, // λ or C
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> units: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> scalars: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_heads: array<f32>;

override CAPACITY: u32 = 0u;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Before the branch, where a software driver can read once for all lanes.
    let share = scalars[2];
    var kl = 0.0;
    if CAPACITY != 0u {
        for (var j = 0u; j < params.latent; j++) { kl += units[j].x; }
    }
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.rows * 2u * params.latent { return; }
    let rows = f32(params.rows);
    if CAPACITY != 0u {
        let off = kl / rows - params.nats * share;
        d_heads[at] *= select(select(off, -1.0, off < -1.0), 1.0, off > 1.0);
        return;
    }
    let within = units[at % params.latent].x <= params.nats * rows;
    d_heads[at] *= select(share, 0.0, within);
}
