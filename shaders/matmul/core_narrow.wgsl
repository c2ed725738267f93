// Formula:    c[m, n] = store(a[m, k] · b[k, n]), as core_registers.wgsl, for results of four columns or fewer.
// Bindings:   a [m, k], b [k, n], c [m, n], and what the store adds; the parts declare them
// Invocation: computes 16 rows × 4 columns in registers. A workgroup is 8 of them with consecutive tiles.
// Hazard:     the sums have names of their own, because drivers keep an array that a loop indexes in memory.

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles_across = (params.n + 3u) / 4u;
    let tiles = (params.m + 15u) / 16u * tiles_across;
    let all = linear_workgroup(workgroup, count) * 8u + lane;
    let part_number = all / tiles;
    let tile = of_part(all, tiles);
    let row = tile / tiles_across * 16u;
    let column = tile % tiles_across * 4u;
    if row >= params.m { return; }
    let columns = columns_b(column);
    let end = end_k(part_number);
    let ones = vec4<f32>(1.0);
    let rows0 = rows_a(row + 0u);
    var block0 = ZERO;
    var sums0 = vec4<f32>(0.0);
    let rows1 = rows_a(row + 4u);
    var block1 = ZERO;
    var sums1 = vec4<f32>(0.0);
    let rows2 = rows_a(row + 8u);
    var block2 = ZERO;
    var sums2 = vec4<f32>(0.0);
    let rows3 = rows_a(row + 12u);
    var block3 = ZERO;
    var sums3 = vec4<f32>(0.0);
    for (var k = first_k(part_number); k < end; k += 4u) {
        let b = load_b(k, columns);
        let a0 = load_a(rows0, k);
        block0 += b * a0;
        let a1 = load_a(rows1, k);
        block1 += b * a1;
        let a2 = load_a(rows2, k);
        block2 += b * a2;
        let a3 = load_a(rows3, k);
        block3 += b * a3;
        if SUM_ROWS {
            sums0 += ones * a0;
            sums1 += ones * a1;
            sums2 += ones * a2;
            sums3 += ones * a3;
        }
    }
    store(row + 0u, column, block0);
    store(row + 4u, column, block1);
    store(row + 8u, column, block2);
    store(row + 12u, column, block3);
    if SUM_ROWS && column == 0u {
        store_row_sums(row + 0u, sums0);
        store_row_sums(row + 4u, sums1);
        store_row_sums(row + 8u, sums2);
        store_row_sums(row + 12u, sums3);
    }
}
