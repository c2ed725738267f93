// Formula:    partials[part, j] = Σ over the rows of a part of values[row, j]
// Bindings:   values     [rows, columns]
//             partials   [parts, columns]
// Invocation: makes one partial sum; the order of every sum is fixed.
// Hazard:     a sum over all pixels of a batch would lose a digit or two, so there are parts.

struct Params {
    rows: u32,
    columns: u32,
    parts: u32,
    share: u32, // rows of a part
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.parts * params.columns { return; }
    let part = at / params.columns;
    let column = at - part * params.columns;
    let end = min((part + 1u) * params.share, params.rows);
    var sum = 0.0;
    for (var row = part * params.share; row < end; row++) {
        sum += values[row * params.columns + column];
    }
    partials[at] = sum;
}
