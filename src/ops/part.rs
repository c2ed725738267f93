//! Some columns of a table: the gradient of one of two that were joined.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows.
        rows: u32,
        /// Columns of the whole.
        width: u32,
        /// The first column of the part.
        first: u32,
        /// Columns of the part.
        count: u32,
    }
}

/// `out[row, j] = whole[row, first + j]`.
///
/// Bindings: whole `[rows, width]`, out `[rows, count]`.
pub static KERNEL: Kernel = Kernel {
    name: "part",
    bindings: &[Binding::read("whole"), Binding::write("out")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(&[include_str!("../../shaders/part.wgsl")], p.rows * p.count)
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `count` columns, from `first` on, of `rows` of `width`.
pub fn call(rows: usize, width: usize, [first, count]: [usize; 2]) -> Call {
    let params = Params {
        rows: rows as u32,
        width: width as u32,
        first: first as u32,
        count: count as u32,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [whole, out] = bind(bound);
    let p: Params = call.params();
    let (width, first, count) = (p.width as usize, p.first as usize, p.count as usize);
    let whole = whole.floats();
    parallel::chunks(
        out.floats_mut(),
        count,
        #[inline(always)]
        |(start, out)| {
            for (i, row) in out.chunks_mut(count).enumerate() {
                let at = (start / count + i) * width + first;
                row.copy_from_slice(&whole[at..at + count]);
            }
        },
    );
}
