// c = activate(a · b + bias), bias: [n] (the side, whose one row serves every row of c)

const SUM_ROWS: bool = false;

fn store_row_sums(row: u32, sums: vec4<f32>) {}

fn store(row: u32, column: u32, block: mat4x4<f32>) {
    let bias = read_side(0u, column);
    write_row(place(row), column, activate(block[0] + bias));
    write_row(place(row + 1u), column, activate(block[1] + bias));
    write_row(place(row + 2u), column, activate(block[2] + bias));
    write_row(place(row + 3u), column, activate(block[3] + bias));
}
