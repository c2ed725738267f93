// Philox4x32-10 (Salmon et al., SC 2011), the same function as `rng::philox`.

fn multiply_high(a: u32, b: u32) -> u32 {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let carry = a0 * b1 + (middle & 0xffffu);
    return a1 * b1 + (middle >> 16u) + (carry >> 16u);
}

// Four integers: elements 4·block .. 4·block + 4 of the stream (key, purpose, step).
fn philox(key_in: vec2<u32>, purpose: u32, step: u32, block: u32) -> vec4<u32> {
    var c = vec4<u32>(block, step, purpose, 0u);
    var key = key_in;
    for (var round = 0u; round < 10u; round++) {
        let high0 = multiply_high(0xD2511F53u, c.x);
        let low0 = 0xD2511F53u * c.x;
        let high1 = multiply_high(0xCD9E8D57u, c.z);
        let low1 = 0xCD9E8D57u * c.z;
        c = vec4<u32>(high1 ^ c.y ^ key.x, low1, high0 ^ c.w ^ key.y, low0);
        key += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// Integers as values of [0, 1) in steps of 2^-24, exact.
fn unit(bits: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(bits >> vec4<u32>(8u)) * (1.0 / 16777216.0);
}
