// Formula:    partials[i] = Σ g² over the groups of four i, i + threads, …: first stage of the gradient's norm.
// Bindings:   gradient   [count], in an array padded with zeros to a multiple of four
//             partials   [threads]
// Invocation: makes one partial sum; the order of every sum is fixed.
// Hazard:     squares overflow where |g| is beyond 1e19; clip.wgsl lets what is not finite show.

struct Params {
    count: u32,
    threads: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let thread = linear_invocation(workgroup, count, lane);
    if thread >= params.threads { return; }
    var sum = 0.0;
    for (var i = thread; 4u * i < params.count; i += params.threads) {
        let g = gradient[i];
        sum += dot(g, g);
    }
    partials[thread] = sum;
}
