// c = (a · b) ∘ derivative(saved), saved: [m, n] (the side); without an activation nothing was saved

const SUM_ROWS: bool = false;

fn store_row_sums(row: u32, sums: vec4<f32>) {}

fn store_row(row: u32, column: u32, value: vec4<f32>) {
    let at = place(row);
    if at == NOWHERE { return; }
    if ACTIVATION == IDENTITY {
        write_row(at, column, value);
    } else {
        write_row(at, column, value * derivative(read_side(at, column)));
    }
}

fn store(row: u32, column: u32, block: mat4x4<f32>) {
    store_row(row, column, block[0]);
    store_row(row + 1u, column, block[1]);
    store_row(row + 2u, column, block[2]);
    store_row(row + 3u, column, block[3]);
}
