// Formula:    c[m, n] = store(a[m, k] · b[k, n]), by broadcasts within subgroups of eight. Made for software drivers,
//             where a broadcast is one instruction and every memory access is a loop over the lanes.
// Bindings:   a [m, k], b [k, n], c [m, n], and what the store adds; the parts declare them
// Invocation: lane l of a subgroup, which is a workgroup and computes 32 rows × 64 columns: 32 rows × 8 columns of
//             them. It loads rows 4l .. 4l + 4 of a; broadcasts share them, so that neither workgroup memory nor barriers are
//             needed.
// Hazard:     right only where every subgroup has eight lanes, which the device is asked for.

// Rows 4·source .. 4·source + 4 of the tile: their block of a times two blocks of b.
fn accumulate(
    left: ptr<function, mat4x4<f32>>,
    right: ptr<function, mat4x4<f32>>,
    block: mat4x4<f32>,
    b0: mat4x4<f32>,
    b1: mat4x4<f32>,
) {
    *left += b0 * block;
    *right += b1 * block;
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let tiles_across = (params.n + 63u) / 64u;
    let tiles = (params.m + 31u) / 32u * tiles_across;
    let all = linear_workgroup(workgroup, count);
    let part_number = all / tiles;
    let tile = of_part(all, tiles);
    let row = tile / tiles_across * 32u;
    let first = tile % tiles_across * 64u;
    let column = first + 8u * lane;
    let own_row = row + 4u * lane;
    let own_rows = rows_a(own_row);
    let columns0 = columns_b(column);
    let columns1 = columns_b(column + 4u);
    let end = end_k(part_number);
    var sums = vec4<f32>(0.0);
    var left0 = ZERO;
    var right0 = ZERO;
    var left1 = ZERO;
    var right1 = ZERO;
    var left2 = ZERO;
    var right2 = ZERO;
    var left3 = ZERO;
    var right3 = ZERO;
    var left4 = ZERO;
    var right4 = ZERO;
    var left5 = ZERO;
    var right5 = ZERO;
    var left6 = ZERO;
    var right6 = ZERO;
    var left7 = ZERO;
    var right7 = ZERO;
    for (var k = first_k(part_number); k < end; k += 4u) {
        let own = load_a(own_rows, k);
        let b0 = load_b(k, columns0);
        let b1 = load_b(k, columns1);
        if SUM_ROWS { sums += vec4<f32>(1.0) * own; }
        accumulate(&left0, &right0, mat4x4<f32>(
            subgroupBroadcast(own[0], 0u), subgroupBroadcast(own[1], 0u),
            subgroupBroadcast(own[2], 0u), subgroupBroadcast(own[3], 0u)), b0, b1);
        accumulate(&left1, &right1, mat4x4<f32>(
            subgroupBroadcast(own[0], 1u), subgroupBroadcast(own[1], 1u),
            subgroupBroadcast(own[2], 1u), subgroupBroadcast(own[3], 1u)), b0, b1);
        accumulate(&left2, &right2, mat4x4<f32>(
            subgroupBroadcast(own[0], 2u), subgroupBroadcast(own[1], 2u),
            subgroupBroadcast(own[2], 2u), subgroupBroadcast(own[3], 2u)), b0, b1);
        accumulate(&left3, &right3, mat4x4<f32>(
            subgroupBroadcast(own[0], 3u), subgroupBroadcast(own[1], 3u),
            subgroupBroadcast(own[2], 3u), subgroupBroadcast(own[3], 3u)), b0, b1);
        accumulate(&left4, &right4, mat4x4<f32>(
            subgroupBroadcast(own[0], 4u), subgroupBroadcast(own[1], 4u),
            subgroupBroadcast(own[2], 4u), subgroupBroadcast(own[3], 4u)), b0, b1);
        accumulate(&left5, &right5, mat4x4<f32>(
            subgroupBroadcast(own[0], 5u), subgroupBroadcast(own[1], 5u),
            subgroupBroadcast(own[2], 5u), subgroupBroadcast(own[3], 5u)), b0, b1);
        accumulate(&left6, &right6, mat4x4<f32>(
            subgroupBroadcast(own[0], 6u), subgroupBroadcast(own[1], 6u),
            subgroupBroadcast(own[2], 6u), subgroupBroadcast(own[3], 6u)), b0, b1);
        accumulate(&left7, &right7, mat4x4<f32>(
            subgroupBroadcast(own[0], 7u), subgroupBroadcast(own[1], 7u),
            subgroupBroadcast(own[2], 7u), subgroupBroadcast(own[3], 7u)), b0, b1);
    }
    // The sums move up a block at a time, so that there is one text of the store: eight of them, each with
    // its loops over the lanes, would take a driver longer to compile than all the rest.
    let last = min(row + 32u, params.m);
    for (var at = row; at < last; at += 4u) {
        store(at, column, left0);
        store(at, column + 4u, right0);
        left0 = left1;
        right0 = right1;
        left1 = left2;
        right1 = right2;
        left2 = left3;
        right2 = right3;
        left3 = left4;
        right3 = right4;
        left4 = left5;
        right4 = right5;
        left5 = left6;
        right5 = right6;
        left6 = left7;
        right6 = right7;
    }
    if SUM_ROWS && first == 0u { store_row_sums(own_row, sums); }
}
