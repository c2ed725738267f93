// Formula:    x[row, j] = value(images[order[position + first + row], j]), as head.wgsl says, for images of a multiple
//             of four values.
// Bindings:   x         [rows, values]; the others are in head.wgsl
// Invocation: makes four consecutive values, which are of one image, and of one word where they are bytes.
// Hazard:     no value beyond the last, as there is a multiple of four; a draw is less than 1, so that a value of 1
//             stays 1.

@group(0) @binding(4) var<storage, read_write> x: array<Four>;

fn four_of(at: u32) -> vec4<f32> {
    if FLOATS != 0u {
        return bitcast<vec4<f32>>(vec4<u32>(images[at], images[at + 1u], images[at + 2u], images[at + 3u]));
    }
    let bytes = vec4<u32>(images[at / 4u]) >> vec4<u32>(0u, 8u, 16u, 24u);
    return shares(bytes & vec4<u32>(255u));
}

// Each value's draw as Bernoulli(value), from a block of Philox.
fn drawn(found: vec4<f32>, step: u32, block: u32) -> vec4<f32> {
    let four = unit(philox(vec2<u32>(params.key_low, params.key_high), params.purpose, step, block));
    return select(vec4<f32>(0.0), vec4<f32>(1.0), four < found);
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if 4u * at >= params.rows * params.values { return; }
    let row = 4u * at / params.values;
    let j = 4u * at - row * params.values;
    let position = counters[1] + params.first + row;
    var found = four_of(place(position) * params.values + j);
    if BINARIZE == FIXED { found = drawn(found, order[position], j / 4u); }
    if BINARIZE == DYNAMIC { found = drawn(found, counters[0], params.first * (params.values / 4u) + at); }
    x[at] = four(found);
}
