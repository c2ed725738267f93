// Formula:    out = a + b, value by value.
// Bindings:   a, b, out   [count], in arrays padded to a multiple of four
// Invocation: makes four values.
// Hazard:     none: padding is added too, and nobody reads it.

struct Params {
    count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if 4u * at < params.count { out[at] = a[at] + b[at]; }
}
