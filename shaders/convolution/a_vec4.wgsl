// Patches of a map as the left operand, whose channels are a multiple of four.
// Bindings:   a   [images, height, width, channels] of the map, or that of out

@group(0) @binding(1) var<storage, read> a: array<Four>;

fn four_of_a(at: i32, inside: bool) -> vec4<f32> {
    return select(vec4<f32>(0.0), rounded(floats(a[at])), inside);
}

fn load_a(rows: Rows, k: u32) -> mat4x4<f32> {
    let taps = taps(rows, k);
    let at = taps.pixel * i32(channels_a() / 4u) + i32(taps.channel / 4u);
    return mat4x4<f32>(
        four_of_a(at.x, taps.inside.x),
        four_of_a(at.y, taps.inside.y),
        four_of_a(at.z, taps.inside.z),
        four_of_a(at.w, taps.inside.w),
    );
}
