// c = a · b

const SUM_ROWS: bool = false;

fn store_row_sums(row: u32, sums: vec4<f32>) {}

fn store(row: u32, column: u32, block: mat4x4<f32>) {
    write_row(place(row), column, block[0]);
    write_row(place(row + 1u), column, block[1]);
    write_row(place(row + 2u), column, block[2]);
    write_row(place(row + 3u), column, block[3]);
}
