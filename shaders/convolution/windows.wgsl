// One product: rows are the pixels of out, k = (tap row, tap column, channel).

fn first_k(number: u32) -> u32 { return 0u; }

fn end_k(number: u32) -> u32 { return params.k; }

fn place(row: u32) -> u32 { return select(NOWHERE, row, row < params.m); }

fn channels_a() -> u32 { return params.channels; }

// Four pixels of out: where their windows begin in the map, and which pixel of all images that is.
struct Rows {
    base: vec4<i32>,
    y: vec4<i32>,
    x: vec4<i32>,
}

fn rows_a(row: u32) -> Rows {
    let pixel = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.m - 1u));
    let pixels = params.out_height * params.out_width;
    let image = pixel / pixels;
    let rest = pixel - image * pixels;
    let out_y = rest / params.out_width;
    let out_x = rest - out_y * params.out_width;
    let y = vec4<i32>(out_y * params.stride) - i32(params.pad);
    let x = vec4<i32>(out_x * params.stride) - i32(params.pad);
    return Rows((vec4<i32>(image * params.height) + y) * i32(params.width) + x, y, x);
}

// Which pixel of the map a k is of, for four windows; 0 where it is none.
struct Taps {
    pixel: vec4<i32>,
    inside: vec4<bool>,
    channel: u32,
}

fn taps(rows: Rows, k: u32) -> Taps {
    let tap = quotient(k, params.channels, params.by_channels);
    let down = quotient(tap, params.kernel, params.by_kernel);
    let across = tap - down * params.kernel;
    let inside = is_below(rows.y + i32(down), params.height)
        & is_below(rows.x + i32(across), params.width)
        & vec4<bool>(k < params.k);
    let pixel = rows.base + i32(down * params.width + across);
    return Taps(select(vec4<i32>(0), pixel, inside), inside, k - tap * params.channels);
}
