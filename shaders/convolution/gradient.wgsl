// A product for each part of the images: rows are features, columns (tap row, tap column, channel), k the pixels of out.
// Each part has its own rows of the result, which are added up later, in order: so a sum over many pixels rounds like one
// over few, and a device has enough to do.

fn pixels() -> u32 { return params.out_height * params.out_width; }

fn first_k(number: u32) -> u32 { return number * params.images * pixels(); }

fn end_k(number: u32) -> u32 { return min(params.k, (number + 1u) * params.images * pixels()); }

fn own_end() -> u32 { return end_k(part); }

fn place(row: u32) -> u32 { return select(NOWHERE, part * params.m + row, row < params.m); }

// Windows of four pixels of out: where they begin in the map.
struct Windows {
    image: vec4<u32>,
    y: vec4<i32>,
    x: vec4<i32>,
    inside: vec4<bool>,
}

fn windows(k: u32) -> Windows {
    let pixel = vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u);
    let image = quotients(pixel, pixels(), params.by_out_pixels);
    let rest = pixel - image * pixels();
    let y = quotients(rest, params.out_width, params.by_out_width);
    let x = rest - y * params.out_width;
    return Windows(
        image,
        vec4<i32>(y * params.stride) - i32(params.pad),
        vec4<i32>(x * params.stride) - i32(params.pad),
        pixel < vec4<u32>(params.k),
    );
}
