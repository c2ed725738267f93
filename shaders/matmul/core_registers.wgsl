// Core without workgroup memory and barriers: an invocation computes 16 rows × 8 columns in registers.
// A workgroup is 8 invocations with consecutive tiles, numbered row of tiles by row of tiles.

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles_across = (params.n + 7u) / 8u;
    let tile = (workgroup.x + workgroup.y * count.x) * 8u + lane;
    let row = tile / tiles_across * 16u;
    let column = tile % tiles_across * 8u;
    if row >= params.m { return; }
    var left = array<mat4x4<f32>, 4>();
    var right = array<mat4x4<f32>, 4>();
    var sums = array<vec4<f32>, 4>();
    for (var k = 0u; k < params.k; k += 4u) {
        let b0 = load_b(k, column);
        let b1 = load_b(k, column + 4u);
        for (var i = 0u; i < 4u; i++) {
            let block = load_a(row + 4u * i, k);
            left[i] += b0 * block;
            right[i] += b1 * block;
            if SUM_ROWS { sums[i] += vec4<f32>(1.0) * block; }
        }
    }
    for (var i = 0u; i < 4u; i++) {
        store(row + 4u * i, column, left[i]);
        store(row + 4u * i, column + 4u, right[i]);
        if SUM_ROWS && column == 0u { store_row_sums(row + 4u * i, sums[i]); }
    }
}
