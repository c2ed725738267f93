//! Cases of `kl_weight`.

use ::elbo::ops::kl_weight::{self, Rule};

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

fn case(name: String, rows: usize, latent: usize, units: Vec<f32>, share: f32) -> Case {
    case_of(Rule::FreeBits(0.25), name, [rows, latent], units, share)
}

fn case_of(
    rule: Rule,
    name: String,
    [rows, latent]: [usize; 2],
    units: Vec<f32>,
    share: f32,
) -> Case {
    let earlier = values(3, 2 * rows * latent, -2.0, 2.0);
    Case::new(
        name,
        &kl_weight::KERNEL,
        kl_weight::call(rows, latent, rule),
        vec![
            Operand::input(units),
            Operand::input(vec![1e-3, 1.0, share]),
            // A product.
            Operand::update(earlier, Tolerance::ulps(0.5)),
        ],
    )
}

/// Mean KL of `latent` values on both sides of a quarter of a nat, summed over the rows.
fn units(rows: usize, latent: usize) -> Vec<f32> {
    values(5, 4 * latent, 0.0, 0.5 * rows as f32)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One value; a workgroup of 64 less two, whole, two more; primes; a usual batch.
    for (rows, latent) in [(1, 1), (31, 1), (8, 4), (11, 3), (37, 11), (128, 20)] {
        let name = format!("{rows} rows of {latent}");
        cases.push(case(name, rows, latent, units(rows, latent), 0.7));
    }
    let at_the_bound = vec![0.5, 0.0, 0.0, 0.0, 0.500_000_06, 0.0, 0.0, 0.0];
    cases.push(case("on the bound".into(), 2, 2, at_the_bound, 0.7));
    cases.push(case("a share of zero".into(), 5, 3, units(5, 3), 0.0));
    let broken = vec![f32::NAN, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0];
    cases.push(case(
        "a KL that is NaN is not free".into(),
        2,
        2,
        broken,
        0.5,
    ));
    // Far below, near, at and far above a target of three quarters of 8 nats; a KL that is NaN.
    for (name, kl) in [
        ("below", 8.0),
        ("near", 11.5),
        ("at", 12.0),
        ("above", 15.0),
        ("NaN", f32::NAN),
    ] {
        let units = vec![kl - 4.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0];
        let (rule, name) = (Rule::Capacity(8.0), format!("a capacity, {name}"));
        cases.push(case_of(rule, name, [2, 2], units, 0.75));
    }
    let many = case_of(
        Rule::Capacity(8.0),
        "a capacity, 37 rows of 11".into(),
        [37, 11],
        units(37, 11),
        0.5,
    );
    cases.push(many);
    cases
}

#[test]
fn gradients_within_the_free_bits_vanish_and_others_are_weighed() {
    verify(&cases());
}
