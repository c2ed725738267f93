// A product for each phase: the pixels of the map at one place within the stride see the same taps. Rows are a phase's
// pixels, k = (down, across, feature) over its taps. So no multiply-add is wasted, whatever the stride.

// A phase along an axis: the tap of its last step, the number of its taps, and the first window that its first pixel lies
// in.
struct Axis {
    last: u32,
    taps: u32,
    first: i32,
}

fn axis(phase: u32) -> Axis {
    let first_tap = (phase + params.pad) % params.stride;
    let taps = (params.kernel - min(first_tap, params.kernel) + params.stride - 1u) / params.stride;
    let last = first_tap + params.stride * (max(taps, 1u) - 1u);
    return Axis(last, taps, i32((phase + params.pad) / params.stride) - i32(taps) + 1);
}

fn first_k(number: u32) -> u32 { return 0u; }

fn end_k(number: u32) -> u32 {
    return axis(number / params.stride).taps * axis(number % params.stride).taps * params.features;
}

// Image, and row and column of the phase, of a row of the product.
fn of_phase(row: vec4<u32>) -> array<vec4<u32>, 3> {
    let width = (params.width + params.stride - 1u) / params.stride;
    let pixels = (params.height + params.stride - 1u) / params.stride * width;
    let image = row / pixels;
    let rest = row - image * pixels;
    let down = rest / width;
    return array<vec4<u32>, 3>(image, down, rest - down * width);
}

fn place(row: u32) -> u32 {
    let pixel = of_phase(vec4<u32>(row));
    let y = pixel[1].x * params.stride + part / params.stride;
    let x = pixel[2].x * params.stride + part % params.stride;
    let is_there = row < params.m && y < params.height && x < params.width;
    return select(NOWHERE, (pixel[0].x * params.height + y) * params.width + x, is_there);
}

fn channels_a() -> u32 { return params.features; }

// Four pixels of the map: their first windows, and which pixel of out that is.
struct Rows {
    base: vec4<i32>,
    y: vec4<i32>,
    x: vec4<i32>,
    across: u32,
    by_across: f32,
    end: u32,
}

fn rows_a(row: u32) -> Rows {
    let down = axis(part / params.stride);
    let across = axis(part % params.stride);
    let last = vec4<u32>(params.m - 1u);
    let pixel = of_phase(min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), last));
    let y = vec4<i32>(pixel[1]) + down.first;
    let x = vec4<i32>(pixel[2]) + across.first;
    return Rows(
        (vec4<i32>(pixel[0] * params.out_height) + y) * i32(params.out_width) + x,
        y,
        x,
        across.taps,
        1.0 / f32(across.taps),
        down.taps * across.taps * params.features,
    );
}

// Which pixel of out a k is of, for four pixels of the map; 0 where it is none.
struct Taps {
    pixel: vec4<i32>,
    inside: vec4<bool>,
    channel: u32,
}

fn taps(rows: Rows, k: u32) -> Taps {
    let tap = quotient(k, params.features, params.by_features);
    let down = quotient(tap, rows.across, rows.by_across);
    let across = tap - down * rows.across;
    let inside = is_below(rows.y + i32(down), params.out_height)
        & is_below(rows.x + i32(across), params.out_width)
        & vec4<bool>(k < rows.end);
    let pixel = rows.base + i32(down * params.out_width + across);
    return Taps(select(vec4<i32>(0), pixel, inside), inside, k - tap * params.features);
}

// Columns of the weights, and the taps of the phase: the further a window, the earlier its tap.
struct Columns {
    column: u32,
    last_down: u32,
    last_across: u32,
    across: u32,
    by_across: f32,
    end: u32,
}

fn columns_b(column: u32) -> Columns {
    let down = axis(part / params.stride);
    let across = axis(part % params.stride);
    let end = down.taps * across.taps * params.features;
    return Columns(column, down.last, across.last, across.taps, 1.0 / f32(across.taps), end);
}

// Place in the weights of the channels of a k.
fn weights_of(columns: Columns, k: u32) -> u32 {
    let tap = quotient(k, params.features, params.by_features);
    let down = quotient(tap, columns.across, columns.by_across);
    let across = tap - down * columns.across;
    let feature = k - tap * params.features;
    let y = columns.last_down - params.stride * down;
    let x = columns.last_across - params.stride * across;
    return ((feature * params.kernel + y) * params.kernel + x) * params.channels;
}
