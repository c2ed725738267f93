// Formula:    c[m, n] = store(a[m, k] · b[k, n]), with k split among the parts of a workgroup: for products of few
//             tiles, which would leave most of a large device without work.
// Bindings:   a [m, k], b [k, n], c [m, n], and what the store adds; the parts declare them
// Invocation: 4 × 4 of a TILE × TILE tile, for one of PARTS parts. They take turns along k, TILE/2 of it at a time, so
//             that each invocation loads exactly one block of one operand, and add up what they have at the end.
// Hazard:     the parts are added in order, so that a result is the same every time; no invocation may miss a barrier.

override TILE: u32 = 32u;
override SIDE: u32 = 8u; // TILE / 4: invocations a side
override SLOTS: u32 = 128u; // TILE · TILE / 8: vec4 of an operand's slice
override PARTS: u32 = 4u; // 256 / (SIDE · SIDE)

// For each part the slices of a and b as in core_workgroup.wgsl; then its sums.
var<workgroup> shared_values: array<vec4<f32>, 1024>;

@compute @workgroup_size(SIDE, SIDE, PARTS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let tiles_across = (params.n + TILE - 1u) / TILE;
    let tiles = (params.m + TILE - 1u) / TILE * tiles_across;
    let all = linear_workgroup(workgroup, count);
    let part_number = all / tiles;
    let tile = of_part(all, tiles);
    let top = tile / tiles_across * TILE;
    let first = tile % tiles_across * TILE;
    let depth = TILE / 2u;
    let group = SIDE * SIDE;
    let lane = local.y * SIDE + local.x;
    let part = lane % (group / 2u);
    let across = 4u * (part % SIDE);
    let along = 4u * (part / SIDE);
    let slice_a = 2u * SLOTS * local.z;
    let slice_b = slice_a + SLOTS;
    let rows = rows_a(top + across);
    let columns = columns_b(first + across);
    let end = end_k(part_number);
    var block = ZERO;
    var sums = vec4<f32>(0.0);
    for (var k = first_k(part_number); k < end; k += PARTS * depth) {
        let start = k + depth * local.z;
        if lane < group / 2u {
            // Columns of the block of a are what a k needs side by side.
            let loaded = transpose(load_a(rows, start + along));
            for (var i = 0u; i < 4u; i++) {
                shared_values[slice_a + (along + i) * SIDE + across / 4u] = loaded[i];
            }
        } else {
            let loaded = load_b(start + along, columns);
            for (var i = 0u; i < 4u; i++) {
                shared_values[slice_b + (along + i) * SIDE + across / 4u] = loaded[i];
            }
        }
        workgroupBarrier();
        for (var i = 0u; i < depth; i++) {
            let left = shared_values[slice_a + i * SIDE + local.y];
            let right = shared_values[slice_b + i * SIDE + local.x];
            block[0] += left.x * right;
            block[1] += left.y * right;
            block[2] += left.z * right;
            block[3] += left.w * right;
            if SUM_ROWS { sums += left; }
        }
        workgroupBarrier();
    }
    let own = slice_a + 4u * lane;
    for (var i = 0u; i < 4u; i++) { shared_values[own + i] = block[i]; }
    workgroupBarrier();
    let row = top + 4u * local.y;
    let column = first + 4u * local.x;
    if local.z == 0u {
        for (var other = 1u; other < PARTS; other++) {
            let at = 2u * SLOTS * other + 4u * lane;
            block += mat4x4<f32>(
                shared_values[at],
                shared_values[at + 1u],
                shared_values[at + 2u],
                shared_values[at + 3u],
            );
        }
        store(row, column, block);
    }
    if SUM_ROWS {
        workgroupBarrier();
        shared_values[own] = sums;
        workgroupBarrier();
        if local.z == 0u && column == 0u {
            for (var other = 1u; other < PARTS; other++) {
                sums += shared_values[2u * SLOTS * other + 4u * lane];
            }
            store_row_sums(row, sums);
        }
    }
}
