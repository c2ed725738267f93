// Formula:    x[row, j] = value(images[order[position + first + row], j]), as head.wgsl says, for images of any number
//             of values.
// Bindings:   x         [rows, values]; the others are in head.wgsl
// Invocation: makes four consecutive values, each of which finds its image.
// Hazard:     values beyond the last are not written; a draw is less than 1, so that a value of 1 stays 1.

@group(0) @binding(4) var<storage, read_write> x: array<f32>;

fn drawn(step: u32, element: u32) -> f32 {
    let four = unit(philox(vec2<u32>(params.key_low, params.key_high), params.purpose, step, element / 4u));
    return four[element % 4u];
}

fn value(element: u32) -> f32 {
    let position = counters[1] + params.first + element / params.values;
    let j = element % params.values;
    let at = place(position) * params.values + j;
    var found: f32;
    if FLOATS != 0u {
        found = bitcast<f32>(images[at]);
    } else {
        found = shares(vec4<u32>((images[at / 4u] >> (8u * (at % 4u))) & 255u)).x;
    }
    if BINARIZE == FIXED { return select(0.0, 1.0, drawn(order[position], j) < found); }
    if BINARIZE == DYNAMIC {
        return select(0.0, 1.0, drawn(counters[0], params.first * params.values + element) < found);
    }
    return found;
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = 4u * linear_invocation(workgroup, count, lane);
    let elements = params.rows * params.values;
    for (var i = 0u; i < 4u; i++) {
        if first + i < elements { x[first + i] = value(first + i); }
    }
}
