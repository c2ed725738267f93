// x[row, j] = value j of image order[position + first + row], bytes as 0 to 1; optionally binarised. scalar.wgsl and
// vec4.wgsl have the entry points. Where WINDOW is not 0, only so many images lie there, those of positions in a row from a
// multiple of WINDOW on; the order has their numbers for draws.
// Bindings:   images    [images, values]: bytes, four a word (least significant first), or with FLOATS 1 floats
//             order     [at least position + first + rows]: indices of images
//             counters  [step, position, row of the log]
// BINARIZE: values as they are (AS_IS), each drawn as Bernoulli(value) by (image, value), the same every time (FIXED),
// or drawn by (step, row, value), anew every time (DYNAMIC). Rows are counted from the whole batch's first one, of which
// params.first rows come before these: a part of a batch draws what the whole would have drawn there.

struct Params {
    rows: u32,
    values: u32,
    key_low: u32,
    key_high: u32,
    purpose: u32,
    first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> images: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> counters: array<u32>;

override FLOATS: u32 = 0u;
override BINARIZE: u32 = 0u;
override WINDOW: u32 = 0u;

// As in `ops::gather`.
const AS_IS: u32 = 0u;
const FIXED: u32 = 1u;
const DYNAMIC: u32 = 2u;

// Where the image of a position lies.
fn place(position: u32) -> u32 {
    if WINDOW != 0u { return position % max(WINDOW, 1u); }
    return order[position];
}

// byte / 255 as correctly rounded, where the error of WGSL's division may be 2.5 ulp. In base 256 its digits are the byte
// again and again: three of them are exact, and the others are more than half an ulp of those and less than one.
fn shares(bytes: vec4<u32>) -> vec4<f32> {
    let digits = bitcast<vec4<u32>>(vec4<f32>(bytes * 0x010101u));
    return bitcast<vec4<f32>>(digits + min(bytes, vec4<u32>(1u))) * (1.0 / 16777216.0);
}
