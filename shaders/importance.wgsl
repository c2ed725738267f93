// Formula:    the importance-weighted bound of each image (Burda, Grosse & Salakhutdinov 2016, eq. 8) from its samples k
//             of K, log w_k = −(terms[k, 0] + terms[k, 1]):
//               loss = −log (1/K Σ w_k)
//               weights_k = w_k / Σ w                                    (eq. 14)
//             and what it is made of: the means over k of both terms, and what the weighting takes off their sum.
// Bindings:   terms     [images, samples, 2]: −log p(x|z), log q(z|x) − log p(z)
//             weights   [images, samples]: they add up to 1 for each image
//             partials  [images, 4]: (mean of the first term, mean of the second, loss − both, 0)
// Invocation: handles one image.
// Hazard:     exp of a weight overflows, so the largest one is taken off first. What is no number stays so: it is never
//             the largest, and its exp is none.

struct Params {
    images: u32,
    samples: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> terms: array<f32>;
@group(0) @binding(2) var<storage, read_write> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4<f32>>;

fn log_weight(sample: u32) -> f32 { return -(terms[2u * sample] + terms[2u * sample + 1u]); }

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let image = linear_invocation(workgroup, count, lane);
    if image >= params.images { return; }
    let first = image * params.samples;
    let end = first + params.samples;
    var largest = log_weight(first);
    for (var k = first + 1u; k < end; k++) {
        let log_w = log_weight(k);
        largest = select(largest, log_w, log_w > largest);
    }
    var means = vec2<f32>(0.0);
    var sum = 0.0;
    var below = 0.0; // Σ (largest − log w)
    for (var k = first; k < end; k++) {
        means += vec2<f32>(terms[2u * k], terms[2u * k + 1u]);
        let off = log_weight(k) - largest;
        let w = exp_or_nan(vec4<f32>(off)).x;
        weights[k] = w;
        sum += w;
        below -= off;
    }
    for (var k = first; k < end; k++) { weights[k] /= sum; }
    // log (1/K Σ w) − mean log w: without the size of either.
    let samples = f32(params.samples);
    let gain = log(sum / samples) + below / samples;
    partials[image] = vec4<f32>(means / samples, -gain, 0.0);
}
