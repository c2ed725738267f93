//! Cases of `fma`.

use ::elbo::ops::fma;

use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

/// Largest |x| of the inputs. A chain x · 0.75 + 0.25 stays below it.
const REACH: f32 = 8.0;

/// Roundings of a chain that count: each of an endless one is shrunk by 0.75 at every later link, so together
/// they are those of 4 links. A device may round product and sum apart.
const LINKS: usize = 2 * 4;

fn case(len: usize, blocks: usize) -> Case {
    let tolerance = Tolerance::sum(LINKS, f64::from(REACH));
    Case::new(
        format!("{len} values, {blocks} blocks"),
        &fma::KERNEL,
        fma::call(len, blocks),
        vec![
            Operand::input(values(len as u64, len, -REACH, REACH)),
            Operand::output(len, tolerance),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value; a vec4 less one, whole, and one more; an invocation's eight values less one, whole, and one
    // more; a workgroup of 64 times eight less one, whole, and one more; a prime beyond the twin's unit and
    // what its calling thread does alone.
    [1, 3, 4, 5, 7, 8, 9, 511, 512, 513, 20_011]
        .map(|len| case(len, 1))
        .into_iter()
        // No link at all, and as many as a measurement may take.
        .chain([case(9, 0), case(9, 3), case(513, 1000)])
        .collect()
}

#[test]
fn chains_of_multiply_adds_match_the_oracle() {
    verify(&cases());
}
