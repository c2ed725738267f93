//! Classes as values: 1 in the place of a row's class, 0 elsewhere. A linear layer of them is an embedding.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of values.
        rows: u32,
        /// Classes.
        count: u32,
        /// Rows of each image, one behind the other.
        samples: u32,
        /// Number of the first image within the whole batch.
        first: u32,
    }
}

/// `out[row, k] = 1` where the class of the row is k, otherwise 0; selector `ORDERED`: whether images are those of a batch,
/// `order[position + first + row / samples]`, rather than `row / samples`.
///
/// Bindings: classes `[images]`, order, counters `[step, position, row]`, out `[rows, count]`. Where images have no order,
/// the second and the third are not read, and may be any words.
pub static KERNEL: Kernel = Kernel {
    name: "one_hot",
    bindings: &[
        Binding::words("classes").touching(|call| {
            let p: Params = call.params();
            p.rows.div_ceil(p.samples) as usize
        }),
        Binding::words("order").touching(|call| {
            let p: Params = call.params();
            call.selector("ORDERED") as usize * p.rows.div_ceil(p.samples) as usize
        }),
        Binding::words("counters").touching(|call| 3 * call.selector("ORDERED") as usize),
        Binding::write("out"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[include_str!("../../shaders/one_hot.wgsl")],
            p.rows * p.count,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for so many images with so many codes each, of `count` classes. With `first`, the place of the first image in
/// the whole batch, they are the next ones of a split; without it the classes are theirs as they are.
pub fn call([images, samples]: [usize; 2], count: usize, first: Option<usize>) -> Call {
    let params = Params {
        rows: (images * samples) as u32,
        count: count as u32,
        samples: samples as u32,
        first: first.unwrap_or(0) as u32,
    };
    Call::new(params, &[("ORDERED", u32::from(first.is_some()))])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [classes, order, counters, out] = bind(bound);
    let p: Params = call.params();
    let (classes, order, counters) = (classes.words(), order.words(), counters.words());
    let ordered = call.selector("ORDERED") != 0;
    let (count, samples) = (p.count as usize, p.samples as usize);
    parallel::chunks(
        out.floats_mut(),
        count,
        #[inline(always)]
        |(first, out)| {
            for (i, row) in out.chunks_mut(count).enumerate() {
                let mut image = (first / count + i) / samples;
                if ordered {
                    image = order[counters[1] as usize + p.first as usize + image] as usize;
                }
                row.fill(F::ZERO);
                if let Some(own) = row.get_mut(classes[image] as usize) {
                    *own = F::ONE;
                }
            }
        },
    );
}
