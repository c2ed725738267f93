// Weights of a phase as the right operand, k = (down, across, feature): both features and channels are a multiple of four.
// Bindings:   b   [features, kernel, kernel, channels]
// Past the end of k the last block is read again, for which a is zero.

@group(0) @binding(2) var<storage, read> b: array<Four>;

fn load_b(k: u32, columns: Columns) -> mat4x4<f32> {
    let pitch = params.kernel * params.kernel * params.channels / 4u;
    let column = min(columns.column / 4u, params.channels / 4u - 1u);
    let at = weights_of(columns, min(k, columns.end - 4u)) / 4u + column;
    return mat4x4<f32>(
        rounded(floats(b[at])),
        rounded(floats(b[at + pitch])),
        rounded(floats(b[at + 2u * pitch])),
        rounded(floats(b[at + 3u * pitch])),
    );
}
