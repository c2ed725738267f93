//! Losses as they are reported.

/// Mean losses, in nats per image (for squared error: in squared units per image).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// Reconstruction loss, −log p(x|z).
    pub reconstruction: f64,
    /// KL(q(z|x) ‖ p(z)); 0 for an autoencoder.
    pub kl: f64,
    /// reconstruction + beta · kl.
    pub total: f64,
}
