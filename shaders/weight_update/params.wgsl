// Sizes of a product, and of the update that it is the gradient of; the last six as in lib/adam.wgsl.

struct Params {
    m: u32,
    n: u32,
    k: u32,
    bias: u32, // place of the bias behind the weight
    log_beta1: f32,
    log_beta2: f32,
    rate1: f32,
    rate2: f32,
    epsilon: f32,
    decay: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
