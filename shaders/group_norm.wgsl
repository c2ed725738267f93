// Formula:    for each group of the channels of each image by itself (Wu and He 2018):
//               mean = Σ input / count, variance = Σ (input − mean)² / count, reciprocal = 1/√(variance + ε)
//               out = activate((input − mean)·reciprocal·weight + bias)
// Bindings:   input, out     [images, pixels, channels]
//             weight, bias   [channels]
//             stats          [images, groups, 2]: mean and reciprocal, for the way back
// Invocation: a lane of a group. Lanes lie in rows, as wide as the group's units of channels or as there are lanes; each
//             keeps to its columns, and takes every pixel that is its row's turn.
// Hazard:     Σ input² − mean² would cancel where the mean is large beside the deviation; so the variance has a pass of
//             its own.

struct Params {
    images: u32,
    pixels: u32,
    channels: u32,
    groups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Stored>;
@group(0) @binding(2) var<storage, read> weight: array<Stored>;
@group(0) @binding(3) var<storage, read> bias: array<Stored>;
@group(0) @binding(4) var<storage, read_write> out: array<Stored>;
@group(0) @binding(5) var<storage, read_write> stats: array<f32>;

// As in `ops::group_norm`.
const NORM_EPSILON: f32 = 1e-5;

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
    let first_channel = group % params.groups * size;
    let first = group / params.groups * params.pixels * across + first_channel;
    let lane = lane_of(index);
    let width = min(size, lanes());
    let rows = lanes() / width;
    let row = lane / width;
    // Lanes that are no whole row take no pixel.
    let end = select(0u, params.pixels, row < rows);
    let values = f32(params.pixels * (params.channels / params.groups));
    var sum = Unit();
    for (var column = lane % width; column < size; column += width) {
        for (var pixel = row; pixel < end; pixel += rows) {
            sum += loaded(input[first + pixel * across + column]);
        }
    }
    let mean = total(over_rows(Pair(sum, Unit()), lane, 1u)[0]) / values;
    var squares = Unit();
    for (var column = lane % width; column < size; column += width) {
        for (var pixel = row; pixel < end; pixel += rows) {
            let off = loaded(input[first + pixel * across + column]) - mean;
            squares += off * off;
        }
    }
    let variance = total(over_rows(Pair(squares, Unit()), lane, 1u)[0]) / values;
    let reciprocal = 1.0 / sqrt(variance + NORM_EPSILON);
    for (var column = lane % width; column < size; column += width) {
        let scale = reciprocal * loaded(weight[first_channel + column]);
        let shift = loaded(bias[first_channel + column]);
        for (var pixel = row; pixel < end; pixel += rows) {
            let at = first + pixel * across + column;
            out[at] = stored(activated((loaded(input[at]) - mean) * scale + shift));
        }
    }
    if lane == 0u {
        stats[2u * group] = mean;
        stats[2u * group + 1u] = reciprocal;
    }
}
