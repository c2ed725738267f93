// A convolution as matrix products. Windows of kernel × kernel pixels are cut out of `map`, and `out` has a pixel for each:
// map [images, height, width, channels], out [images, out_height, out_width, features], weights
// [features, kernel, kernel, channels]. A pixel of the padding counts for nothing.
// Hazard: quotients by a reciprocal are exact below 2^21 only, beyond which the host sets WIDE.

struct Params {
    m: u32, // sizes of a product, as in matmul/params.wgsl
    n: u32,
    k: u32,
    parts: u32, // products of one dispatch
    images: u32, // of a part, where parts are of the images
    height: u32,
    width: u32,
    channels: u32,
    out_height: u32,
    out_width: u32,
    features: u32,
    kernel: u32,
    stride: u32,
    pad: u32,
    by_channels: f32, // reciprocals
    by_features: f32,
    by_kernel: f32,
    by_out_width: f32,
    by_out_pixels: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

override WIDE: u32 = 0u;

// The part that an invocation is at work on. A browser does not see that it is the same in all invocations of a
// workgroup, so loops take their bounds from its number as a value.
var<private> part: u32 = 0u;

// The tile's number within its part; past the last part one behind the last.
fn of_part(tile: u32, tiles: u32) -> u32 {
    let number = tile / tiles;
    part = number;
    return select(tiles, tile - number * tiles, number < params.parts);
}

// A driver makes a loop over the lanes of a division of integers, and one instruction of a product of floats.
fn quotient(value: u32, by: u32, reciprocal: f32) -> u32 {
    if WIDE != 0u { return value / by; }
    return u32((f32(value) + 0.5) * reciprocal);
}

fn quotients(value: vec4<u32>, by: u32, reciprocal: f32) -> vec4<u32> {
    if WIDE != 0u { return value / by; }
    return vec4<u32>((vec4<f32>(value) + 0.5) * reciprocal);
}

fn is_below(value: vec4<i32>, end: u32) -> vec4<bool> {
    return bitcast<vec4<u32>>(value) < vec4<u32>(end);
}
