//! Cases of `gather`.

use ::elbo::ops::gather::{self, AS_IS, DYNAMIC, FIXED};
use ::elbo::rng::Purpose;

use crate::harness::{Case, Operand, values, verify};
use crate::run;
use crate::tolerance::Tolerance;

const SEED: u64 = 0x0123_4567_89AB_CDEF;
const IMAGES: usize = 11;
const STEP: u32 = 1234;
/// The batch begins inside the order.
const POSITION: u32 = 3;

/// Images as the kernel reads them: bytes, four a word, or floats.
fn images(width: usize, floats: bool) -> Vec<u32> {
    let values = values(width as u64, IMAGES * width, 0.0, 1.0);
    if floats {
        return values.iter().map(|v| v.to_bits()).collect();
    }
    let mut bytes: Vec<u8> = values.iter().map(|v| (v * 255.99) as u8).collect();
    // The two ends, which no draw may change.
    bytes[0] = 0;
    bytes[(IMAGES - 1) * width] = 255;
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
        .chunks(4)
        .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect()
}

pub(crate) fn case(rows: usize, width: usize, floats: bool, binarize: u32) -> Case {
    // An image twice, the first and the last; then what the batch does not reach.
    let order: Vec<u32> = (0..POSITION as usize + rows + 2)
        .map(|i| (7 * i % IMAGES) as u32)
        .collect();
    // A byte's quotient by 255 is within 2.5 ULP, and as the CPU has it where software divides; copies and draws are
    // exact.
    let tolerance = match (floats, binarize) {
        (false, AS_IS) if !run::is_software() => Tolerance::ulps(2.5),
        _ => Tolerance::exact(),
    };
    let kind = if floats { "floats" } else { "bytes" };
    let mode = ["as they are", "binarised once", "binarised anew"][binarize as usize];
    Case::new(
        format!("{rows} rows of {width} {kind}, {mode}"),
        &gather::KERNEL,
        gather::call(rows, width, floats, binarize, SEED, Purpose::Binarisation),
        vec![
            Operand::words(images(width, floats)),
            Operand::words(order),
            Operand::words(vec![STEP, POSITION, 9]),
            Operand::output(rows * width, tolerance),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for floats in [false, true] {
        for binarize in [AS_IS, FIXED, DYNAMIC] {
            // One value; a vec4 and its neighbours, so that images begin inside a word; a workgroup of
            // 256 values and its neighbours; primes; a whole image.
            for (rows, width) in [
                (1, 1),
                (5, 3),
                (3, 4),
                (3, 5),
                (15, 17),
                (16, 16),
                (1, 257),
                (13, 37),
                (9, 784),
            ] {
                cases.push(case(rows, width, floats, binarize));
            }
        }
    }
    cases
}

#[test]
fn gathered_and_binarised_images_match_the_oracle_exactly() {
    verify(&cases());
}
