// Formula:    the negative ELBO in one pass: loss = reconstruction + beta · KL, summed over the batch, the gradients of
//             both (with GRADIENTS 1), and the first stage of their sums.
//               KL = ½ Σ (exp(logvar) + mu² − 1 − logvar)
//               d_mu = beta · mu,  d_logvar = beta · ½ (exp(logvar) − 1)
// Bindings:   x, outputs, d_outputs   [count] = [rows, values], in arrays padded to a multiple of four
//             heads, d_heads          [rows, 2·latent]: mu, then logvar
//             log_sigma               [1], logarithm of a Gaussian likelihood's standard deviation
//             partials                [threads, 4]: (reconstruction, KL, 0, d_log_sigma) of one invocation
//             Gradients are untouched where GRADIENTS is 0, those of heads also where LATENT is.
// Invocation: number i of `threads` handles the groups of four values i, i + threads, …, and likewise the latent
//             values: the order of every sum is fixed, and no barrier is needed.
// Hazards:    padding is masked out of the sums; logvar is bounded (lib/latent.wgsl).

struct Params {
    count: u32,
    codes: u32, // rows · latent
    latent: u32,
    threads: u32,
    beta: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Four>;
@group(0) @binding(2) var<storage, read> outputs: array<Four>;
@group(0) @binding(3) var<storage, read> heads: array<f32>;
@group(0) @binding(4) var<storage, read> log_sigma: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_outputs: array<Four>;
@group(0) @binding(6) var<storage, read_write> d_heads: array<f32>;
@group(0) @binding(7) var<storage, read_write> partials: array<vec4<f32>>;

override LATENT: u32 = 1u;
override GRADIENTS: u32 = 1u;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Before any branch, where a software driver can read once for all lanes.
    let sigma = log_sigma[0];
    let thread = linear_invocation(workgroup, count, lane);
    if thread >= params.threads { return; }
    var losses = vec4<f32>(0.0);
    var log_sigma_gradients = vec4<f32>(0.0);
    let groups = (params.count + 3u) / 4u;
    for (var i = thread; i < groups; i += params.threads) {
        let r = reconstruction(floats(x[i]), floats(outputs[i]), sigma);
        let real = vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.count);
        losses += select(vec4<f32>(0.0), r.loss, real);
        if GRADIENTS != 0u {
            d_outputs[i] = four(r.gradient);
            log_sigma_gradients += select(vec4<f32>(0.0), r.log_sigma_gradient, real);
        }
    }
    var kl = 0.0;
    if LATENT != 0u {
        for (var i = thread; i < params.codes; i += params.threads) {
            let at = i / params.latent * 2u * params.latent + i % params.latent;
            let mu = heads[at];
            let raw = heads[at + params.latent];
            let logvar = bounded(raw);
            let variance = exp_of(raw, 1.0);
            kl += 0.5 * (variance + mu * mu - 1.0 - logvar);
            if GRADIENTS != 0u {
                d_heads[at] = params.beta * mu;
                d_heads[at + params.latent] = params.beta * 0.5 * (variance - 1.0) * inside(raw);
            }
        }
    }
    let ones = vec4<f32>(1.0);
    partials[thread] = vec4<f32>(dot(losses, ones), kl, 0.0, dot(log_sigma_gradients, ones));
}
