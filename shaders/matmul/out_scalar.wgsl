// The result, of any size.
// Bindings:   c   [m, n]

@group(0) @binding(3) var<storage, read_write> c: array<f32>;

fn write_row(row: u32, column: u32, value: vec4<f32>) {
    if row >= params.m { return; }
    let at = row * params.n + column;
    for (var i = 0u; i < 4u; i++) {
        if column + i < params.n { c[at + i] = value[i]; }
    }
}
