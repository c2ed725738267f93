// Patches of the map as the right operand, of any number of channels.
// Bindings:   b   [images, height, width, channels]

@group(0) @binding(2) var<storage, read> b: array<f32>;

struct Columns {
    down: vec4<i32>,
    across: vec4<i32>,
    channel: vec4<u32>,
}

fn columns_b(column: u32) -> Columns {
    let last = vec4<u32>(params.n - 1u);
    let at = min(vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u), last);
    let tap = at / params.channels;
    let down = tap / params.kernel;
    let across = tap - down * params.kernel;
    return Columns(vec4<i32>(down), vec4<i32>(across), at - tap * params.channels);
}

// Four columns of a pixel of out.
fn row_of_b(at_windows: Windows, i: u32, columns: Columns) -> vec4<f32> {
    let y = at_windows.y[i] + columns.down;
    let x = at_windows.x[i] + columns.across;
    let inside = is_below(y, params.height) & is_below(x, params.width) & vec4<bool>(at_windows.inside[i]);
    let pixel = vec4<u32>((i32(at_windows.image[i] * params.height) + y) * i32(params.width) + x);
    let at = select(vec4<u32>(0u), pixel * params.channels + columns.channel, inside);
    return select(vec4<f32>(0.0), rounded(vec4<f32>(b[at.x], b[at.y], b[at.z], b[at.w])), inside);
}

fn load_b(k: u32, columns: Columns) -> mat4x4<f32> {
    let at_windows = windows(k);
    return mat4x4<f32>(
        row_of_b(at_windows, 0u, columns),
        row_of_b(at_windows, 1u, columns),
        row_of_b(at_windows, 2u, columns),
        row_of_b(at_windows, 3u, columns),
    );
}
