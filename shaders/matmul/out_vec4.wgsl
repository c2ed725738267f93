// The result, whose rows are a multiple of four long.
// Bindings:   c   [m, n]

@group(0) @binding(3) var<storage, read_write> c: array<Four>;

fn write_row(at: u32, column: u32, value: vec4<f32>) {
    if at != NOWHERE && column < params.n {
        c[(at * params.n + column) / 4u] = four(value);
    }
}
