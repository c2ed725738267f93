// Units of neighbouring channels that are computed with at once: one. lib/units_vec4.wgsl declares the same for four.

alias Stored = f32;
alias Unit = f32;
alias Pair = vec2<f32>;

fn loaded(stored: Stored) -> Unit { return stored; }

fn stored(unit: Unit) -> Stored { return unit; }

fn total(unit: Unit) -> f32 { return unit; }

fn units(values: u32) -> u32 { return values; }

fn activated(unit: Unit) -> Unit { return activate(vec4<f32>(unit)).x; }

fn sloped(unit: Unit) -> Unit { return slope(vec4<f32>(unit)).x; }
