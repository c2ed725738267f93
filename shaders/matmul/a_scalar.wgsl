// Operand a of any size.
// Bindings:   a   [m, k], or [k, m] with TRANSPOSE_A 1

@group(0) @binding(1) var<storage, read> a: array<f32>;

fn element_a(row: u32, k: u32) -> f32 {
    if row >= params.m || k >= own_end() { return 0.0; }
    if TRANSPOSE_A == 0u { return a[row * params.k + k]; }
    return a[k * params.m + row];
}

fn row_a(row: u32, k: u32) -> vec4<f32> {
    return rounded(vec4<f32>(
        element_a(row, k),
        element_a(row, k + 1u),
        element_a(row, k + 2u),
        element_a(row, k + 3u),
    ));
}

alias Rows = u32;

fn rows_a(row: u32) -> Rows { return row; }

fn load_a(row: Rows, k: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        row_a(row, k),
        row_a(row + 1u, k),
        row_a(row + 2u, k),
        row_a(row + 3u, k),
    );
}
