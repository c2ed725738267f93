// Operands rounded to f16, in which workgroup memory keeps them; products and sums stay f32.
// Hazard: beyond 65,504 f16 is infinite, and the host finds the NaN that comes of it. Gradients are those of a
// batch's summed loss, at most about 1 a value, so that they need no scale of their own against its least values.

alias Kept = vec4<f16>;

fn kept(values: vec4<f32>) -> Kept { return vec4<f16>(values); }

fn values(kept: Kept) -> vec4<f32> { return vec4<f32>(kept); }
