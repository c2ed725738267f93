//! Dispatches over two dimensions, which a kernel needs beyond 65,535 workgroups.
//!
//! That many are run once for each family of kernels, at the least work a group. The arithmetic by which groups are
//! numbered does not know how many there are, only how long a row of them is: so every kernel, and every core of the
//! product, also runs a usual case in short rows, with some groups past the end.

use elbo::kernel::{Capabilities, Kernel, MAX_WORKGROUPS, Variant, linear_dispatch};
use elbo::ops::{
    KERNELS, activation, clip, matmul, record, schedule, sigma, sigma_mean, sum_threads,
};

use crate::harness::{Case, values};
use crate::ops as suites;
use crate::run;

/// Kernels that one workgroup computes, whatever the sizes.
const ONE_GROUP: [&Kernel; 5] = [
    &clip::KERNEL,
    &record::KERNEL,
    &schedule::KERNEL,
    &sigma::KERNEL,
    &sigma_mean::KERNEL,
];

/// Sums in two stages, whose first has at most this many groups.
const MOST_GROUPS_OF_SUMS: u32 = 128;

#[test]
fn dispatches_hold_all_groups_within_the_limit() {
    let most = MAX_WORKGROUPS;
    for groups in [
        1,
        2,
        most - 1,
        most,
        most + 1,
        2 * most,
        2 * most + 1,
        1 << 20,
        most * most,
    ] {
        let [x, y, z] = linear_dispatch(groups);
        assert!(x <= most && y <= most && z == 1, "{groups}: {x}×{y}×{z}");
        let surplus = (x * y).checked_sub(groups);
        assert!(
            surplus.is_some_and(|surplus| surplus < y),
            "{groups}: {x}×{y}"
        );
    }
    assert_eq!(linear_dispatch(0), [1, 1, 1]);
    assert_eq!(linear_dispatch(most), [most, 1, 1]);
}

fn groups(variant: &Variant) -> u32 {
    variant.workgroups.iter().product()
}

/// The same in rows of two or three workgroups, and one row past the end; none where there are too few to tell rows
/// from columns.
fn in_short_rows(variant: &Variant) -> Option<Variant> {
    let groups = groups(variant);
    let row = if groups > 4 { 3 } else { 2 };
    (groups > 2).then(|| Variant {
        workgroups: [row, groups.div_ceil(row) + 1, 1],
        ..variant.clone()
    })
}

/// A case of a kernel with enough workgroups for rows of them.
fn case_of(kernel: &Kernel) -> Option<Case> {
    if kernel.name == matmul::MATMUL.name {
        // Three tiles by two of the largest core.
        return Some(suites::matmul::product([130, 70, 4], false, false));
    }
    let mut cases = suites::cases();
    cases.retain(|case| {
        let variants = (case.kernel.variants)(&case.call, &Capabilities::BASELINE);
        case.kernel.name == kernel.name && groups(&variants[0]) > 2
    });
    cases.truncate(1);
    cases.pop()
}

#[test]
fn every_kernel_numbers_its_workgroups_row_by_row() {
    let mut faults = Vec::new();
    for kernel in KERNELS {
        if ONE_GROUP.iter().any(|one| one.name == kernel.name) {
            continue;
        }
        let Some(case) = case_of(kernel) else {
            faults.push(format!("{}: no case of three groups", kernel.name));
            continue;
        };
        let oracle = run::oracle(&case);
        let mut variants = run::variants(&case);
        if kernel.name != matmul::MATMUL.name {
            // The other products number the groups of their cores by the same text.
            variants.truncate(1);
        }
        for (i, variant) in variants.iter().enumerate() {
            let what = format!("{}: {}", kernel.name, variant.name);
            let Some(short) = in_short_rows(variant) else {
                faults.push(format!("{what}: too few groups"));
                continue;
            };
            let mut wrong = short.clone();
            faults.extend(run::on_gpu(&case, &oracle, short).faults);
            // Rows that all count as the first: found for one core at least, as compiling takes seconds in software.
            if i == 0 {
                let text = wrong.source();
                let seeded = text.replace("workgroup.x + workgroup.y * count.x", "workgroup.x");
                assert_ne!(seeded, text, "{what}");
                wrong.parts = vec![seeded.leak()];
                if run::on_gpu(&case, &oracle, wrong).faults.is_empty() {
                    faults.push(format!(
                        "{what}: groups of the first row only are not found"
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Runs the variants of a case that have more workgroups than a dimension holds, of those whose name is given.
fn run_large(case: &Case, only: impl Fn(&str) -> bool) {
    let oracle = run::oracle(case);
    let twin = run::on_twin(case, &oracle).faults;
    assert!(twin.is_empty(), "\n{}", twin.join("\n"));
    let variants = run::variants(case);
    let all = variants.len();
    let large = variants
        .into_iter()
        .filter(|v| v.workgroups[1] > 1 && only(&v.name));
    let mut ran = 0;
    for variant in large {
        ran += 1;
        let faults = run::on_gpu(case, &oracle, variant).faults;
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }
    assert!(ran > 0 || all == 0, "{}: no variant is large", case.name);
}

/// One more than a dimension holds, and a tail.
const MANY: usize = MAX_WORKGROUPS as usize + 1;

#[test]
fn more_workgroups_than_a_dimension_holds_work_value_by_value() {
    let len = (MANY - 1) * 64 * 4 + 5;
    let input = (0..len).map(|i| (i % 8191) as f32 - 4000.0).collect();
    run_large(
        &suites::activation::case("many groups", activation::RELU, input),
        |_| true,
    );
}

#[test]
fn more_workgroups_than_a_dimension_holds_gather_images() {
    let rows = ((MANY - 1) * 64 * 4).div_ceil(1021) + 1;
    run_large(&suites::gather::case(rows, 1021, false, 0), |_| true);
}

#[test]
fn more_workgroups_than_a_dimension_holds_sum_latent_values() {
    let heads = values(1, 2 * MANY, -2.0, 2.0);
    let case = suites::latent_units::case("many groups".into(), 1, MANY, heads, true);
    run_large(&case, |_| true);
}

/// A column of tiles, one value wide. Where the driver is software, of the cores with workgroup memory that with
/// the smallest tile: the others are the same text with other constants, and would take it minutes.
#[test]
fn more_workgroups_than_a_dimension_holds_multiply() {
    for (core, rows) in [("workgroup 32x32", 32), ("registers 16x8", 128)] {
        let case = suites::matmul::product([rows * MANY - 7, 1, 1], false, false);
        run_large(&case, |name| name == core);
    }
}

#[test]
fn more_workgroups_than_a_dimension_holds_update_weights() {
    let case = suites::weight_update::case([1, 1, 32 * MANY - 7], 100, 0.0);
    run_large(&case, |name| name == "workgroup 32x32");
}

/// The other sums never need a second dimension.
#[test]
fn sums_in_two_stages_have_few_workgroups_whatever_the_size() {
    for count in [1, 1 << 20, u32::MAX as usize] {
        assert!(
            sum_threads(count).div_ceil(64) <= MOST_GROUPS_OF_SUMS,
            "{count}"
        );
    }
    for case in suites::cases() {
        let variants = (case.kernel.variants)(&case.call, &Capabilities::BASELINE);
        if ONE_GROUP.iter().any(|one| one.name == case.kernel.name) {
            assert_eq!(variants[0].workgroups, [1, 1, 1], "{}", case.kernel.name);
        }
    }
}

/// Maps of a pixel more than the tiles of a dimension hold, one channel wide.
#[test]
fn more_workgroups_than_a_dimension_holds_convolve() {
    let map = [1024, 128 * MANY / 1024 + 1, 1];
    let window = suites::convolution::window(1, map, 1, [1, 1, 0]);
    for case in suites::convolution::there_and_back(&window) {
        run_large(&case, |name| name == "registers 16x4");
    }
}
