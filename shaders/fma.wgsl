// Formula:    out = the value of input after `blocks` · 8 times x = x · factor + term: nothing but multiply-adds, whose
//             rate is the peak by which `elbo bench` judges matrix products.
// Bindings:   input, out   [count], in arrays padded to a multiple of eight
// Invocation: makes eight values: independent chains, so that the latency of one hides behind the others.
// Hazard:     |factor| < 1 keeps a chain of any length finite, and its rounding errors below those of
//             1 / (1 − |factor|) links. Factor and term come from a buffer; as constants they might be folded.

struct Params {
    count: u32,
    blocks: u32,
    factor: f32,
    term: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = 2u * linear_invocation(workgroup, count, lane);
    if 4u * at >= params.count { return; }
    let factor = vec4<f32>(params.factor);
    let term = vec4<f32>(params.term);
    var a = input[at];
    var b = input[at + 1u];
    // Written out, so that counting costs little beside them.
    for (var i = 0u; i < params.blocks; i++) {
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
        a = fma(a, factor, term); b = fma(b, factor, term);
    }
    out[at] = a;
    if 4u * (at + 1u) < params.count { out[at + 1u] = b; }
}
