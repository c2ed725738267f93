// Formula:    d_input = d_output ∘ derivative(saved), value by value: the gradient of an activation that no product
//             applies.
// Bindings:   d_output, saved, d_input   [count], in arrays padded to a multiple of four; saved is the activation's
//                                        output, or its input for SiLU and GELU
// Invocation: makes four values.
// Hazards:    those of lib/activation.wgsl.

struct Params {
    count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_output: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> saved: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> d_input: array<vec4<f32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if 4u * at < params.count { d_input[at] = d_output[at] * derivative(saved[at]); }
}
