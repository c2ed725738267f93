//! Cases of `gather`.

use ::elbo::ops::gather::{self, AS_IS, DYNAMIC, FIXED};
use ::elbo::rng::{Draws, Purpose};

use crate::harness::{Case, Operand, same_rows, values, verify};
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
    part([0, rows], width, floats, binarize, 0)
}

/// `rows` rows of a batch from row `first` on.
fn part(
    [first, rows]: [usize; 2],
    width: usize,
    floats: bool,
    binarize: u32,
    window: usize,
) -> Case {
    // An image twice, the first and the last; then what the batch does not reach.
    let position = POSITION as usize + first;
    let order: Vec<u32> = (0..position + rows + 2)
        .map(|i| (7 * i % IMAGES) as u32)
        .collect();
    let kind = if floats { "floats" } else { "bytes" };
    let mode = ["as they are", "binarised once", "binarised anew"][binarize as usize];
    let from = match (first, window) {
        (0, 0) => String::new(),
        (_, 0) => format!(" from row {first}"),
        _ => format!(" from row {first}, windows of {window}"),
    };
    let draws = Draws {
        seed: SEED,
        purpose: Purpose::Binarisation,
        first,
    };
    Case::new(
        format!("{rows} rows of {width} {kind}{from}, {mode}"),
        &gather::KERNEL,
        gather::call([rows, width], floats, binarize, draws, window),
        vec![
            Operand::words(images(width, floats)),
            Operand::words(order),
            Operand::words(vec![STEP, POSITION, 9]),
            Operand::output(rows * width, Tolerance::exact()),
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
            // From another row on: draws that begin with a block of Philox, and at each place inside one.
            for (first, rows, width) in [(64, 5, 3), (1, 5, 5), (2, 13, 37), (3, 5, 17), (7, 3, 16)]
            {
                cases.push(part([first, rows], width, floats, binarize, 0));
            }
            // Windows that end inside the batch.
            for (first, rows, width) in [(0, 5, 3), (2, 13, 37), (1, 3, 16)] {
                cases.push(part([first, rows], width, floats, binarize, 7));
            }
        }
    }
    cases
}

#[test]
fn gathered_and_binarised_images_match_the_oracle_exactly() {
    verify(&cases());
}

#[test]
fn a_part_of_a_batch_is_binarised_as_in_the_whole_batch() {
    // Images of a multiple of four values and others, cut where a block of Philox begins and inside one.
    for width in [1, 3, 4, 17, 37, 784] {
        for first in [64, 61, 2, 127] {
            for binarize in [FIXED, DYNAMIC] {
                let whole = case(128, width, false, binarize);
                let part = part([first, 128 - first], width, false, binarize, 0);
                same_rows(&whole, &part, 3, first * width);
            }
        }
    }
}
