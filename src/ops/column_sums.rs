//! Sums over rows, in parts: the gradient of a bias that every pixel of a map has.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows.
        rows: u32,
        /// Values of a row.
        columns: u32,
        /// Parts of the rows.
        parts: u32,
        /// Rows of a part; the last ones may have fewer or none.
        share: u32,
    }
}

/// Partial sums over rows.
///
/// Bindings: values `[rows, columns]`, partials `[parts, columns]`.
pub static KERNEL: Kernel = Kernel {
    name: "column_sums",
    bindings: &[Binding::read("values"), Binding::write("partials")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[include_str!("../../shaders/column_sums.wgsl")],
            p.parts * p.columns,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// Parts of the rows: enough to fill a GPU, few enough that adding them up is nothing.
pub fn parts(rows: usize, columns: usize) -> usize {
    rows.div_ceil(32).clamp(1, (8192 / columns).clamp(1, 256))
}

/// The call for `rows` of `columns` values, in [`parts`].
pub fn call(rows: usize, columns: usize) -> Call {
    let parts = parts(rows, columns);
    let params = Params {
        rows: rows as u32,
        columns: columns as u32,
        parts: parts as u32,
        share: rows.div_ceil(parts) as u32,
    };
    Call::new(params, &[])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [values, partials] = bind(bound);
    let p: Params = call.params();
    let (columns, share) = (p.columns as usize, p.share as usize);
    let values = &values.floats()[..p.rows as usize * columns];
    parallel::chunks_of(
        share,
        partials.floats_mut(),
        columns,
        #[inline(always)]
        |(first, partials)| {
            for (i, sums) in partials.chunks_mut(columns).enumerate() {
                let from = ((first / columns + i) * share * columns).min(values.len());
                let to = (from + share * columns).min(values.len());
                sums.fill(F::ZERO);
                for row in values[from..to].chunks(columns) {
                    let pairs = sums.iter_mut().zip(row);
                    pairs.for_each(|(sum, &value)| *sum += value);
                }
            }
        },
    );
}
