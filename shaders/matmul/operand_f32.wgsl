// Operands as they are. operand_f16.wgsl declares the same for operands that are rounded.

alias Kept = vec4<f32>;

fn kept(values: vec4<f32>) -> Kept { return values; }

fn values(kept: Kept) -> vec4<f32> { return kept; }
