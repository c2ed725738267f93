// Formula:    scalars[1] = min(1, bound · rows / ‖g‖), so that bound applies to the gradient of the mean loss; second
//             stage of the sum within the norm, in fixed order.
// Bindings:   partials   [threads]: sums of squares
//             scalars    [learning rate, gradient scale]
// Invocation: lane i of the only workgroup sums the partials i, i + GROUP, …, then lane 0 sums the lanes in order.
// Hazards:    a norm of 0 gives the scale 1. A norm that is not finite gives a NaN scale, so that it is not hidden:
//             bound / infinity would be 0, and the step would pass as one without a gradient. Bits are tested, because
//             fast mathematics may take comparisons with infinity for false.

struct Params {
    threads: u32,
    rows: u32,
    bound: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> scalars: array<f32>;

var<workgroup> sums: array<f32, GROUP>;

@compute @workgroup_size(GROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.threads; i += GROUP) { sum += partials[i]; }
    sums[lane] = sum;
    workgroupBarrier();
    if lane != 0u { return; }
    var total = 0.0;
    for (var i = 0u; i < GROUP; i++) { total += sums[i]; }
    let norm = sqrt(total);
    let most = params.bound * f32(params.rows);
    let scale = select(most / norm, 1.0, norm <= most);
    let bits = bitcast<u32>(total);
    let finite = (bits & 0x7f800000u) != 0x7f800000u;
    scalars[1] = select(bitcast<f32>(bits | 0x00400000u), scale, finite);
}
