// Operand a of any size.
// Bindings:   a   [m, k], or [k, m] with TRANSPOSE_A 1

@group(0) @binding(1) var<storage, read> a: array<f32>;

// Without a branch: software compilers that put each call in place take minutes for those of a tile.
fn element_a(row: u32, k: u32) -> f32 {
    let is_inside = (row < params.m) & (k < own_end());
    let at = select(k * params.m + row, row * params.k + k, TRANSPOSE_A == 0u);
    return select(0.0, a[at], is_inside);
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
