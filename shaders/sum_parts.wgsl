// Formula:    weight[i] = Σ over parts of weights[part, i]; bias likewise
// Bindings:   weights [parts, weights]
//             biases  [bias_parts, biases]
//             weight  [weights]
//             bias    [biases]
// Invocation: makes one value of either; parts are added in their order.
// Hazard:     the number of parts is a function of shapes alone, so that equal shapes give equal bits.

struct Params {
    parts: u32,
    weights: u32,
    bias_parts: u32,
    biases: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> biases: array<f32>;
@group(0) @binding(3) var<storage, read_write> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> bias: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = linear_invocation(workgroup, count, lane);
    var sum = 0.0;
    if at < params.weights {
        for (var part = 0u; part < params.parts; part++) {
            sum += weights[part * params.weights + at];
        }
        weight[at] = sum;
    } else if at - params.weights < params.biases {
        let column = at - params.weights;
        for (var part = 0u; part < params.bias_parts; part++) {
            sum += biases[part * params.biases + column];
        }
        bias[column] = sum;
    }
}
