// Operand b whose stored rows are a multiple of four long.
// Bindings:   b   [k, n], or [n, k] with TRANSPOSE_B 1
// No branches, as in a_vec4.wgsl: past an end the last row or column is read again. That counts for
// nothing, because a is zero past the end of k, and columns past the end of n are not stored.

@group(0) @binding(2) var<storage, read> b: array<Four>;

alias Columns = u32;

fn columns_b(column: u32) -> Columns { return column; }

fn load_b(k: u32, column: Columns) -> mat4x4<f32> {
    if TRANSPOSE_B == 0u {
        let width = params.n / 4u;
        let at = min(column / 4u, width - 1u);
        let last = params.k - 1u;
        return mat4x4<f32>(
            rounded(floats(b[min(k, last) * width + at])),
            rounded(floats(b[min(k + 1u, last) * width + at])),
            rounded(floats(b[min(k + 2u, last) * width + at])),
            rounded(floats(b[min(k + 3u, last) * width + at])),
        );
    }
    let width = params.k / 4u;
    let at = min(k / 4u, width - 1u);
    let last = params.n - 1u;
    return transpose(mat4x4<f32>(
        rounded(floats(b[min(column, last) * width + at])),
        rounded(floats(b[min(column + 1u, last) * width + at])),
        rounded(floats(b[min(column + 2u, last) * width + at])),
        rounded(floats(b[min(column + 3u, last) * width + at])),
    ));
}
