// Operand b of any size.
// Bindings:   b   [k, n], or [n, k] with TRANSPOSE_B 1

@group(0) @binding(2) var<storage, read> b: array<f32>;

// Without a branch, as an element of a.
fn element_b(k: u32, column: u32) -> f32 {
    let is_inside = (k < params.k) & (column < params.n);
    let at = select(column * params.k + k, k * params.n + column, TRANSPOSE_B == 0u);
    return select(0.0, b[at], is_inside);
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
