//! Cases of `merge_taps`.

use ::elbo::kernel::{Real, Window};
use ::elbo::ops::merge_taps;

use super::convolution::window;
use crate::harness::{Case, Data, Operand, values, verify};
use crate::run;
use crate::tolerance::Tolerance;

/// Channels and features: fewer values than a workgroup of 64 has, many, and rows of one.
pub(super) const SIZES: [[usize; 2]; 5] = [[1, 1], [3, 5], [7, 64], [32, 33], [300, 3]];

/// The taps along an axis that each of the four is the sum of.
const TAPS: [&[usize]; 4] = [&[2], &[1, 2], &[0, 1], &[0]];

fn merged(channels: usize, features: usize, weight: &[f64]) -> Vec<f64> {
    let of = |at: usize| {
        let (tap, feature) = (at / features, at % features);
        let (channel, y, x) = (tap / 16, tap / 4 % 4, tap % 4);
        let pairs = TAPS[y]
            .iter()
            .flat_map(|y| TAPS[x].iter().map(move |x| 3 * y + x));
        let terms = pairs.map(|tap| weight[(9 * channel + tap) * features + feature]);
        terms.sum()
    };
    (0..channels * 16 * features).map(of).collect()
}

fn case(channels: usize, features: usize) -> Case {
    let weight = values(1, channels * 9 * features, -1.0, 1.0);
    let magnitudes: Vec<f64> = weight.iter().map(|value| f64::from(value.abs())).collect();
    let sums = merged(channels, features, &magnitudes);
    Case::new(
        format!("{channels} channels to {features}"),
        &merge_taps::KERNEL,
        merge_taps::call(channels, features),
        vec![
            Operand::input(weight),
            Operand::output(sums.len(), Tolerance::sums(3, sums)),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    SIZES
        .map(|[channels, features]| case(channels, features))
        .into()
}

#[test]
fn merged_taps_match_the_oracle() {
    verify(&cases());
}

/// By loops of its own: rows and columns doubled, then a convolution of 3×3 taps with a border of zeros.
fn doubled_and_convolved(
    [height, width, channels]: [usize; 3],
    features: usize,
    map: &[f64],
    weight: &[f64],
) -> Vec<f64> {
    let pixel = |y: isize, x: isize, channel: usize| match (y, x) {
        (0.., 0..) if y < 2 * height as isize && x < 2 * width as isize => {
            map[(y as usize / 2 * width + x as usize / 2) * channels + channel]
        }
        _ => 0.0,
    };
    let of = |at: usize| {
        let (place, feature) = (at / features, at % features);
        let (y, x) = (place / (2 * width), place % (2 * width));
        let mut sum = 0.0;
        for (tap, channel) in (0..9).flat_map(|tap| (0..channels).map(move |c| (tap, c))) {
            let [y, x] = [y + tap / 3, x + tap % 3].map(|at| at as isize - 1);
            sum += pixel(y, x, channel) * weight[(9 * channel + tap) * features + feature];
        }
        sum
    };
    (0..4 * height * width * features).map(of).collect()
}

#[test]
fn a_transposed_convolution_by_merged_taps_doubles_and_convolves() {
    let (map, features) = ([3, 4, 2], 5);
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
    let case = case(map[2], features);
    let Data::Floats(weight) = &case.operands[0].data else {
        panic!("weights are floats");
    };
    let values_of_map = wide(values(2, 24, -1.0, 1.0));
    let expected = doubled_and_convolved(map, features, &values_of_map, &wide(weight.clone()));
    let taps = run::oracle(&case).swap_remove(1);
    let taps = taps.wide(crate::harness::GUARD..crate::harness::GUARD + 2 * 16 * features);
    let whole = window(1, [6, 8, features], map[2], [4, 2, 1]);
    // And with the last row left out.
    let cut = Window {
        map: [5, 8, features],
        ..whole
    };
    for window in [whole, cut] {
        assert_eq!(window.out, map);
        let mut found = vec![0.0; window.map.iter().product()];
        f64::convolve_transposed(&window, &values_of_map, &taps, &mut found, &|_, _| ());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-14, "{found}, {expected}");
        }
    }
}
