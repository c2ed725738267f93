// The result, of any size.
// Bindings:   c   [m, n]

@group(0) @binding(3) var<storage, read_write> c: array<f32>;

fn write_row(at: u32, column: u32, value: vec4<f32>) {
    if at == NOWHERE { return; }
    let first = at * params.n + column;
    for (var i = 0u; i < 4u; i++) {
        if column + i < params.n { c[first + i] = value[i]; }
    }
}
