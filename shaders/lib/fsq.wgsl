// Finite scalar quantisation: what bounds the values of a channel of so many levels.
//
// Hazards: tanh's argument is bounded, as its exponentials may overflow on some devices.

struct Params {
    count: u32,
    channels: u32,
    first: u32,  // levels of the first four channels, a byte each
    second: u32, // levels of the next four
}

const FSQ_MARGIN: f32 = 1e-3;

struct Channel {
    half: f32,
    offset: f32,
    shift: f32,
    unit: f32,
}

fn channel_of(at: u32, params: Params) -> Channel {
    let channel = at % params.channels;
    let levels = (select(params.second, params.first, channel < 4u) >> (8u * (channel % 4u))) & 255u;
    let l = f32(levels);
    let within = (l - 1.0) * FSQ_MARGIN;
    let is_even = levels % 2u == 0u;
    // atanh(½/half), without the difference of near numbers that two levels would have.
    let shift = 0.5 * log((l + within) / (max(l - 2.0, 0.0) + within));
    return Channel(
        0.5 * (l - 1.0 + within),
        select(0.0, 0.5, is_even),
        select(0.0, shift, is_even),
        f32(levels / 2u),
    );
}

fn tanh_within(x: f32) -> f32 {
    return tanh(clamp(x, -15.0, 15.0));
}
