// Formula:    out[row, j] = whole[row, first + j].
// Bindings:   whole   [rows, width]
//             out     [rows, count]
// Invocation: makes one value.
// Hazard:     none: values are copied.

struct Params {
    rows: u32,
    width: u32,
    first: u32,
    count: u32, // columns of the part
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> whole: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.rows * params.count { return; }
    let row = at / params.count;
    out[at] = whole[row * params.width + params.first + at - row * params.count];
}
