//! Cases of `augment`.

use std::collections::{BTreeMap, BTreeSet};

use ::elbo::ops::augment;
use ::elbo::rng::{Draws, Purpose};
use ::elbo::shape::ImageShape;

use crate::harness::{Case, GUARD, Operand, same_rows, values, verify};
use crate::run;
use crate::tolerance::Tolerance;

const SEED: u64 = 0x0123_4567_89AB_CDEF;
const STEP: u32 = 1234;

/// Images `[rows, values]`, from row `first` of a batch on.
fn of(
    images: Vec<f32>,
    first: usize,
    [height, width, channels]: [usize; 3],
    flip: bool,
    crop: usize,
) -> Case {
    let shape = ImageShape::new(height, width, channels);
    let (len, rows) = (images.len(), images.len() / shape.values());
    let from = match first {
        0 => String::new(),
        _ => format!(" from row {first}"),
    };
    let mirrored = if flip { ", mirrored" } else { "" };
    let shifted = match crop {
        0 => String::new(),
        _ => format!(", shifted by {crop}"),
    };
    let draws = Draws {
        seed: SEED,
        purpose: Purpose::Augmentation,
        first,
    };
    Case::new(
        format!("{rows} images of {shape}{from}{mirrored}{shifted}"),
        &augment::KERNEL,
        augment::call(rows, shape, flip, crop, draws),
        vec![
            Operand::words(vec![STEP, 7, 9]),
            Operand::input(images),
            // Values move, and are not computed with.
            Operand::output(len, Tolerance::exact()),
        ],
    )
}

fn part([first, rows]: [usize; 2], shape: [usize; 3], flip: bool, crop: usize) -> Case {
    let len: usize = shape.iter().product();
    // Those rows of the whole batch's images.
    let all = values(len as u64, (first + rows) * len, -1.0, 1.0);
    of(all[first * len..].to_vec(), first, shape, flip, crop)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One pixel; images of fewer values than an invocation makes, so that it makes some of three; a multiple of four and its
    // neighbours; a workgroup of 256 values and its neighbours; primes; three workgroups and more.
    for (rows, shape, most) in [
        (1, [2, 2, 1], 1),
        (11, [1, 2, 3], 0),
        (7, [3, 1, 1], 0),
        (5, [3, 4, 1], 2),
        (5, [5, 3, 3], 2),
        (1, [16, 16, 1], 15),
        (1, [3, 17, 5], 2),
        (1, [1, 257, 2], 0),
        (33, [8, 8, 1], 7),
        (13, [11, 7, 3], 4),
        (3, [28, 28, 1], 4),
    ] {
        for flip in [false, true] {
            for crop in BTreeSet::from([0, 1.min(most), most]) {
                cases.push(part([0, rows], shape, flip, crop));
            }
        }
    }
    for (first, rows, shape) in [(2, 5, [5, 3, 3]), (64, 7, [4, 4, 4]), (1, 13, [8, 6, 1])] {
        cases.push(part([first, rows], shape, true, 2));
    }
    cases
}

#[test]
fn moved_images_match_the_oracle_exactly() {
    verify(&cases());
}

#[test]
fn a_part_of_a_batch_is_moved_as_in_the_whole_batch() {
    for shape in [[5, 3, 3], [8, 8, 1]] {
        for first in [64, 61, 2] {
            let whole = part([0, 128], shape, true, 2);
            let part = part([first, 128 - first], shape, true, 2);
            same_rows(&whole, &part, 2, first * shape.iter().product::<usize>());
        }
    }
}

/// A place that lies outside, reflected step by step: the border is not repeated.
fn walked(at: i64, size: i64) -> i64 {
    let way: Vec<i64> = (0..size).chain((1..size - 1).rev()).collect();
    way[at.rem_euclid(way.len() as i64) as usize]
}

/// How an image was moved whose values are their own places: whether it was mirrored, down, right.
fn found(image: &[f64], [height, width]: [i64; 2], crop: i64) -> Vec<(bool, i64, i64)> {
    let mut fits = Vec::new();
    for mirrored in [false, true] {
        for (down, right) in (-crop..=crop).flat_map(|y| (-crop..=crop).map(move |x| (y, x))) {
            let moved = (0..height).flat_map(|y| {
                (0..width).map(move |x| {
                    let x = if mirrored { width - 1 - x } else { x };
                    (walked(y + down, height) * width + walked(x + right, width)) as f64
                })
            });
            if moved.eq(image.iter().copied()) {
                fits.push((mirrored, down, right));
            }
        }
    }
    fits
}

/// Each image is moved in one way that is asked for, and all ways are as likely.
#[test]
fn every_shift_of_every_mirror_image_is_as_likely_as_any_other() {
    let (shape, crop, rows) = ([5, 6, 1], 1, 1800);
    let places: Vec<f32> = (0..30).map(|place| place as f32).collect();
    let case = of(places.repeat(rows), 0, shape, true, crop);
    let mut counts = BTreeMap::new();
    let moved = run::oracle(&case)[2].wide(GUARD..GUARD + 30 * rows);
    for image in moved.chunks(30) {
        let fits = found(image, [5, 6], crop as i64);
        assert_eq!(fits.len(), 1, "{image:?}");
        *counts.entry(fits[0]).or_insert(0) += 1;
    }
    println!("{counts:?}");
    assert_eq!(counts.len(), 18);
    // Of 100 expected, with a deviation of 9.7.
    let mut counts = counts.into_values();
    assert!(counts.all(|count| (60..=140).contains(&count)));
}
