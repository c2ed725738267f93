// Formula:    c[m, n] = store(a[m, k] · b[k, n]), by broadcasts within subgroups of eight, as core_subgroup8.wgsl: for
//             results of few columns, of which that one would compute a half in vain.
// Bindings:   a [m, k], b [k, n], c [m, n], and what the store adds; the parts declare them
// Invocation: lane l of a subgroup, which is a workgroup and computes 64 rows × 32 columns: 64 rows × 4 columns of them.
//             It loads rows 4l .. 4l + 4 of both halves of a.
// Hazard:     right only where every subgroup has eight lanes, which the device is asked for.

// Four rows of each half of the tile: their blocks of a times a block of b.
fn accumulate(
    upper: ptr<function, mat4x4<f32>>,
    lower: ptr<function, mat4x4<f32>>,
    upper_block: mat4x4<f32>,
    lower_block: mat4x4<f32>,
    b: mat4x4<f32>,
) {
    *upper += b * upper_block;
    *lower += b * lower_block;
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let tiles_across = (params.n + 31u) / 32u;
    let tiles = (params.m + 63u) / 64u * tiles_across;
    let all = linear_workgroup(workgroup, count);
    let part_number = all / tiles;
    let tile = of_part(all, tiles);
    let row = tile / tiles_across * 64u;
    let first = tile % tiles_across * 32u;
    let column = first + 4u * lane;
    let own_row = row + 4u * lane;
    let upper_rows = rows_a(own_row);
    let lower_rows = rows_a(own_row + 32u);
    let columns = columns_b(column);
    let end = end_k(part_number);
    var upper_sums = vec4<f32>(0.0);
    var lower_sums = vec4<f32>(0.0);
    var upper0 = ZERO;
    var lower0 = ZERO;
    var upper1 = ZERO;
    var lower1 = ZERO;
    var upper2 = ZERO;
    var lower2 = ZERO;
    var upper3 = ZERO;
    var lower3 = ZERO;
    var upper4 = ZERO;
    var lower4 = ZERO;
    var upper5 = ZERO;
    var lower5 = ZERO;
    var upper6 = ZERO;
    var lower6 = ZERO;
    var upper7 = ZERO;
    var lower7 = ZERO;
    for (var k = first_k(part_number); k < end; k += 4u) {
        let upper = load_a(upper_rows, k);
        let lower = load_a(lower_rows, k);
        let b = load_b(k, columns);
        if SUM_ROWS {
            upper_sums += vec4<f32>(1.0) * upper;
            lower_sums += vec4<f32>(1.0) * lower;
        }
        accumulate(&upper0, &lower0, mat4x4<f32>(
            subgroupBroadcast(upper[0], 0u), subgroupBroadcast(upper[1], 0u),
            subgroupBroadcast(upper[2], 0u), subgroupBroadcast(upper[3], 0u)), mat4x4<f32>(
            subgroupBroadcast(lower[0], 0u), subgroupBroadcast(lower[1], 0u),
            subgroupBroadcast(lower[2], 0u), subgroupBroadcast(lower[3], 0u)), b);
        accumulate(&upper1, &lower1, mat4x4<f32>(
            subgroupBroadcast(upper[0], 1u), subgroupBroadcast(upper[1], 1u),
            subgroupBroadcast(upper[2], 1u), subgroupBroadcast(upper[3], 1u)), mat4x4<f32>(
            subgroupBroadcast(lower[0], 1u), subgroupBroadcast(lower[1], 1u),
            subgroupBroadcast(lower[2], 1u), subgroupBroadcast(lower[3], 1u)), b);
        accumulate(&upper2, &lower2, mat4x4<f32>(
            subgroupBroadcast(upper[0], 2u), subgroupBroadcast(upper[1], 2u),
            subgroupBroadcast(upper[2], 2u), subgroupBroadcast(upper[3], 2u)), mat4x4<f32>(
            subgroupBroadcast(lower[0], 2u), subgroupBroadcast(lower[1], 2u),
            subgroupBroadcast(lower[2], 2u), subgroupBroadcast(lower[3], 2u)), b);
        accumulate(&upper3, &lower3, mat4x4<f32>(
            subgroupBroadcast(upper[0], 3u), subgroupBroadcast(upper[1], 3u),
            subgroupBroadcast(upper[2], 3u), subgroupBroadcast(upper[3], 3u)), mat4x4<f32>(
            subgroupBroadcast(lower[0], 3u), subgroupBroadcast(lower[1], 3u),
            subgroupBroadcast(lower[2], 3u), subgroupBroadcast(lower[3], 3u)), b);
        accumulate(&upper4, &lower4, mat4x4<f32>(
            subgroupBroadcast(upper[0], 4u), subgroupBroadcast(upper[1], 4u),
            subgroupBroadcast(upper[2], 4u), subgroupBroadcast(upper[3], 4u)), mat4x4<f32>(
            subgroupBroadcast(lower[0], 4u), subgroupBroadcast(lower[1], 4u),
            subgroupBroadcast(lower[2], 4u), subgroupBroadcast(lower[3], 4u)), b);
        accumulate(&upper5, &lower5, mat4x4<f32>(
            subgroupBroadcast(upper[0], 5u), subgroupBroadcast(upper[1], 5u),
            subgroupBroadcast(upper[2], 5u), subgroupBroadcast(upper[3], 5u)), mat4x4<f32>(
            subgroupBroadcast(lower[0], 5u), subgroupBroadcast(lower[1], 5u),
            subgroupBroadcast(lower[2], 5u), subgroupBroadcast(lower[3], 5u)), b);
        accumulate(&upper6, &lower6, mat4x4<f32>(
            subgroupBroadcast(upper[0], 6u), subgroupBroadcast(upper[1], 6u),
            subgroupBroadcast(upper[2], 6u), subgroupBroadcast(upper[3], 6u)), mat4x4<f32>(
            subgroupBroadcast(lower[0], 6u), subgroupBroadcast(lower[1], 6u),
            subgroupBroadcast(lower[2], 6u), subgroupBroadcast(lower[3], 6u)), b);
        accumulate(&upper7, &lower7, mat4x4<f32>(
            subgroupBroadcast(upper[0], 7u), subgroupBroadcast(upper[1], 7u),
            subgroupBroadcast(upper[2], 7u), subgroupBroadcast(upper[3], 7u)), mat4x4<f32>(
            subgroupBroadcast(lower[0], 7u), subgroupBroadcast(lower[1], 7u),
            subgroupBroadcast(lower[2], 7u), subgroupBroadcast(lower[3], 7u)), b);
    }
    // The sums move up, so that there is one text of the store, as in core_subgroup8.wgsl.
    let last = min(row + 64u, params.m);
    for (var at = row; at < last; at += 4u) {
        store(at, column, upper0);
        upper0 = upper1;
        upper1 = upper2;
        upper2 = upper3;
        upper3 = upper4;
        upper4 = upper5;
        upper5 = upper6;
        upper6 = upper7;
        upper7 = lower0;
        lower0 = lower1;
        lower1 = lower2;
        lower2 = lower3;
        lower3 = lower4;
        lower4 = lower5;
        lower5 = lower6;
        lower6 = lower7;
    }
    if SUM_ROWS && first == 0u {
        store_row_sums(own_row, upper_sums);
        store_row_sums(own_row + 32u, lower_sums);
    }
}
