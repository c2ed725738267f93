// What the result is combined with: rows of n values, of any size.

@group(0) @binding(4) var<storage, read> side: array<f32>;

fn read_side(row: u32, column: u32) -> vec4<f32> {
    let at = row * params.n + column;
    var value = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        if column + i < params.n { value[i] = side[at + i]; }
    }
    return value;
}
