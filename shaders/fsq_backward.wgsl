// Formula:    d_z = d_out · half · (1 - tanh(z + shift)²) / unit, with the numbers of the value's channel (lib/fsq.wgsl):
//             the gradient of what is not rounded.
// Bindings:   d_out, z, d_z   [codes, channels]
// Invocation: makes one value.
// Hazards:    those of lib/fsq.wgsl.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_out: array<f32>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_z: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.count { return; }
    let channel = channel_of(at, params);
    let t = tanh_within(z[at] + channel.shift);
    d_z[at] = d_out[at] * (channel.half / channel.unit) * (1.0 - t * t);
}
