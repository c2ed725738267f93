// Formula:    out[row, k] = 1 where the class of the row is k, otherwise 0; the class is classes[image], of image
//             order[position + first + row / samples] with ORDERED 1, otherwise of image row / samples.
// Bindings:   classes   [images]: numbers of classes
//             order     [at least position + first + rows / samples]: indices of images; with ORDERED 0 it is not read
//             counters  [step, position, row of the log]; with ORDERED 0 they are not read
//             out       [rows, count]
// Invocation: makes one value.
// Hazard:     the class of an image is by its index, also where its values lie in a window by their position.

struct Params {
    rows: u32,
    count: u32,   // of classes
    samples: u32, // codes of an image
    first: u32,   // images of the whole batch before these
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> classes: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> counters: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

override ORDERED: u32 = 0u;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.rows * params.count { return; }
    let row = at / params.count;
    var image = row / params.samples;
    if ORDERED != 0u { image = order[counters[1] + params.first + image]; }
    out[at] = select(0.0, 1.0, classes[image] == at - row * params.count);
}
