//! A sum of two values: a layer, and the gradient of a value that is used twice.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Values.
        count: u32,
    }
}

/// `out = a + b`, `[count]` each.
pub static KERNEL: Kernel = Kernel {
    name: "add",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("out"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[include_str!("../../shaders/add.wgsl")],
            call.params::<Params>().count.div_ceil(4),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The sum of two times `count` values.
pub fn call(count: usize) -> Call {
    let count = count as u32;
    Call::new(Params { count }, &[])
}

fn twin<F: Real>(_: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, out] = bind(bound);
    let (a, b) = (a.floats(), b.floats());
    parallel::chunks(
        out.floats_mut(),
        1,
        #[inline(always)]
        |(first, out)| {
            let terms = a[first..].iter().zip(&b[first..]);
            for (out, (&a, &b)) in out.iter_mut().zip(terms) {
                *out = a + b;
            }
        },
    );
}
