//! What the latent dimensions of a VAE carry.

/// Variance of a mean over the images above which its latent dimension counts as active (Burda et al. 2016, sec. 5.1).
const ACTIVE: f64 = 0.01;

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
}

impl Units {
    /// From the sums `[latent, 4]` over `images` that `ops::latent_units` leaves.
    pub(super) fn from_sums(sums: &[f32], images: usize) -> Self {
        let mean = |sum: f32| f64::from(sum) / images as f64;
        let rows = sums.chunks(4);
        let variance = |row: &[f32]| (mean(row[2]) - mean(row[1]).powi(2)).max(0.0);
        Self {
            kl: rows.clone().map(|row| mean(row[0])).collect(),
            variance: rows.map(variance).collect(),
        }
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
        let units = Units::from_sums(&[5.0, 4.0, 10.0, 0.0, 0.02, 0.2, 0.02, 0.0], 2);
        assert_eq!(units.kl[0], 2.5);
        assert_eq!(units.variance[0], 1.0);
        assert!(units.variance[1] < 1e-8);
        assert_eq!(units.active(), 1);
    }
}
