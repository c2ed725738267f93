// exp of a NaN is NaN. WGSL leaves that open, and on SwiftShader it is 0 or infinite, so that a run would go on without a
// word. A comparison for inequality would not do: SPIR-V's ordered one is false for a NaN.

fn exp_or_nan(x: vec4<f32>) -> vec4<f32> {
    return select(x, exp(x), x == x);
}
