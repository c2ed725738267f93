//! Second stage of the loss sums; moves the training state on.

use crate::kernel::{Binding, Bound, Call, ELEMENTWISE_GROUP, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of partial sums.
        threads: u32,
        /// Columns of them that are terms, 3 at most.
        terms: u32,
        /// Place of the first of them in a row of the log.
        first: u32,
        /// Numbers of a row of the log.
        width: u32,
        /// Whether the row of the log ends here; 0 while other terms of it follow.
        ends: u32,
        /// Images of the step that ends here; 0 where other rows of its batch follow.
        rows: u32,
    }
}

/// Sums partial losses into a row of the log; behind its last term moves on to the next, and counts the step. With selector `SIGMA` the last
/// column is the gradient of log sigma.
///
/// Bindings: partials `[threads, 4]`, counters `[step, position, row]`, log `[rows of the log, width]` (terms, summed
/// over the batch), d_log_sigma `[1]`.
pub static KERNEL: Kernel = Kernel {
    name: "record",
    bindings: &[
        Binding::read("partials"),
        Binding::update_words("counters"),
        Binding::update("log").touching(|call| call.params::<Params>().terms as usize),
        Binding::write("d_log_sigma").touching(|call| call.selector("SIGMA") as usize),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |_, _| {
        elementwise(
            &[include_str!("../../shaders/record.wgsl")],
            ELEMENTWISE_GROUP,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// Which numbers of a row of the log partial sums are.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// How many.
    pub terms: usize,
    /// Place of the first.
    pub first: usize,
    /// Numbers of a row.
    pub width: usize,
}

/// The call for partial sums, with the gradient of log sigma where `sigma`. `ends`: `None` while other terms of the row
/// follow, or else the images of the step that ends here, 0 where it does not.
pub fn call(threads: u32, columns: Columns, sigma: bool, ends: Option<usize>) -> Call {
    let params = Params {
        threads,
        terms: columns.terms as u32,
        first: columns.first as u32,
        width: columns.width as u32,
        ends: u32::from(ends.is_some()),
        rows: ends.unwrap_or(0) as u32,
    };
    Call::new(params, &[("SIGMA", u32::from(sigma))])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [partials, counters, log, d_log_sigma] = bind(bound);
    let p: Params = call.params();
    // Four rows side by side, so that no sum waits for the one before.
    let mut sums = [0.0; 16];
    for rows in partials.floats().chunks(16) {
        for (sum, value) in sums.iter_mut().zip(rows) {
            *sum += value.wide();
        }
    }
    let total: [f64; 4] = std::array::from_fn(|i| sums.iter().skip(i).step_by(4).sum());
    let counters = counters.words_mut();
    let at = (p.width * counters[2] + p.first) as usize;
    let terms = &mut log.floats_mut()[at..at + p.terms as usize];
    for (term, total) in terms.iter_mut().zip(total) {
        *term = F::new(total);
    }
    if call.selector("SIGMA") != 0 {
        d_log_sigma.floats_mut()[0] = F::new(total[3]);
    }
    if p.ends > 0 {
        counters[2] += 1;
    }
    if p.rows > 0 {
        counters[0] += 1;
        counters[1] += p.rows;
    }
}
