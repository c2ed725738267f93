//! Cases of `clip`.

use ::elbo::ops::clip;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::{Tolerance, walk};

fn case(name: &str, partials: Vec<f32>, rows: usize, bound: f32) -> Case {
    // A lane's sum, the sum of as many lanes as have one; then root, product and quotient (2.5 ULP).
    let length = partials.len().div_ceil(64) + partials.len().min(64);
    // All terms are positive: the magnitude of the sum is the sum, and the root halves its error. A ULP is two U.
    let tolerance = Tolerance::ulps(walk(length) / 4.0 + 5.0);
    Case::new(
        name,
        &clip::KERNEL,
        clip::call(partials.len() as u32, rows, bound),
        vec![
            Operand::input(partials),
            Operand::update(vec![1e-3, 0.5], tolerance),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("a norm of zero scales by 1", vec![0.0; 9], 3, 1.0),
        case(
            "a zero norm and a bound of zero scale by 1",
            vec![0.0; 9],
            3,
            0.0,
        ),
        case("a norm on the bound scales by 1", vec![2.0, 2.0], 2, 1.0),
        case("a NaN norm leaves NaN", vec![1.0, f32::NAN, 1.0], 3, 1.0),
        case(
            "an infinite norm leaves NaN",
            vec![1.0, f32::INFINITY],
            3,
            1.0,
        ),
        case("an overflowing sum leaves NaN", vec![3e38, 3e38], 3, 1.0),
    ];
    // One partial sum; a workgroup's lanes less one, all, one more; a prime; the most there are.
    for len in [1, 63, 64, 65, 1009, 8192] {
        let above = values(len as u64, len, 1.0, 9.0);
        cases.push(case(
            &format!("{len} partials above the bound"),
            above.clone(),
            7,
            0.1,
        ));
        cases.push(case(
            &format!("{len} partials below the bound"),
            above,
            128,
            5.0,
        ));
    }
    // One rounding of each kind, in many places.
    for seed in 0..32 {
        let name = format!("one partial above the bound, {seed}");
        cases.push(case(&name, values(seed, 1, 1.0, 9.0), 7, 0.1));
    }
    cases
}

#[test]
fn scales_match_the_oracle_above_below_and_at_the_bound() {
    verify(&cases());
}
