// Formula:    c[m, n] = store(a[m, k] · b[k, n]), without workgroup memory and barriers.
// Bindings:   a [m, k], b [k, n], c [m, n], and what the store adds; the parts declare them
// Invocation: computes 16 rows × 8 columns in registers. A workgroup is 8 of them with consecutive tiles, numbered row
//             of tiles by row of tiles.
// Hazard:     the sums have names of their own, because drivers keep an array that a loop indexes in memory.

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles_across = (params.n + 7u) / 8u;
    let tiles = (params.m + 15u) / 16u * tiles_across;
    let all = linear_workgroup(workgroup, count) * 8u + lane;
    let part_number = all / tiles;
    let tile = of_part(all, tiles);
    let row = tile / tiles_across * 16u;
    let column = tile % tiles_across * 8u;
    if row >= params.m { return; }
    let columns0 = columns_b(column);
    let columns1 = columns_b(column + 4u);
    let rows0 = rows_a(row + 0u);
    let rows1 = rows_a(row + 4u);
    let rows2 = rows_a(row + 8u);
    let rows3 = rows_a(row + 12u);
    let end = end_k(part_number);
    let ones = vec4<f32>(1.0);
    var left0 = ZERO;
    var right0 = ZERO;
    var sums0 = vec4<f32>(0.0);
    var left1 = ZERO;
    var right1 = ZERO;
    var sums1 = vec4<f32>(0.0);
    var left2 = ZERO;
    var right2 = ZERO;
    var sums2 = vec4<f32>(0.0);
    var left3 = ZERO;
    var right3 = ZERO;
    var sums3 = vec4<f32>(0.0);
    for (var k = first_k(part_number); k < end; k += 4u) {
        let b0 = load_b(k, columns0);
        let b1 = load_b(k, columns1);
        let block0 = load_a(rows0, k);
        left0 += b0 * block0;
        right0 += b1 * block0;
        let block1 = load_a(rows1, k);
        left1 += b0 * block1;
        right1 += b1 * block1;
        let block2 = load_a(rows2, k);
        left2 += b0 * block2;
        right2 += b1 * block2;
        let block3 = load_a(rows3, k);
        left3 += b0 * block3;
        right3 += b1 * block3;
        if SUM_ROWS {
            sums0 += ones * block0;
            sums1 += ones * block1;
            sums2 += ones * block2;
            sums3 += ones * block3;
        }
    }
    store(row + 0u, column, left0);
    store(row + 0u, column + 4u, right0);
    store(row + 4u, column, left1);
    store(row + 4u, column + 4u, right1);
    store(row + 8u, column, left2);
    store(row + 8u, column + 4u, right2);
    store(row + 12u, column, left3);
    store(row + 12u, column + 4u, right3);
    if SUM_ROWS && column == 0u {
        store_row_sums(row + 0u, sums0);
        store_row_sums(row + 4u, sums1);
        store_row_sums(row + 8u, sums2);
        store_row_sums(row + 12u, sums3);
    }
}
