// Formula:    c[m, n] = store(a[m, k] · b[k, n]), with slices of both operands in workgroup memory.
// Bindings:   a [m, k], b [k, n], c [m, n], and what the store adds; the parts declare them
// Invocation: 4 × 4 of the TILE × TILE tile of its workgroup. TILE/2 of k at a time, so that each invocation loads
//             exactly one block of one operand.
// Hazard:     past the edges blocks are loaded as well, because no invocation may miss a barrier; what they make is not
//             stored.

override TILE: u32 = 32u;
override SIDE: u32 = 8u; // TILE / 4: invocations a side
override SLOTS: u32 = 128u; // TILE · TILE / 8: vec4 of an operand's slice

// [k, TILE / 4] each: for one k, the tile's rows of a and columns of b.
var<workgroup> slice_a: array<Kept, SLOTS>;
var<workgroup> slice_b: array<Kept, SLOTS>;

@compute @workgroup_size(SIDE, SIDE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles_across = (params.n + TILE - 1u) / TILE;
    let tiles = (params.m + TILE - 1u) / TILE * tiles_across;
    let all = linear_workgroup(workgroup, count);
    let part_number = all / tiles;
    let tile = of_part(all, tiles);
    let top = tile / tiles_across * TILE;
    let first = tile % tiles_across * TILE;
    let depth = TILE / 2u;
    let half = SIDE * SIDE / 2u;
    let part = lane % half;
    // Blocks of the slice: SIDE across the tile, SIDE / 2 along k.
    let across = 4u * (part % SIDE);
    let along = 4u * (part / SIDE);
    let rows = rows_a(top + across);
    let columns = columns_b(first + across);
    let end = end_k(part_number);
    var block = ZERO;
    var sums = vec4<f32>(0.0);
    for (var k = first_k(part_number); k < end; k += depth) {
        if lane < half {
            // Columns of the block of a are what a k needs side by side.
            let loaded = transpose(load_a(rows, k + along));
            for (var i = 0u; i < 4u; i++) { slice_a[(along + i) * SIDE + across / 4u] = kept(loaded[i]); }
        } else {
            let loaded = load_b(k + along, columns);
            for (var i = 0u; i < 4u; i++) { slice_b[(along + i) * SIDE + across / 4u] = kept(loaded[i]); }
        }
        workgroupBarrier();
        for (var i = 0u; i < depth; i++) {
            let left = values(slice_a[i * SIDE + local.y]);
            let right = values(slice_b[i * SIDE + local.x]);
            block[0] += left.x * right;
            block[1] += left.y * right;
            block[2] += left.z * right;
            block[3] += left.w * right;
            if SUM_ROWS { sums += left; }
        }
        workgroupBarrier();
    }
    let row = top + 4u * local.y;
    let column = first + 4u * local.x;
    store(row, column, block);
    if SUM_ROWS && column == 0u { store_row_sums(row, sums); }
}
