//! What the latent dimensions of a VAE carry.

use crate::ops::LOGVAR_BOUND;

/// Variance of a mean over the images above which its latent dimension counts as active (Burda et al. 2016, sec. 5.1).
const ACTIVE: f64 = 0.01;

/// Sums of each latent dimension that `ops::latent_units` leaves.
pub(super) const SUMS: usize = 4;

/// Whether a latent dimension whose mean has this variance over the images counts as active.
pub fn is_active(variance: f64) -> bool {
    variance > ACTIVE
}

/// Statistics of each latent dimension over some images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Units {
    /// Mean KL(q(z_j|x) ‖ N(0, 1)) of each latent dimension, nats; their sum is the KL of an image.
    pub kl: Vec<f64>,
    /// Variance of each value's mean mu_j over the images.
    pub variance: Vec<f64>,
    /// Share of the images whose logvar_j is beyond its bound of ±30, where it has no gradient.
    pub beyond_bound: Vec<f64>,
}

impl Units {
    /// From the sums `[latent, 4]` over `images` that `ops::latent_units` leaves.
    pub(super) fn from_sums(sums: &[f64], images: usize) -> Self {
        let mean = |sum: f64| sum / images as f64;
        let rows = sums.chunks(SUMS);
        let variance = |row: &[f64]| (mean(row[2]) - mean(row[1]).powi(2)).max(0.0);
        Self {
            kl: rows.clone().map(|row| mean(row[0])).collect(),
            variance: rows.clone().map(variance).collect(),
            beyond_bound: rows.map(|row| mean(row[3])).collect(),
        }
    }

    /// Says that log-variances are beyond their bound, where they are more than a few.
    pub fn beyond_bound_in_words(&self) -> Option<String> {
        /// A few of them may come back: the layers before them have gradients from the others.
        const FEW: f64 = 0.01;
        let share = self.beyond_bound.iter().sum::<f64>() / self.beyond_bound.len().max(1) as f64;
        (share > FEW).then(|| {
            format!(
                "{:.0} % of the log-variances are beyond their bound of ±{LOGVAR_BOUND}, where they learn nothing",
                100.0 * share
            )
        })
    }

    /// How many latent dimensions vary with the image by a variance above 0.01. None means that the posterior has
    /// collapsed onto the prior: codes carry nothing.
    pub fn active(&self) -> usize {
        self.variance.iter().filter(|&&v| is_active(v)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_become_means_and_variances() {
        // Two images; mu of 1 and 3, then of 0.1 twice.
        let units = Units::from_sums(&[5.0, 4.0, 10.0, 1.0, 0.02, 0.2, 0.02, 0.0], 2);
        assert_eq!(units.kl[0], 2.5);
        assert_eq!(units.variance[0], 1.0);
        assert!(units.variance[1] < 1e-8);
        assert_eq!(units.active(), 1);
        assert_eq!(units.beyond_bound, [0.5, 0.0]);
        let words = units.beyond_bound_in_words().expect("a quarter");
        assert!(words.starts_with("25 % of the log-variances"), "{words}");
    }

    #[test]
    fn a_few_log_variances_beyond_their_bound_are_not_worth_a_word() {
        let sums = |beyond| Units::from_sums(&[5.0, 4.0, 10.0, beyond], 200);
        assert_eq!(sums(2.0).beyond_bound_in_words(), None);
        assert!(sums(3.0).beyond_bound_in_words().is_some());
    }
}
