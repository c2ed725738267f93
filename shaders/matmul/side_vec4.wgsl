// What the result is combined with: rows of n values, n a multiple of four.

@group(0) @binding(4) var<storage, read> side: array<Four>;

fn read_side(row: u32, column: u32) -> vec4<f32> {
    return floats(side[(row * params.n + column) / 4u]);
}
