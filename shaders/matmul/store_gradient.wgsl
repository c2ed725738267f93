// c = a · b and row_sums[i] = sum over k of a[i, k]
// Bindings:   row_sums   [m]

const SUM_ROWS: bool = true;

@group(0) @binding(4) var<storage, read_write> row_sums: array<f32>;

fn store_row_sums(row: u32, sums: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) {
        let at = place(row + i);
        if at != NOWHERE { row_sums[at] = sums[i]; }
    }
}

fn store(row: u32, column: u32, block: mat4x4<f32>) {
    write_row(place(row), column, block[0]);
    write_row(place(row + 1u), column, block[1]);
    write_row(place(row + 2u), column, block[2]);
    write_row(place(row + 3u), column, block[3]);
}
