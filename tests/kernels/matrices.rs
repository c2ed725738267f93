//! The core for cooperative matrices on adapters that have none: its text with an emulation of them, in which a lane
//! has eight values of a sum and operands stay where they are loaded from. That tests all but the driver's part.

use elbo::kernel::{Capabilities, Variant};
use elbo::ops::activation::RELU;

use crate::harness::Case;
use crate::ops::matmul::{linear, product, weight_gradient};
use crate::run;

/// What the core calls, and what the emulation has in its place.
const TEXTS: &[(&str, &str)] = &[
    ("enable wgpu_cooperative_matrix;\n", ""),
    ("coop_mat16x16<f32, C>()", "Sums()"),
    ("coopLoadT<coop_mat16x16<f16, A>>(&slice_a[", "Left("),
    ("coopLoadT<coop_mat16x16<f16, B>>(&slice_b[", "Right("),
    ("], ROW_", ", ROW_"),
    ("coopMultiplyAdd(", "multiply_add(lane, "),
    ("coopStoreT(", "store_whole(lane, "),
    ("&result[own], 16u", "own"),
];

const EMULATION: &str = "
struct Left { at: u32, stride: u32 }

struct Right { at: u32, stride: u32 }

// Row lane / 2 of the sums, the left or the right half of it.
struct Sums { left: vec4<f32>, right: vec4<f32> }

fn four_of_b(at: u32) -> vec4<f32> {
    return vec4<f32>(vec4<f16>(slice_b[at], slice_b[at + 1u], slice_b[at + 2u], slice_b[at + 3u]));
}

fn multiply_add(lane: u32, a: Left, b: Right, before: Sums) -> Sums {
    var sums = before;
    for (var k = 0u; k < 16u; k++) {
        let value = f32(slice_a[a.at + lane / 2u * a.stride + k]);
        let line = b.at + k * b.stride + 8u * (lane % 2u);
        sums.left += value * four_of_b(line);
        sums.right += value * four_of_b(line + 4u);
    }
    return sums;
}

fn store_whole(lane: u32, sums: Sums, at: u32) {
    for (var i = 0u; i < 4u; i++) {
        result[at + 8u * lane + i] = sums.left[i];
        result[at + 8u * lane + 4u + i] = sums.right[i];
    }
}
";

/// The core's variant of a case, emulated.
fn emulated(case: &Case) -> Variant {
    // Without integers of 64 bits, as on hardware.
    let device = Capabilities {
        longs: false,
        ..Capabilities::EVERYTHING
    };
    let variants = (case.kernel.variants)(&case.call, &device);
    let mut variant = variants
        .into_iter()
        .find(|variant| variant.name == "matrices 64x64")
        .expect("the core for matrices");
    for part in &mut variant.parts {
        if part.contains("coop") {
            let text = TEXTS.iter().fold((*part).to_owned(), |text, (from, to)| {
                text.replace(from, to)
            });
            let calls = ["coop_", "coopLoad", "coopStore", "coopMultiply"];
            assert!(!calls.iter().any(|call| text.contains(call)), "{text}");
            *part = text.leak();
        }
    }
    variant.parts.push(EMULATION);
    variant
}

/// Several tiles with tails, k past a slice; one value; sums of rows.
fn cases() -> Vec<Case> {
    let cases = [
        product([68, 132, 100], false, false),
        linear(70, 37, 65, RELU),
        weight_gradient(33, 68, 100),
        product([1, 1, 1], true, true),
    ];
    // None without an adapter that has f16, which the runner says.
    let cases = cases.map(Case::in_half).into_iter();
    cases
        .filter(|case| !run::variants(case).is_empty())
        .collect()
}

#[test]
fn the_core_for_matrices_computes_products_where_matrices_are_emulated() {
    for case in cases() {
        let oracle = run::oracle(&case);
        let faults = run::on_gpu(&case, &oracle, emulated(&case)).faults;
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }
}

#[test]
fn faults_of_the_core_for_matrices_are_found() {
    for (case, right, wrong) in [
        // The upper half twice; the second 16 of k left out; results of the left half in the right one.
        (0, "(down + 16u) * ROW_A + step", "down * ROW_A + step"),
        (0, "step < 32u", "step < 16u"),
        (0, "first + across + 16u);", "first + across);"),
        // Sums of every other row.
        (2, "slice_a[at + ROW_A],", "slice_a[at],"),
    ] {
        let Some(case) = cases().into_iter().nth(case) else {
            continue;
        };
        let mut variant = emulated(&case);
        let text = variant.source().replace(right, wrong);
        assert_ne!(text, variant.source(), "{right}");
        variant.parts = vec![text.leak()];
        let oracle = run::oracle(&case);
        let faults = run::on_gpu(&case, &oracle, variant).faults;
        assert!(!faults.is_empty(), "{wrong} for {right}");
    }
}
