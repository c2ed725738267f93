// Formula:    the gradient of the importance-weighted bound for the encoder's heads, from that for the decoder's inputs,
//             which holds the weights ŵ already. With sigma = exp(logvar/2), over the samples k of an image:
//               DREG 0 (Burda, Grosse & Salakhutdinov 2016, eq. 14):
//                 g_k = d_z + ŵ·z
//                 d_mu = Σ g_k,  d_logvar = Σ ½ g_k·epsilon·sigma − ½
//               DREG 1 (Tucker, Lawson, Gu & Maddison 2019, eq. 8), without the gradient of log q by its own parameters:
//                 g_k = ŵ·(d_z + ŵ·(z − epsilon / sigma))
//                 d_mu = Σ g_k,  d_logvar = Σ ½ g_k·epsilon·sigma
// Bindings:   heads     [images, 2·latent]: mu, then logvar
//             epsilon   [images, samples, latent], the one that made z
//             d_z       [images, samples, latent]
//             weights   [images, samples]
//             d_heads   [images, 2·latent]
// Invocation: handles one latent dimension of one image.
// Hazard:     no gradient passes the bound of logvar.

struct Params {
    images: u32,
    samples: u32,
    latent: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> heads: array<f32>;
@group(0) @binding(2) var<storage, read> epsilon: array<f32>;
@group(0) @binding(3) var<storage, read> d_z: array<f32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_heads: array<f32>;

override DREG: u32 = 0u;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_invocation(workgroup, count, lane);
    if i >= params.images * params.latent { return; }
    let image = i / params.latent;
    let at = image * 2u * params.latent + i % params.latent;
    let mu = heads[at];
    let raw = heads[at + params.latent];
    let sigma = exp_of(raw, 0.5);
    var sum = 0.0;
    var stretched = 0.0; // Σ g·epsilon
    for (var k = 0u; k < params.samples; k++) {
        let row = image * params.samples + k;
        let e = epsilon[row * params.latent + i % params.latent];
        let weight = weights[row];
        var gradient = d_z[row * params.latent + i % params.latent];
        if DREG != 0u {
            gradient = weight * (gradient + weight * (mu + sigma * e - e / sigma));
        } else {
            gradient += weight * (mu + sigma * e);
        }
        sum += gradient;
        stretched += gradient * e;
    }
    let own = select(-0.5, 0.0, DREG != 0u);
    d_heads[at] = sum;
    d_heads[at + params.latent] = (0.5 * sigma * stretched + own) * inside(raw);
}
