// AdamW with a · b as the gradient of a weight and the sums over k of a as that of its bias, of any size.
// Bindings:   parameters, first, second   [m, n] weight, and from params.bias on [m] bias; arrays padded to a multiple
//                                         of four
//             counters                    [step, …]
//             scalars                     [learning rate, gradient scale]

const SUM_ROWS: bool = true;

@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> first: array<f32>;
@group(0) @binding(5) var<storage, read_write> second: array<f32>;
@group(0) @binding(6) var<storage, read> counters: array<u32>;
@group(0) @binding(7) var<storage, read> scalars: array<f32>;

fn update(at: u32, gradient: f32, rates: Rates) {
    let before = Moments(vec4<f32>(parameters[at]), vec4<f32>(first[at]), vec4<f32>(second[at]));
    let after = adam(before, vec4<f32>(gradient), rates);
    first[at] = after.m.x;
    second[at] = after.v.x;
    parameters[at] = after.p.x;
}

fn store(row: u32, column: u32, block: mat4x4<f32>) {
    let rates = rates();
    for (var i = 0u; i < 4u; i++) {
        for (var j = 0u; j < 4u; j++) {
            if row + i < params.m && column + j < params.n {
                update((row + i) * params.n + column + j, block[i][j], rates);
            }
        }
    }
}

fn store_row_sums(row: u32, sums: vec4<f32>) {
    let rates = rates();
    for (var i = 0u; i < 4u; i++) {
        if row + i < params.m { update(params.bias + row + i, sums[i], rates); }
    }
}
