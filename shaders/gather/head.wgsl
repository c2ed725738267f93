// x[row, j] = value j of image order[position + row], bytes as 0 to 1; optionally binarised.
//
// images    bytes, four a word (least significant first), or floats; [images, values]
// order     indices of images, at least position + rows of them
// counters  [step, position, row of the log]
// x         [rows, values]
// An invocation makes four consecutive values; where images have a multiple of four, those are of one image
// (vec4.wgsl), otherwise they need not be (scalar.wgsl). FLOATS: images holds floats.
// BINARIZE: 0 as they are; 1 each value drawn as Bernoulli(value) by (image, value), the same every
// time; 2 drawn by (step, row, value), anew every time.

struct Params {
    rows: u32,
    values: u32,
    key_low: u32,
    key_high: u32,
    purpose: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> images: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> counters: array<u32>;

override FLOATS: u32 = 0u;
override BINARIZE: u32 = 0u;
