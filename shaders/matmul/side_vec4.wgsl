// What the result is combined with, in rows that are a multiple of four long.
// Bindings:   side   [m, n], or [n] where one row serves every row of the result

@group(0) @binding(4) var<storage, read> side: array<Four>;

fn read_side(row: u32, column: u32) -> vec4<f32> {
    return floats(side[(row * params.n + column) / 4u]);
}
