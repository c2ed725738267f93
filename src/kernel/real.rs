//! The float that a twin is generic over: `f32` is the CPU device, `f64` the oracle.

use std::cell::RefCell;
use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use half::f16;
use half::slice::HalfFloatSliceExt;
use pulp::Arch;

use super::product::{self, Layout, Rows};
use super::scratch::scratch;
use super::window::{self, Window, plain};

/// Values that are rounded to f16 at a time.
const HALVES: usize = 256;

/// A floating-point type that twins compute with.
pub trait Real:
    Copy
    + Debug
    + Display
    + Default
    + PartialOrd
    + Send
    + Sync
    + Sum
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + 'static
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// Distance from 1 to the next value.
    const EPSILON: f64;

    /// The nearest value.
    fn new(value: f64) -> Self;
    /// As `f64`, exactly.
    fn wide(self) -> f64;
    /// e^x; NaN stays NaN, large values saturate.
    fn exp(self) -> Self;
    /// ln(1 + x) for x in [0, 1], as softplus needs it.
    fn ln_1p_unit(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Rounds values to the nearest ones of f16 (IEEE 754 binary16), ties to even.
    fn halve(values: &mut [Self]);
    /// Calls `f` with `len` values of no meaning, memory that the thread keeps for its next call.
    fn scratch<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R;
    /// 1 − e^x without cancellation near 0, for x ≤ 0.
    fn one_minus_exp(self) -> Self;
    /// `a[m, k] · b[k, n]` into `c`, of whose rows parts go to `finish(row, first column, values)`.
    fn product(
        sizes: [usize; 3],
        a: (&[Self], Layout),
        b: (&[Self], Layout),
        c: &mut [Self],
        finish: &(impl Fn(usize, usize, &mut [Self]) + Sync),
    );
    /// `aᵀ · b` of a stored `[k, m]`, block of rows by block of rows into `c`.
    fn transposed_product(sizes: [usize; 3], a: &[Self], b: (&[Self], Layout), c: impl Rows<Self>);
    /// A convolution: out[pixel, f] = Σ over ky, kx, c of map at (y·stride + ky − pad, x·stride + kx − pad, c) ·
    /// w[f, ky, kx, c], without the terms that lie outside of the map. Blocks of whole pixels go to
    /// `finish(first pixel over all images, values)`.
    fn convolve(
        window: &Window,
        map: &[Self],
        w: &[Self],
        out: &mut [Self],
        finish: &(impl Fn(usize, &mut [Self]) + Sync),
    );
    /// Its transpose: map[pixel, c] = Σ of out · w over all windows that the pixel lies in. It is the input
    /// gradient of a convolution, and a transposed convolution. `finish` gets pixels of the map.
    fn convolve_transposed(
        window: &Window,
        out: &[Self],
        w: &[Self],
        map: &mut [Self],
        finish: &(impl Fn(usize, &mut [Self]) + Sync),
    );
    /// The weight gradient of a convolution for each of [`Window::parts`]: partials[part, f, ky, kx, c] = Σ over the
    /// part's pixels of out[pixel, f] · map at the window's place, and sums[part, f] = Σ of out[pixel, f], unless
    /// `sums` is empty.
    fn window_gradient(
        window: &Window,
        out: &[Self],
        map: &[Self],
        partials: &mut [Self],
        sums: &mut [Self],
    );

    /// x where x > 0, else 0; NaN stays NaN.
    #[inline(always)]
    fn positive(self) -> Self {
        if self <= Self::ZERO { Self::ZERO } else { self }
    }

    /// 1/(1 + e^−x).
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let e = (-self.abs()).exp();
        let p = Self::ONE / (Self::ONE + e);
        if self < Self::ZERO { e * p } else { p }
    }

    /// ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|).
    #[inline(always)]
    fn softplus(self) -> Self {
        self.positive() + (-self.abs()).exp().ln_1p_unit()
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EPSILON: f64 = f32::EPSILON as f64;

    #[inline(always)]
    fn new(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
    /// Branch-free, so that loops over it vectorise: 2^n · e^r with |r| ≤ ln(2)/2 and the Taylor
    /// polynomial of degree 7, whose remainder is below 2⁻²⁷.
    #[inline(always)]
    fn exp(self) -> Self {
        const SHIFT: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer in the low bits
        const LN_2_HIGH: f32 = 0.693_359_4;
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        // Comparisons rather than min and max, which would turn a NaN into a bound.
        let x = if self > 88.0 { 88.0 } else { self };
        let x = if x < -87.0 { -87.0 } else { x };
        let shifted = x * std::f32::consts::LOG2_E + SHIFT;
        let n = shifted - SHIFT;
        let r = x - n * LN_2_HIGH - n * LN_2_LOW;
        let p = 1.0 / 5040.0;
        let p = p * r + 1.0 / 720.0;
        let p = p * r + 1.0 / 120.0;
        let p = p * r + 1.0 / 24.0;
        let p = p * r + 1.0 / 6.0;
        let p = p * r + 0.5;
        let p = p * r + 1.0;
        let p = p * r + 1.0;
        let exponent = shifted
            .to_bits()
            .wrapping_sub(SHIFT.to_bits())
            .wrapping_add(127);
        p * f32::from_bits(exponent << 23)
    }
    /// 2·atanh(x/(2 + x)) as a series in s² ≤ 1/9.
    #[inline(always)]
    fn ln_1p_unit(self) -> Self {
        let s = self / (2.0 + self);
        let t = s * s;
        let p = 1.0 / 13.0;
        let p = p * t + 1.0 / 11.0;
        let p = p * t + 1.0 / 9.0;
        let p = p * t + 1.0 / 7.0;
        let p = p * t + 1.0 / 5.0;
        let p = p * t + 1.0 / 3.0;
        2.0 * s + 2.0 * s * t * p
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    fn halve(values: &mut [Self]) {
        // A few at a time, for the processor's instruction, where it has one.
        let mut halves = [f16::ZERO; HALVES];
        for values in values.chunks_mut(HALVES) {
            let halves = &mut halves[..values.len()];
            halves.convert_from_f32_slice(values);
            halves.convert_to_f32_slice(values);
        }
    }
    #[inline(always)]
    fn scratch<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R {
        thread_local! {
            static KEPT: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
        }
        scratch(&KEPT, len, f)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        f32::tanh(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn one_minus_exp(self) -> Self {
        -f32::exp_m1(self)
    }
    fn product(
        sizes: [usize; 3],
        a: (&[Self], Layout),
        b: (&[Self], Layout),
        c: &mut [Self],
        finish: &(impl Fn(usize, usize, &mut [Self]) + Sync),
    ) {
        product::product(Arch::new(), sizes, a, b, c, finish);
    }
    fn transposed_product(sizes: [usize; 3], a: &[Self], b: (&[Self], Layout), c: impl Rows<Self>) {
        product::transposed_product(Arch::new(), sizes, a, b, c);
    }
    fn convolve(
        window: &Window,
        map: &[Self],
        w: &[Self],
        out: &mut [Self],
        finish: &(impl Fn(usize, &mut [Self]) + Sync),
    ) {
        window::convolve(Arch::new(), window, map, w, out, finish);
    }
    fn convolve_transposed(
        window: &Window,
        out: &[Self],
        w: &[Self],
        map: &mut [Self],
        finish: &(impl Fn(usize, &mut [Self]) + Sync),
    ) {
        window::convolve_transposed(Arch::new(), window, out, w, map, finish);
    }
    fn window_gradient(
        window: &Window,
        out: &[Self],
        map: &[Self],
        partials: &mut [Self],
        sums: &mut [Self],
    ) {
        window::gradient(Arch::new(), window, out, map, partials, sums);
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EPSILON: f64 = f64::EPSILON;

    #[inline(always)]
    fn new(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn ln_1p_unit(self) -> Self {
        f64::ln_1p(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn halve(values: &mut [Self]) {
        for value in values {
            *value = f16::from_f64(*value).to_f64();
        }
    }
    #[inline(always)]
    fn scratch<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R {
        thread_local! {
            static KEPT: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) };
        }
        scratch(&KEPT, len, f)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    #[inline(always)]
    fn one_minus_exp(self) -> Self {
        -f64::exp_m1(self)
    }
    fn product(
        sizes: [usize; 3],
        a: (&[Self], Layout),
        b: (&[Self], Layout),
        c: &mut [Self],
        finish: &(impl Fn(usize, usize, &mut [Self]) + Sync),
    ) {
        let c = &mut c[..sizes[0] * sizes[1]];
        plain_loops(sizes, a, b, c);
        for (i, row) in c.chunks_mut(sizes[1]).enumerate() {
            finish(i, 0, row);
        }
    }
    fn transposed_product(sizes: [usize; 3], a: &[Self], b: (&[Self], Layout), c: impl Rows<Self>) {
        c.take(0, &mut Vec::new(), |c| {
            plain_loops(sizes, (a, Layout::Transposed), b, c);
        });
    }
    fn convolve(
        window: &Window,
        map: &[Self],
        w: &[Self],
        out: &mut [Self],
        finish: &(impl Fn(usize, &mut [Self]) + Sync),
    ) {
        plain::convolve(window, map, w, out, finish);
    }
    fn convolve_transposed(
        window: &Window,
        out: &[Self],
        w: &[Self],
        map: &mut [Self],
        finish: &(impl Fn(usize, &mut [Self]) + Sync),
    ) {
        plain::convolve_transposed(window, out, w, map, finish);
    }
    fn window_gradient(
        window: &Window,
        out: &[Self],
        map: &[Self],
        partials: &mut [Self],
        sums: &mut [Self],
    ) {
        plain::gradient(window, out, map, partials, sums);
    }
}

/// A product as it is defined: an oracle must be read, not trusted.
fn plain_loops(
    [m, n, k]: [usize; 3],
    (a, a_layout): (&[f64], Layout),
    (b, b_layout): (&[f64], Layout),
    c: &mut [f64],
) {
    let a = |row: usize, i: usize| match a_layout {
        Layout::Rows => a[row * k + i],
        Layout::Transposed => a[i * m + row],
    };
    let b = |i: usize, column: usize| match b_layout {
        Layout::Rows => b[i * n + column],
        Layout::Transposed => b[column * k + i],
    };
    for row in 0..m {
        for column in 0..n {
            c[row * n + column] = (0..k).map(|i| a(row, i) * b(i, column)).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest relative error of `f` against `reference` on a grid over `range`.
    fn worst(range: (f32, f32), f: fn(f32) -> f32, reference: fn(f64) -> f64) -> f64 {
        (0..=200_000)
            .map(|i| range.0 + (range.1 - range.0) * (i as f32 / 200_000.0))
            .map(|x| {
                let exact = reference(f64::from(x));
                (f64::from(f(x)) - exact).abs() / exact.abs().max(1e-37)
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp_is_within_two_ulp() {
        let error = worst((-86.0, 87.0), Real::exp, f64::exp);
        assert!(error < 2.0 * f64::from(f32::EPSILON), "{error}");
    }

    #[test]
    fn ln_1p_is_within_three_ulp() {
        let error = worst((1e-6, 1.0), Real::ln_1p_unit, f64::ln_1p);
        assert!(error < 3.0 * f64::from(f32::EPSILON), "{error}");
    }

    #[test]
    fn functions_keep_nan() {
        assert!(Real::exp(f32::NAN).is_nan());
        assert!(Real::softplus(f32::NAN).is_nan());
        assert!(Real::sigmoid(f32::NAN).is_nan());
        assert!(Real::positive(f32::NAN).is_nan());
    }
}
