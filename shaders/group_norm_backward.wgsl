// Formula:    the gradients of out = activate(u), u = weight·unit + bias, unit = (input − mean)·reciprocal, of
//             group_norm.wgsl:
//               g = d_output ∘ slope(u)
//               d_weight = Σ g·unit, d_bias = Σ g, over the pixels of each image
//               d_input = reciprocal·(weight·g − mean(weight·g) − unit·mean(weight·g·unit)), means over the group; with
//               SKIP 1 and the gradient of a connection around it, skip
// Bindings:   input, d_output, d_input   [images, pixels, channels]
//             skip                       [images, pixels, channels]; not touched with SKIP 0
//             stats                      [images, groups, 2]: mean and reciprocal
//             parameters                 [channels] of the weight, and from params.bias on as many of the bias
//             weights, biases            [images, channels]: d_weight and d_bias of each image
// Invocation: a lane of a group, as in group_norm.wgsl.
// Hazard:     the sums over all pixels of a batch are made in two stages, image by image, so that they keep their digits.

struct Params {
    images: u32,
    pixels: u32,
    channels: u32,
    groups: u32,
    bias: u32, // place of the bias among the parameters
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Stored>;
@group(0) @binding(2) var<storage, read> stats: array<f32>;
@group(0) @binding(3) var<storage, read> parameters: array<Stored>;
@group(0) @binding(4) var<storage, read> d_output: array<Stored>;
@group(0) @binding(5) var<storage, read> skip: array<Stored>;
@group(0) @binding(6) var<storage, read_write> d_input: array<Stored>;
@group(0) @binding(7) var<storage, read_write> weights: array<Stored>;
@group(0) @binding(8) var<storage, read_write> biases: array<Stored>;

override SKIP: u32 = 0u;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let group = group_of(workgroup, count, index);
    if group >= params.images * params.groups { return; }
    let across = units(params.channels);
    let size = across / params.groups;
    let image = group / params.groups;
    let first_channel = group % params.groups * size;
    let first = image * params.pixels * across + first_channel;
    let lane = lane_of(index);
    let width = min(size, lanes());
    let rows = lanes() / width;
    let row = lane / width;
    // Lanes that are no whole row take no pixel.
    let end = select(0u, params.pixels, row < rows);
    let values = f32(params.pixels * (params.channels / params.groups));
    let mean = stats[2u * group];
    let reciprocal = stats[2u * group + 1u];
    var totals = Pair(Unit(), Unit());
    // Blocks of columns rather than columns, as all lanes have to come to the sums.
    for (var block = 0u; block < size; block += width) {
        let column = block + lane % width;
        let channel = first_channel + column;
        var sums = Pair(Unit(), Unit());
        if column < size {
            let scale = loaded(parameters[channel]);
            let shift = loaded(parameters[units(params.bias) + channel]);
            for (var pixel = row; pixel < end; pixel += rows) {
                let at = first + pixel * across + column;
                let unit = (loaded(input[at]) - mean) * reciprocal;
                let g = loaded(d_output[at]) * sloped(unit * scale + shift);
                sums += Pair(g * unit, g);
            }
            totals += Pair(scale * sums[0], scale * sums[1]);
        }
        let of_column = over_rows(sums, lane, width);
        if row == 0u && column < size {
            weights[image * across + channel] = stored(of_column[0]);
            biases[image * across + channel] = stored(of_column[1]);
        }
    }
    totals = over_rows(totals, lane, 1u);
    let along = total(totals[0]) / values;
    let level = total(totals[1]) / values;
    for (var column = lane % width; column < size; column += width) {
        let scale = loaded(parameters[first_channel + column]);
        let shift = loaded(parameters[units(params.bias) + first_channel + column]);
        for (var pixel = row; pixel < end; pixel += rows) {
            let at = first + pixel * across + column;
            let unit = (loaded(input[at]) - mean) * reciprocal;
            let g = loaded(d_output[at]) * sloped(unit * scale + shift);
            var gradient = reciprocal * (scale * g - level - unit * along);
            if SKIP != 0u { gradient += loaded(skip[at]); }
            d_input[at] = stored(gradient);
        }
    }
}
