// Four consecutive floats as storage holds them. lib/four_longs.wgsl declares the same for other loads.

alias Four = vec4<f32>;

fn floats(four: Four) -> vec4<f32> { return four; }

fn four(values: vec4<f32>) -> Four { return values; }
