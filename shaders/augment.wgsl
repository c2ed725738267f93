// Formula:    out[row, y, x, c] = input[row, reflected(y + down), reflected(x' + right), c], where x' is x, or width − 1 − x
//             where the row's image is mirrored. With FLIP it is with probability 1/2; down and right are each a whole
//             number of −crop to crop, all as likely. reflected(−i) = i and reflected(last + i) = last − i.
// Bindings:   counters  [step, …]
//             input     [rows, values], values = height · width · channels
//             out       [rows, values]
// Invocation: makes four consecutive values; an image is drawn for once as long as they are of one.
// Hazard:     values beyond the last are not written. A draw is block first + row of the stream (key, purpose, step), where
//             first rows of the whole batch come before these: a part of a batch is moved as in the whole. One reflection
//             is enough, as crop is less than either side.

struct Params {
    rows: u32,
    values: u32,
    width: u32,
    channels: u32,
    crop: u32,
    key_low: u32,
    key_high: u32,
    purpose: u32,
    first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> counters: array<u32>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

override FLIP: u32 = 0u;

struct Move {
    mirrored: bool,
    down: i32,
    right: i32,
}

fn drawn(row: u32) -> Move {
    let key = vec2<u32>(params.key_low, params.key_high);
    let four = philox(key, params.purpose, counters[0], params.first + row);
    let span = 2u * params.crop + 1u;
    let crop = i32(params.crop);
    let down = i32(multiply_high(four.y, span)) - crop;
    let right = i32(multiply_high(four.z, span)) - crop;
    return Move(FLIP != 0u && four.x >= 0x80000000u, down, right);
}

fn reflected(at: i32, size: u32) -> u32 {
    let last = i32(size) - 1;
    return u32(last - abs(last - abs(at)));
}

// Where value j of a moved image lies in the image.
fn source(j: u32, by: Move) -> u32 {
    let pixel = j / params.channels;
    let y = pixel / params.width;
    let x = pixel - y * params.width;
    let height = params.values / (params.width * params.channels);
    let from_y = reflected(i32(y) + by.down, height);
    let from_x = reflected(i32(select(x, params.width - 1u - x, by.mirrored)) + by.right, params.width);
    return (from_y * params.width + from_x) * params.channels + (j - pixel * params.channels);
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = 4u * linear_invocation(workgroup, count, lane);
    let elements = params.rows * params.values;
    var row = first / params.values;
    var by = drawn(row);
    for (var i = 0u; i < 4u; i++) {
        let element = first + i;
        if element < elements {
            if element / params.values != row {
                row = element / params.values;
                by = drawn(row);
            }
            let start = row * params.values;
            out[element] = input[start + source(element - start, by)];
        }
    }
}
