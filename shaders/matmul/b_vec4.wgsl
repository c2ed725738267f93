// Operand b: [k, n], or its transpose, whose stored rows are a multiple of four long.

@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

fn load_b(k: u32, column: u32) -> mat4x4<f32> {
    if TRANSPOSE_B == 0u {
        if column >= params.n { return ZERO; }
        let width = params.n / 4u;
        let at = k * width + column / 4u;
        if k + 4u <= params.k {
            return mat4x4<f32>(b[at], b[at + width], b[at + 2u * width], b[at + 3u * width]);
        }
        var block = ZERO;
        if k < params.k { block[0] = b[at]; }
        if k + 1u < params.k { block[1] = b[at + width]; }
        if k + 2u < params.k { block[2] = b[at + 2u * width]; }
        return block;
    }
    if k >= params.k { return ZERO; }
    let width = params.k / 4u;
    let at = column * width + k / 4u;
    if column + 4u <= params.n {
        return transpose(mat4x4<f32>(b[at], b[at + width], b[at + 2u * width], b[at + 3u * width]));
    }
    var block = ZERO;
    if column < params.n { block[0] = b[at]; }
    if column + 1u < params.n { block[1] = b[at + width]; }
    if column + 2u < params.n { block[2] = b[at + 2u * width]; }
    return transpose(block);
}
