// Operand b of any size.
// Bindings:   b   [k, n], or [n, k] with TRANSPOSE_B 1

@group(0) @binding(2) var<storage, read> b: array<f32>;

fn element_b(k: u32, column: u32) -> f32 {
    if k >= params.k || column >= params.n { return 0.0; }
    if TRANSPOSE_B == 0u { return b[k * params.n + column]; }
    return b[column * params.k + k];
}

fn row_b(k: u32, column: u32) -> vec4<f32> {
    return rounded(vec4<f32>(
        element_b(k, column),
        element_b(k, column + 1u),
        element_b(k, column + 2u),
        element_b(k, column + 3u),
    ));
}

alias Columns = u32;

fn columns_b(column: u32) -> Columns { return column; }

fn load_b(k: u32, column: Columns) -> mat4x4<f32> {
    return mat4x4<f32>(
        row_b(k, column),
        row_b(k + 1u, column),
        row_b(k + 2u, column),
        row_b(k + 3u, column),
    );
}
