//! Sums of importance weights, by their logarithms.

/// Mean of some values and its standard error; that of a single value is NaN.
pub(super) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| value * value).sum();
    // One value has no spread: 0/0, which is NaN.
    let variance = (squares / n - mean * mean).max(0.0) * n / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// log Σ exp, one term at a time, without overflow.
#[derive(Clone, Copy)]
pub(super) struct LogSumExp {
    largest: f64,
    scaled: f64,
}

impl Default for LogSumExp {
    fn default() -> Self {
        Self {
            largest: f64::NEG_INFINITY,
            scaled: 0.0,
        }
    }
}

impl LogSumExp {
    pub(super) fn add(&mut self, term: f64) {
        if term == f64::NEG_INFINITY {
            return; // A weight of 0.
        }
        if term > self.largest {
            self.scaled = self.scaled * (self.largest - term).exp() + 1.0;
            self.largest = term;
        } else {
            self.scaled += (term - self.largest).exp();
        }
    }

    pub(super) fn value(&self) -> f64 {
        self.largest + self.scaled.ln()
    }
}
