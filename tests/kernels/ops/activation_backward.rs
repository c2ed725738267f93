//! Cases of `activation_backward`.

use ::elbo::ops::activation_backward;

use super::activation::{ALL, slope};
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// What is saved lies within ±8; a derivative is within the slope of the activation, and the tolerance that of the
/// functions it is made of.
fn case(name: &str, activation: u32, len: usize) -> Case {
    let seed = len as u64;
    // Of a tanh and a sigmoid: their outputs.
    let saved = values(seed + 1, len, -1.0, 1.0);
    let reach = 2.0 * slope(activation);
    Case::new(
        format!("{name}, {len} values"),
        &activation_backward::KERNEL,
        activation_backward::call(activation, len),
        vec![
            Operand::input(values(seed, len, -2.0, 2.0)),
            Operand::input(saved),
            Operand::output(len, Tolerance::ulps_at(8.0, reach)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (activation, name) in ALL {
        // One value; a vec4 and its neighbours; a workgroup of 64 vec4 and one more; a prime over several workgroups.
        for len in [1, 3, 4, 5, 257, 1009] {
            cases.push(case(name, activation, len));
        }
    }
    cases
}

#[test]
fn gradients_of_activations_match_the_oracle() {
    verify(&cases());
}
