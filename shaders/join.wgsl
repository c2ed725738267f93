// Formula:    out[row, j] = a[row, j] where j < left, otherwise b[row, j - left].
// Bindings:   a     [rows, left]
//             b     [rows, right]
//             out   [rows, left + right]
// Invocation: makes one value.
// Hazard:     none: values are copied.

struct Params {
    rows: u32,
    left: u32,
    right: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    let width = params.left + params.right;
    if at >= params.rows * width { return; }
    let row = at / width;
    let j = at - row * width;
    if j < params.left {
        out[at] = a[row * params.left + j];
    } else {
        out[at] = b[row * params.right + j - params.left];
    }
}
