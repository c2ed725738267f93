// Four consecutive floats as storage holds them, moved as two integers of 64 bits: a software driver
// spends as long on a component of a load or store, whatever its width. Least significant half first.

alias Four = vec2<u64>;

fn floats(four: Four) -> vec4<f32> {
    let low = vec2<u32>(four);
    let high = vec2<u32>(four >> vec2<u32>(32u));
    return bitcast<vec4<f32>>(vec4<u32>(low.x, high.x, low.y, high.y));
}

fn four(values: vec4<f32>) -> Four {
    let words = bitcast<vec4<u32>>(values);
    return vec2<u64>(words.xz) | (vec2<u64>(words.yw) << vec2<u32>(32u));
}
