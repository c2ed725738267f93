//! Second stage of the gradient's norm: the scale that keeps it within a bound.

use crate::kernel::{Binding, Bound, Call, ELEMENTWISE_GROUP, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Partial sums.
        threads: u32,
        /// Images of the batch.
        rows: u32,
        /// Largest norm of the gradient of the mean loss per image.
        bound: f32,
    }
}

/// `scalars[1] = min(1, bound · rows / ‖g‖)`; NaN where the norm is not finite.
///
/// Bindings: partials `[threads]` (sums of squares), scalars `[learning rate, gradient scale]`.
pub static KERNEL: Kernel = Kernel {
    name: "clip",
    bindings: &[Binding::read("partials"), Binding::update("scalars")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |_, _| {
        elementwise(
            &[include_str!("../../shaders/clip.wgsl")],
            ELEMENTWISE_GROUP,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for a batch of `rows` images.
pub fn call(threads: u32, rows: usize, bound: f32) -> Call {
    let rows = rows as u32;
    Call::new(
        Params {
            threads,
            rows,
            bound,
        },
        &[],
    )
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [partials, scalars] = bind(bound);
    let p: Params = call.params();
    let total: f64 = partials.floats().iter().map(|v| v.wide()).sum();
    let norm = total.sqrt();
    let most = f64::from(p.bound) * f64::from(p.rows);
    // As narrow as the sum of the shader, which overflows where this one does not.
    let scale = if !(total as f32).is_finite() {
        f64::NAN
    } else if norm <= most {
        1.0
    } else {
        most / norm
    };
    scalars.floats_mut()[1] = F::new(scale);
}
