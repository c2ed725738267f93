//! Matrix products, in four kernels.
//!
//! [`MATMUL`] has every transposition; [`LINEAR`], [`INPUT_GRADIENT`] and [`WEIGHT_GRADIENT`] are the
//! three products of a linear layer y = activate(x·Wᵀ + b), with W stored `[out, in]`.

use super::activation::{activate, times_derivative};
use super::product::{Store, variants};
use crate::kernel::{Binding, Bound, Call, Kernel, Layout, Precision, Real, bind};

crate::params! {
    /// Sizes of a product `[m, k] · [k, n]`.
    pub struct Params {
        /// Rows of the result.
        m: u32,
        /// Columns of the result.
        n: u32,
        /// Length of the sums.
        k: u32,
    }
}

/// `c = a · b`; selectors `TRANSPOSE_A` (a is stored `[k, m]`) and `TRANSPOSE_B` (b is stored `[n, k]`).
pub static MATMUL: Kernel = Kernel {
    name: "matmul",
    bindings: &[Binding::read("a"), Binding::read("b"), Binding::write("c")],
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| variants(call, sizes(call), device, Store::Plain),
    twin: twin_matmul::<f32>,
    oracle: twin_matmul::<f64>,
};

/// `c[rows, out] = activate(a[rows, in] · b[out, in]ᵀ + side[out])`; selector `ACTIVATION`.
pub static LINEAR: Kernel = Kernel {
    name: "linear",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("c"),
        Binding::read("side"),
    ],
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| variants(call, sizes(call), device, Store::Activation),
    twin: twin_linear::<f32>,
    oracle: twin_linear::<f64>,
};

/// `c[rows, in] = (a[rows, out] · b[out, in]) ∘ derivative(side[rows, in])`; selector `ACTIVATION`.
pub static INPUT_GRADIENT: Kernel = Kernel {
    name: "input_gradient",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("c"),
        Binding::read("side"),
    ],
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| variants(call, sizes(call), device, Store::Derivative),
    twin: twin_input_gradient::<f32>,
    oracle: twin_input_gradient::<f64>,
};

/// `c[out, in] = a[rows, out]ᵀ · b[rows, in]` and `row_sums[out] = Σ over rows of a`: the gradients of
/// weight and bias.
pub static WEIGHT_GRADIENT: Kernel = Kernel {
    name: "weight_gradient",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("c"),
        Binding::write("row_sums"),
    ],
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| variants(call, sizes(call), device, Store::Gradient),
    twin: twin_weight_gradient::<f32>,
    oracle: twin_weight_gradient::<f64>,
};

fn params(m: usize, n: usize, k: usize) -> Params {
    Params {
        m: m as u32,
        n: n as u32,
        k: k as u32,
    }
}

/// The call of [`MATMUL`] for `[m, k] · [k, n]`.
pub fn matmul([m, n, k]: [usize; 3], transpose_a: bool, transpose_b: bool) -> Call {
    let selectors = [
        ("TRANSPOSE_A", u32::from(transpose_a)),
        ("TRANSPOSE_B", u32::from(transpose_b)),
    ];
    Call::new(params(m, n, k), &selectors)
}

/// The call of [`LINEAR`] for a layer of `inputs` to `outputs` values.
pub fn linear(rows: usize, inputs: usize, outputs: usize, activation: u32) -> Call {
    let selectors = [("TRANSPOSE_B", 1), ("ACTIVATION", activation)];
    Call::new(params(rows, outputs, inputs), &selectors)
}

/// The call of [`INPUT_GRADIENT`] for a layer of `inputs` to `outputs` values, through the activation
/// of the layer before.
pub fn input_gradient(rows: usize, inputs: usize, outputs: usize, activation: u32) -> Call {
    Call::new(params(rows, inputs, outputs), &[("ACTIVATION", activation)])
}

/// The call of [`WEIGHT_GRADIENT`] for a layer of `inputs` to `outputs` values.
pub fn weight_gradient(rows: usize, inputs: usize, outputs: usize) -> Call {
    Call::new(params(outputs, inputs, rows), &[("TRANSPOSE_A", 1)])
}

/// m, n and k of a call of a kernel here.
fn sizes(call: &Call) -> [u32; 3] {
    let p: Params = call.params();
    [p.m, p.n, p.k]
}

/// Multiply-adds of such a call.
fn multiply_adds(call: &Call) -> u64 {
    sizes(call).into_iter().map(u64::from).product()
}

/// Calls `f` with both operands as the product takes them.
pub(super) fn with_operands<F: Real>(call: &Call, [a, b]: [&[F]; 2], f: impl FnOnce(&[F], &[F])) {
    let len = match call.precision {
        Precision::F32 => 0,
        Precision::F16 => a.len() + b.len(),
    };
    F::scratch(len, |memory| {
        let (mut a, mut b) = (a, b);
        if !memory.is_empty() {
            let (first, second) = memory.split_at_mut(a.len());
            first.copy_from_slice(a);
            second.copy_from_slice(b);
            F::halve(memory);
            (a, b) = memory.split_at(a.len());
        }
        // Called in one place, so that it is compiled into this.
        f(a, b);
    });
}

/// `c = a · b` with both operands as the selectors say they are stored; parts of rows go to
/// `finish(row, first column, values)`.
fn product<F: Real>(
    call: &Call,
    a: &Bound<'_, F>,
    b: &Bound<'_, F>,
    c: &mut Bound<'_, F>,
    finish: impl Fn(usize, usize, &mut [F]) + Sync,
) {
    let layout = |selector| match call.selector(selector) {
        0 => Layout::Rows,
        _ => Layout::Transposed,
    };
    with_operands(call, [a.floats(), b.floats()], |a, b| {
        F::product(
            sizes(call).map(|size| size as usize),
            (a, layout("TRANSPOSE_A")),
            (b, layout("TRANSPOSE_B")),
            c.floats_mut(),
            &finish,
        );
    });
}

fn twin_matmul<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, c] = bind(bound);
    product(call, a, b, c, |_, _, _| ());
}

fn twin_linear<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, c, bias] = bind(bound);
    let (bias, activation) = (bias.floats(), call.selector("ACTIVATION"));
    product(
        call,
        a,
        b,
        c,
        #[inline(always)]
        |_, column, values| {
            let bias = &bias[column..][..values.len()];
            for (value, &bias) in values.iter_mut().zip(bias) {
                *value += bias;
            }
            activate(activation, values);
        },
    );
}

fn twin_input_gradient<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, c, saved] = bind(bound);
    let p: Params = call.params();
    let (saved, activation) = (saved.floats(), call.selector("ACTIVATION"));
    product(
        call,
        a,
        b,
        c,
        #[inline(always)]
        |row, column, values| {
            let saved = &saved[row * p.n as usize + column..][..values.len()];
            times_derivative(activation, values, saved);
        },
    );
}

fn twin_weight_gradient<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, c, row_sums] = bind(bound);
    let (a_layout, b_layout) = (Layout::Transposed, Layout::Rows);
    let (c, sums) = (c.floats_mut(), row_sums.floats_mut());
    let sizes = sizes(call).map(|size| size as usize);
    with_operands(call, [a.floats(), b.floats()], |a, b| {
        rayon::join(
            || F::product(sizes, (a, a_layout), (b, b_layout), c, &|_, _, _| ()),
            || add_rows(a, sums.len(), 0, sums),
        );
    });
}

/// The sums over rows of `a[rows, m]`, of as many columns from `first` on as there are sums.
pub(super) fn add_rows<F: Real>(a: &[F], m: usize, first: usize, sums: &mut [F]) {
    sums.fill(F::ZERO);
    for row in a.chunks(m) {
        sums.iter_mut()
            .zip(&row[first..])
            .for_each(|(sum, &value)| *sum += value);
    }
}
