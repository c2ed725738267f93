// Operand a whose stored rows are a multiple of four long.
// Bindings:   a   [m, k], or [k, m] with TRANSPOSE_A 1
// No branches, which a software driver pays for at every load: past the end of m the last row is read
// again, for results that are not stored; past the end of k values are replaced by zero.

@group(0) @binding(1) var<storage, read> a: array<Four>;

fn four_of_a(at: u32, inside: bool) -> vec4<f32> {
    return select(vec4<f32>(0.0), rounded(floats(a[at])), inside);
}

alias Rows = u32;

fn rows_a(row: u32) -> Rows { return row; }

fn load_a(row: Rows, k: u32) -> mat4x4<f32> {
    if TRANSPOSE_A == 0u {
        let width = params.k / 4u;
        let inside = k < params.k;
        let at = min(k / 4u, width - 1u);
        let last = params.m - 1u;
        return mat4x4<f32>(
            four_of_a(min(row, last) * width + at, inside),
            four_of_a(min(row + 1u, last) * width + at, inside),
            four_of_a(min(row + 2u, last) * width + at, inside),
            four_of_a(min(row + 3u, last) * width + at, inside),
        );
    }
    let width = params.m / 4u;
    let at = min(row / 4u, width - 1u);
    let last = own_end() - 1u;
    return transpose(mat4x4<f32>(
        four_of_a(min(k, last) * width + at, k <= last),
        four_of_a(min(k + 1u, last) * width + at, k + 1u <= last),
        four_of_a(min(k + 2u, last) * width + at, k + 2u <= last),
        four_of_a(min(k + 3u, last) * width + at, k + 3u <= last),
    ));
}
