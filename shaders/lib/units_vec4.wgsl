// Units of neighbouring channels that are computed with at once: four. lib/units_scalar.wgsl declares the same for one.

alias Stored = Four;
alias Unit = vec4<f32>;
alias Pair = mat2x4<f32>;

fn loaded(stored: Stored) -> Unit { return floats(stored); }

fn stored(unit: Unit) -> Stored { return four(unit); }

fn total(unit: Unit) -> f32 { return dot(unit, vec4<f32>(1.0)); }

fn units(values: u32) -> u32 { return values / 4u; }

fn activated(unit: Unit) -> Unit { return activate(unit); }

fn sloped(unit: Unit) -> Unit { return slope(unit); }
