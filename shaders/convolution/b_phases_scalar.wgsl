// Weights of a phase as the right operand, k = (down, across, feature), of any numbers of features and channels.
// Bindings:   b   [features, kernel, kernel, channels]
// Past the end of k the last row is read again, for which a is zero.

@group(0) @binding(2) var<storage, read> b: array<f32>;

fn row_of_b(k: u32, columns: Columns) -> vec4<f32> {
    let last = vec4<u32>(params.channels - 1u);
    let column = min(vec4<u32>(columns.column) + vec4<u32>(0u, 1u, 2u, 3u), last);
    let at = vec4<u32>(weights_of(columns, min(k, columns.end - 1u))) + column;
    return rounded(vec4<f32>(b[at.x], b[at.y], b[at.z], b[at.w]));
}

fn load_b(k: u32, columns: Columns) -> mat4x4<f32> {
    return mat4x4<f32>(
        row_of_b(k, columns),
        row_of_b(k + 1u, columns),
        row_of_b(k + 2u, columns),
        row_of_b(k + 3u, columns),
    );
}
