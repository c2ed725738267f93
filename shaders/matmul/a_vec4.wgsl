// Operand a: [m, k], or its transpose, whose stored rows are a multiple of four long.

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;

fn load_a(row: u32, k: u32) -> mat4x4<f32> {
    if TRANSPOSE_A == 0u {
        if k >= params.k { return ZERO; }
        let width = params.k / 4u;
        let at = row * width + k / 4u;
        if row + 4u <= params.m {
            return mat4x4<f32>(a[at], a[at + width], a[at + 2u * width], a[at + 3u * width]);
        }
        var block = ZERO;
        if row < params.m { block[0] = a[at]; }
        if row + 1u < params.m { block[1] = a[at + width]; }
        if row + 2u < params.m { block[2] = a[at + 2u * width]; }
        return block;
    }
    if row >= params.m { return ZERO; }
    let width = params.m / 4u;
    let at = k * width + row / 4u;
    if k + 4u <= params.k {
        return transpose(mat4x4<f32>(a[at], a[at + width], a[at + 2u * width], a[at + 3u * width]));
    }
    var block = ZERO;
    if k < params.k { block[0] = a[at]; }
    if k + 1u < params.k { block[1] = a[at + width]; }
    if k + 2u < params.k { block[2] = a[at + 2u * width]; }
    return transpose(block);
}
