//! A copy: the bandwidth by which `elbo bench` judges the other kernels.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values.
        count: u32,
    }
}

/// `out = input`, `[count]` each.
pub static KERNEL: Kernel = Kernel {
    name: "copy",
    bindings: &[Binding::read("input"), Binding::write("out")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[include_str!("../../shaders/copy.wgsl")],
            call.params::<Params>().count.div_ceil(4),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The copy of `count` values.
pub fn call(count: usize) -> Call {
    let count = count as u32;
    Call::new(Params { count }, &[])
}

fn twin<F: Real>(_: &Call, bound: &mut [Bound<'_, F>]) {
    let [input, out] = bind(bound);
    let input = input.floats();
    parallel::chunks(
        out.floats_mut(),
        1,
        #[inline(always)]
        |(first, out)| out.copy_from_slice(&input[first..first + out.len()]),
    );
}
