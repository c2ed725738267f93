//! What a record says that a call does with a binding, where that is less than others do with it.

use elbo::kernel::{Access, Binding};

use crate::harness::{Case, Data};
use crate::ops as suites;
use crate::run::{self, Contents};

/// What is left by the twin and, where there is one, by the GPU's first variant.
fn left(case: &Case) -> Vec<Vec<Contents>> {
    let variant = run::variants(case).into_iter().next();
    let on_gpu = variant.map(|variant| run::left_by_gpu(case, variant));
    [run::left_by_twin(case)]
        .into_iter()
        .chain(on_gpu)
        .collect()
}

/// Cases in which a binding that may be updated is not, with the place of that binding.
fn cases(access: Access) -> Vec<(Case, usize)> {
    let all = suites::cases().into_iter();
    all.filter_map(|case| {
        let is_such = |binding: &Binding| {
            binding.access == Access::Update && binding.access_in(&case.call) == access
        };
        let place = case.kernel.bindings.iter().position(is_such)?;
        Some((case, place))
    })
    .collect()
}

#[test]
fn what_a_call_overwrites_may_hold_anything() {
    let cases = cases(Access::Write);
    assert!(!cases.is_empty());
    for (case, place) in cases {
        let mut other = case.clone();
        other.operands[place].data = Data::Floats(vec![f32::NAN; case.operands[place].len()]);
        for (usual, other) in left(&case).iter().zip(left(&other)) {
            for (usual, other) in usual.iter().zip(&other) {
                let differs = (0..usual.len()).find(|&at| !usual.same(other, at));
                assert_eq!(differs, None, "{}: {}", case.kernel.name, case.name);
            }
        }
    }
}

#[test]
fn what_a_call_only_reads_is_as_it_was() {
    let cases = cases(Access::Read);
    assert!(!cases.is_empty());
    for (case, place) in cases {
        let before = Contents::before(&case.operands[place], true);
        for left in left(&case) {
            let changed = (0..before.len()).find(|&at| !before.same(&left[place], at));
            assert_eq!(changed, None, "{}: {}", case.kernel.name, case.name);
        }
    }
}
