// Formula:    out = round(half · tanh(z + shift) - offset) / unit, with the numbers of the value's channel
//             (lib/fsq.wgsl); rounded only where ROUNDED.
// Bindings:   z, out   [codes, channels]
// Invocation: makes one value.
// Hazard:     a value half-way between two levels may become either on different devices.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

override ROUNDED: u32 = 1u;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    if at >= params.count { return; }
    let channel = channel_of(at, params);
    var level = tanh_within(z[at] + channel.shift) * channel.half - channel.offset;
    if ROUNDED != 0u { level = round(level); }
    out[at] = level / channel.unit;
}
