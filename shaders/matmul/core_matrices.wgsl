// Formula:    c[m, n] = store(a[m, k] · b[k, n]), by cooperative matrices (tensor cores): operands in f16, sums in f32.
// Bindings:   a [m, k], b [k, n], c [m, n], and what the store adds; the parts declare them
// Invocation: one of four subgroups of 32, which compute a 64 × 64 tile; a subgroup 32 × 32 of it as 2 × 2 matrices of
//             16 × 16, 32 of k at a time.
// Hazards:    a driver of NVIDIA crashes where a module has cooperative matrices and subgroup operations, so subgroups
//             are counted from the index of the invocation here; naga wants the places of loads in a `let`.

// Lengths of a row, with a gap that spreads rows over the banks of workgroup memory.
const ROW_A: u32 = 40u;
const ROW_B: u32 = 72u;

var<workgroup> slice_a: array<f16, 2560>; // [64, ROW_A]: rows of the tile by k
var<workgroup> slice_b: array<f16, 2304>; // [32, ROW_B]: k by columns of the tile
var<workgroup> result: array<f32, 1024>; // [4 subgroups, 16, 16]

// What a lane makes of the 16 × 16 results of its subgroup: half of the lanes take a block each.
fn store_matrix(subgroup: u32, lane: u32, row: u32, column: u32) {
    if lane < 16u {
        let down = 4u * (lane / 4u);
        let across = 4u * (lane % 4u);
        var block = ZERO;
        for (var i = 0u; i < 4u; i++) {
            let at = subgroup * 256u + (down + i) * 16u + across;
            block[i] = vec4<f32>(result[at], result[at + 1u], result[at + 2u], result[at + 3u]);
        }
        store(row + down, column + across, block);
    }
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let tiles_across = (params.n + 63u) / 64u;
    let tiles = (params.m + 63u) / 64u * tiles_across;
    let all = linear_workgroup(workgroup, count);
    let part_number = all / tiles;
    let tile = of_part(all, tiles);
    let top = tile / tiles_across * 64u;
    let first = tile % tiles_across * 64u;
    let subgroup = index / 32u;
    let lane = index % 32u;
    // The quarter of a subgroup, and the blocks of the slices that an invocation loads: 16 × 8 and 8 × 16.
    let down = 32u * (subgroup / 2u);
    let across = 32u * (subgroup % 2u);
    let row_a = 4u * (index / 8u);
    let k_a = 4u * (index % 8u);
    let k_b = 4u * (index / 16u);
    let column_b = 4u * (index % 16u);
    let rows = rows_a(top + row_a);
    let columns = columns_b(first + column_b);
    let end = end_k(part_number);
    var upper_left = coop_mat16x16<f32, C>();
    var upper_right = coop_mat16x16<f32, C>();
    var lower_left = coop_mat16x16<f32, C>();
    var lower_right = coop_mat16x16<f32, C>();
    var sums = vec4<f32>(0.0);
    for (var k = first_k(part_number); k < end; k += 32u) {
        let block_a = load_a(rows, k + k_a);
        let block_b = load_b(k + k_b, columns);
        for (var i = 0u; i < 4u; i++) {
            let at_a = (row_a + i) * ROW_A + k_a;
            let at_b = (k_b + i) * ROW_B + column_b;
            for (var j = 0u; j < 4u; j++) {
                slice_a[at_a + j] = f16(block_a[i][j]);
                slice_b[at_b + j] = f16(block_b[i][j]);
            }
        }
        workgroupBarrier();
        for (var step = 0u; step < 32u; step += 16u) {
            let at_upper = down * ROW_A + step;
            let at_lower = (down + 16u) * ROW_A + step;
            let at_left = step * ROW_B + across;
            let at_right = step * ROW_B + across + 16u;
            let upper = coopLoadT<coop_mat16x16<f16, A>>(&slice_a[at_upper], ROW_A);
            let lower = coopLoadT<coop_mat16x16<f16, A>>(&slice_a[at_lower], ROW_A);
            let left = coopLoadT<coop_mat16x16<f16, B>>(&slice_b[at_left], ROW_B);
            let right = coopLoadT<coop_mat16x16<f16, B>>(&slice_b[at_right], ROW_B);
            upper_left = coopMultiplyAdd(upper, left, upper_left);
            upper_right = coopMultiplyAdd(upper, right, upper_right);
            lower_left = coopMultiplyAdd(lower, left, lower_left);
            lower_right = coopMultiplyAdd(lower, right, lower_right);
        }
        if SUM_ROWS && first == 0u && index < 16u {
            for (var i = 0u; i < 32u; i++) {
                let at = 4u * index * ROW_A + i;
                sums += vec4<f32>(vec4<f16>(
                    slice_a[at],
                    slice_a[at + ROW_A],
                    slice_a[at + 2u * ROW_A],
                    slice_a[at + 3u * ROW_A],
                ));
            }
        }
        workgroupBarrier();
    }
    let own = subgroup * 256u;
    coopStoreT(upper_left, &result[own], 16u);
    workgroupBarrier();
    store_matrix(subgroup, lane, top + down, first + across);
    workgroupBarrier();
    coopStoreT(upper_right, &result[own], 16u);
    workgroupBarrier();
    store_matrix(subgroup, lane, top + down, first + across + 16u);
    workgroupBarrier();
    coopStoreT(lower_left, &result[own], 16u);
    workgroupBarrier();
    store_matrix(subgroup, lane, top + down + 16u, first + across);
    workgroupBarrier();
    coopStoreT(lower_right, &result[own], 16u);
    workgroupBarrier();
    store_matrix(subgroup, lane, top + down + 16u, first + across + 16u);
    if SUM_ROWS && first == 0u && index < 16u { store_row_sums(top + 4u * index, sums); }
}
