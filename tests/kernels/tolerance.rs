//! How far a result may be from the oracle, as a sum of named rounding errors.

/// Half of f32's distance from 1 to the next value: the error of one rounding.
pub(crate) const U: f64 = f32::EPSILON as f64 / 2.0;

/// What an error is relative to.
#[derive(Clone, Debug)]
enum Scale {
    /// One magnitude for every value.
    All(f64),
    /// A magnitude for each value.
    Each(Vec<f64>),
    /// The expected value.
    Expected,
}

/// Roundings of a random walk of `length`, in U.
pub(crate) fn walk(length: usize) -> f64 {
    3.0 * (length as f64).sqrt()
}

/// A limit for each value: the sum of its terms. Without terms: equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tolerance {
    terms: Vec<(f64, Scale)>,
}

impl Tolerance {
    /// Equal, bit by bit but for the sign of zero and the payload of NaN.
    pub(crate) fn exact() -> Self {
        Self::default()
    }

    fn term(factor: f64, scale: Scale) -> Self {
        Self {
            terms: vec![(factor, scale)],
        }
    }

    /// A sum or a chain of `length` roundings, in any order: `length · U · magnitude`, where the
    /// magnitude is the sum of the absolute values of the terms (Higham 2002, eq. 3.5 and 4.4).
    pub(crate) fn sum(length: usize, magnitude: f64) -> Self {
        Self::term(length as f64 * U, Scale::All(magnitude))
    }

    /// [`Self::sum`] with a magnitude for each value.
    pub(crate) fn sums(length: usize, magnitudes: Vec<f64>) -> Self {
        Self::term(length as f64 * U, Scale::Each(magnitudes))
    }

    /// A sum of many terms in any order, whose roundings do not know of each other: three times √`length` · U ·
    /// `magnitude`, which is that of [`Self::sum`] (Higham & Mary 2019, theorem 2.4). A random walk of roundings, each
    /// uniform, has a ninth of it as its standard deviation.
    pub(crate) fn walk(length: usize, magnitude: f64) -> Self {
        Self::term(walk(length) * U, Scale::All(magnitude))
    }

    /// [`Self::walk`] with a magnitude for each value.
    pub(crate) fn walks(length: usize, magnitudes: Vec<f64>) -> Self {
        Self::term(walk(length) * U, Scale::Each(magnitudes))
    }

    /// A relative error of `count` distances between neighbouring values (WGSL's ULP).
    pub(crate) fn ulps(count: f64) -> Self {
        Self::term(2.0 * count * U, Scale::Expected)
    }

    /// An error of `count` distances between neighbouring values at `magnitude`.
    pub(crate) fn ulps_at(count: f64, magnitude: f64) -> Self {
        Self::term(2.0 * count * U, Scale::All(magnitude))
    }

    /// What WGSL allows `exp(x)` for |x| ≤ `reach`, relative: 3 + 2·|x| ULP.
    pub(crate) fn exp(reach: f64) -> Self {
        Self::ulps(3.0 + 2.0 * reach)
    }

    /// Results below `limit` may be anything as small: devices flush subnormal values to zero, and the
    /// twin's exp saturates at e^−87.
    pub(crate) fn vanishing(limit: f64) -> Self {
        Self::term(1.0, Scale::All(limit))
    }

    /// Both errors together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.terms.extend(other.terms);
        self
    }

    /// The largest difference allowed for value `index`.
    pub(crate) fn limit(&self, index: usize, expected: f64) -> f64 {
        self.terms
            .iter()
            .map(|(factor, scale)| {
                factor
                    * match scale {
                        Scale::All(magnitude) => *magnitude,
                        Scale::Each(magnitudes) => magnitudes[index],
                        Scale::Expected => expected.abs(),
                    }
            })
            .sum()
    }
}
