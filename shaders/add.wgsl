// Formula:    out = a + b, value by value.
// Bindings:   a, b, out   [count], in arrays padded to a multiple of four
// Invocation: makes four values.
// Hazard:     the padding of an arena of gradients is part of their norm, so that padding becomes 0 here.

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
    let first = 4u * at;
    if first >= params.count { return; }
    let is_padding = vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(params.count - first);
    out[at] = select(a[at] + b[at], vec4<f32>(), is_padding);
}
