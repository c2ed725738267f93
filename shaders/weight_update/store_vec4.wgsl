// AdamW with a · b as the gradient of a weight and the sums over k of a as that of its bias; n is a multiple of four.
// Bindings:   parameters, first, second   [m, n] weight, and from params.bias on [m] bias; arrays padded to a multiple
//                                         of four
//             counters                    [step, …]
//             scalars                     [learning rate, gradient scale]

const SUM_ROWS: bool = true;

@group(0) @binding(3) var<storage, read_write> parameters: array<Four>;
@group(0) @binding(4) var<storage, read_write> first: array<Four>;
@group(0) @binding(5) var<storage, read_write> second: array<Four>;
@group(0) @binding(6) var<storage, read> counters: array<u32>;
@group(0) @binding(7) var<storage, read> scalars: array<f32>;

fn update(at: u32, gradient: vec4<f32>, rates: Rates) {
    let before = Moments(floats(parameters[at]), floats(first[at]), floats(second[at]));
    let after = adam(before, gradient, rates);
    first[at] = four(after.m);
    second[at] = four(after.v);
    parameters[at] = four(after.p);
}

fn store(row: u32, column: u32, block: mat4x4<f32>) {
    let rates = rates();
    for (var i = 0u; i < 4u; i++) {
        if row + i < params.m && column < params.n {
            update(((row + i) * params.n + column) / 4u, block[i], rates);
        }
    }
}

fn store_row_sums(row: u32, sums: vec4<f32>) {
    if row >= params.m { return; }
    // Past the last row, sums are zero and so is the padding, which stays so.
    update((params.bias + row) / 4u, sums, rates());
}
