// Patches of a map of any number of channels as the left operand.
// Bindings:   a   [images, height, width, channels] of the map, or that of out

@group(0) @binding(1) var<storage, read> a: array<f32>;

fn column_of_a(rows: Rows, k: u32) -> vec4<f32> {
    let taps = taps(rows, k);
    let at = taps.pixel * i32(channels_a()) + i32(taps.channel);
    let found = vec4<f32>(a[at.x], a[at.y], a[at.z], a[at.w]);
    return select(vec4<f32>(0.0), rounded(found), taps.inside);
}

fn load_a(rows: Rows, k: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        column_of_a(rows, k),
        column_of_a(rows, k + 1u),
        column_of_a(rows, k + 2u),
        column_of_a(rows, k + 3u),
    ));
}
