//! Two tables side by side.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows.
        rows: u32,
        /// Columns of a.
        left: u32,
        /// Columns of b.
        right: u32,
    }
}

/// `out[row] = [a[row], b[row]]`.
///
/// Bindings: a `[rows, left]`, b `[rows, right]`, out `[rows, left + right]`.
pub static KERNEL: Kernel = Kernel {
    name: "join",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("out"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[include_str!("../../shaders/join.wgsl")],
            p.rows * (p.left + p.right),
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `rows` of so many columns each.
pub fn call(rows: usize, [left, right]: [usize; 2]) -> Call {
    let params = Params {
        rows: rows as u32,
        left: left as u32,
        right: right as u32,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, out] = bind(bound);
    let p: Params = call.params();
    let (left, right) = (p.left as usize, p.right as usize);
    let (a, b) = (a.floats(), b.floats());
    parallel::chunks(
        out.floats_mut(),
        left + right,
        #[inline(always)]
        |(first, out)| {
            for (i, row) in out.chunks_mut(left + right).enumerate() {
                let at = first / (left + right) + i;
                row[..left].copy_from_slice(&a[at * left..][..left]);
                row[left..].copy_from_slice(&b[at * right..][..right]);
            }
        },
    );
}
