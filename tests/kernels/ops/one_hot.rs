//! Cases of `one_hot`.

use ::elbo::ops::one_hot;

use crate::harness::{Case, Operand, same_rows, verify};
use crate::tolerance::Tolerance;

const IMAGES: usize = 11;
/// The batch begins inside the order.
const POSITION: u32 = 3;

/// `rows` images with so many codes each; those of a batch from row `first` on, or without it classes as they are.
fn case([rows, samples, count]: [usize; 3], first: Option<usize>) -> Case {
    let position = POSITION as usize + first.unwrap_or(0);
    let order: Vec<u32> = (0..position + rows + 2)
        .map(|i| (7 * i % IMAGES) as u32)
        .collect();
    let labels = if first.is_some() { IMAGES } else { rows };
    // Also where the last class is not that of any image but the last ones.
    let classes = (0..labels).map(|i| ((5 * i + 3) % count) as u32);
    let from = first.map_or("as they are".to_owned(), |first| {
        format!("from row {first}")
    });
    Case::new(
        format!("{rows} images of {samples} codes, {count} classes, {from}"),
        &one_hot::KERNEL,
        one_hot::call([rows, samples], count, first),
        vec![
            Operand::words(classes.collect()),
            Operand::words(order),
            Operand::words(vec![1234, POSITION, 9]),
            Operand::output(rows * samples * count, Tolerance::exact()),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    // One value; around four values; a workgroup of 256 values and its neighbours; three workgroups and more; several codes of
    // an image; ten classes of a batch.
    let sizes = [
        [1, 1, 1],
        [1, 1, 3],
        [2, 1, 2],
        [5, 1, 1],
        [5, 3, 17],
        [16, 4, 4],
        [1, 1, 257],
        [9, 2, 47],
        [128, 1, 10],
    ];
    let ways = [None, Some(0), Some(5)];
    let of = |way: Option<usize>| sizes.map(|size| case(size, way));
    ways.into_iter().flat_map(of).collect()
}

#[test]
fn classes_as_values_match_the_oracle_exactly() {
    verify(&cases());
}

#[test]
fn a_part_of_a_batch_has_the_classes_of_its_rows() {
    let whole = case([128, 2, 10], Some(0));
    let part = case([64, 2, 10], Some(64));
    same_rows(&whole, &part, 3, 64 * 2 * 10);
}
