// Formula:    the transpose of merge_taps.wgsl: d_weight = Mᵀ · d_merged · M of each pair of channels
// Bindings:   d_merged   [channels, 4, 4, features]
//             d_weight   [channels, 3, 3, features]
// Invocation: makes one value.
// Hazard:     four gradients are added in their order.

struct Params {
    channels: u32,
    features: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_merged: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_weight: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.channels * 9u * params.features { return; }
    let tap = at / params.features;
    let feature = at - tap * params.features;
    let channel = tap / 9u;
    // The first of the two merged taps along each axis that this one is part of.
    let first_y = 2u - tap / 3u % 3u;
    let first_x = 2u - tap % 3u;
    var sum = 0.0;
    for (var y = first_y; y < first_y + 2u; y++) {
        for (var x = first_x; x < first_x + 2u; x++) {
            sum += d_merged[((channel * 4u + y) * 4u + x) * params.features + feature];
        }
    }
    d_weight[at] = sum;
}
