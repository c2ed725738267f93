// Patches of the map as the right operand, whose channels are a multiple of four.
// Bindings:   b   [images, height, width, channels]

@group(0) @binding(2) var<storage, read> b: array<Four>;

struct Columns {
    down: i32,
    across: i32,
    four: u32,
}

fn columns_b(column: u32) -> Columns {
    let at = min(column, params.n - 4u);
    let tap = at / params.channels;
    let down = tap / params.kernel;
    let channel = at - tap * params.channels;
    return Columns(i32(down), i32(tap - down * params.kernel), channel / 4u);
}

fn four_of_b(at: u32, inside: bool) -> vec4<f32> {
    return select(vec4<f32>(0.0), rounded(floats(b[at])), inside);
}

fn load_b(k: u32, columns: Columns) -> mat4x4<f32> {
    let at_windows = windows(k);
    let y = at_windows.y + columns.down;
    let x = at_windows.x + columns.across;
    let inside = is_below(y, params.height) & is_below(x, params.width) & at_windows.inside;
    let pixel = (vec4<i32>(at_windows.image * params.height) + y) * i32(params.width) + x;
    let at = select(vec4<u32>(0u), vec4<u32>(pixel) * (params.channels / 4u) + columns.four, inside);
    return mat4x4<f32>(
        four_of_b(at.x, inside.x),
        four_of_b(at.y, inside.y),
        four_of_b(at.z, inside.z),
        four_of_b(at.w, inside.w),
    );
}
