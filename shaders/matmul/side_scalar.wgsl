// What the result is combined with, of any size.
// Bindings:   side   [m, n], or [n] where one row serves every row of the result

@group(0) @binding(4) var<storage, read> side: array<f32>;

fn read_side(row: u32, column: u32) -> vec4<f32> {
    let at = row * params.n + column;
    var value = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        if column + i < params.n { value[i] = side[at + i]; }
    }
    return value;
}
