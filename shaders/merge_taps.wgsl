// Formula:    the weights by which a transposed convolution of 4×4 taps, stride 2 and one row of padding does what doubling
//             each row and column and then a convolution of 3×3 taps do: merged = M · weight · Mᵀ of each pair of channels,
//             M = [0 0 1; 0 1 1; 1 1 0; 1 0 0], as pixels that the convolution sees twice have one tap for both
// Bindings:   weight   [channels, 3, 3, features]
//             merged   [channels, 4, 4, features]
// Invocation: makes one value.
// Hazard:     up to four weights are added in their order.

struct Params {
    channels: u32,
    features: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> merged: array<f32>;

// First and last of the three taps along an axis that are one of the four.
fn taps_of(merged: u32) -> vec2<u32> {
    return vec2<u32>(2u - min(merged, 2u), 3u - max(merged, 1u));
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.channels * 16u * params.features { return; }
    let tap = at / params.features;
    let feature = at - tap * params.features;
    let channel = tap / 16u;
    let down = taps_of(tap / 4u % 4u);
    let across = taps_of(tap % 4u);
    var sum = 0.0;
    for (var y = down.x; y <= down.y; y++) {
        for (var x = across.x; x <= across.y; x++) {
            sum += weight[((channel * 3u + y) * 3u + x) * params.features + feature];
        }
    }
    merged[at] = sum;
}
