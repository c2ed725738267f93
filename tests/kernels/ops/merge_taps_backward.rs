//! Cases of `merge_taps_backward`.

use ::elbo::ops::merge_taps_backward;

use super::merge_taps::SIZES;
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(channels: usize, features: usize) -> Case {
    let d_merged = values(1, channels * 16 * features, -1.0, 1.0);
    let of = |at: usize| {
        let (tap, feature) = (at / features, at % features);
        let (channel, y, x) = (tap / 9, 2 - tap / 3 % 3, 2 - tap % 3);
        let taps = [0, 1, 4, 5].map(|next| 16 * channel + 4 * y + x + next);
        let magnitude = |tap: usize| f64::from(d_merged[tap * features + feature].abs());
        taps.map(magnitude).iter().sum()
    };
    let sums: Vec<f64> = (0..channels * 9 * features).map(of).collect();
    Case::new(
        format!("{channels} channels to {features}"),
        &merge_taps_backward::KERNEL,
        merge_taps_backward::call(channels, features),
        vec![
            Operand::input(d_merged.clone()),
            Operand::output(sums.len(), Tolerance::sums(3, sums)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    SIZES
        .map(|[channels, features]| case(channels, features))
        .into()
}

#[test]
fn gradients_of_merged_taps_match_the_oracle() {
    verify(&cases());
}
