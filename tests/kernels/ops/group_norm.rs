//! Cases of `group_norm`, and what those of `group_norm_backward` share with it.

use ::elbo::ops::activation::{GELU, IDENTITY, RELU, SILU};
use ::elbo::ops::group_norm::{self, Groups};

use super::activation::{ALL, error, slope};
use crate::harness::{Case, Data, Operand, agree, values, verify};
use crate::tolerance::{Tolerance, U, walk};

pub(super) fn groups([images, pixels, channels, groups]: [usize; 4]) -> Groups {
    Groups {
        images,
        pixels,
        channels,
        groups,
    }
}

pub(super) fn name(groups: &Groups, activation: u32) -> String {
    let Groups {
        images,
        pixels,
        channels,
        groups,
    } = groups;
    format!(
        "{images} images of {pixels} pixels, {channels} channels in {groups}, activation {activation}"
    )
}

/// Mean, reciprocal deviation and mean magnitude of each group.
pub(super) fn statistics(groups: &Groups, input: &[f32]) -> Vec<[f64; 3]> {
    let size = groups.channels / groups.groups;
    let of = |group: usize| {
        let (image, first) = (group / groups.groups, group % groups.groups * size);
        let pixels = input.chunks(groups.channels);
        let own = pixels.skip(image * groups.pixels).take(groups.pixels);
        let own: Vec<f64> = own
            .flat_map(|pixel| pixel[first..first + size].iter().map(|&x| f64::from(x)))
            .collect();
        let mean =
            |f: &dyn Fn(f64) -> f64| own.iter().map(|&x| f(x)).sum::<f64>() / own.len() as f64;
        let middle = mean(&|x| x);
        let variance = mean(&|x| (x - middle) * (x - middle));
        let reciprocal = 1.0 / (variance + group_norm::NORM_EPSILON).sqrt();
        [middle, reciprocal, mean(&f64::abs)]
    };
    (0..groups.images * groups.groups).map(of).collect()
}

/// The group that a value belongs to, and its channel.
pub(super) fn place(groups: &Groups, index: usize) -> (usize, usize) {
    let channel = index % groups.channels;
    let image = index / (groups.channels * groups.pixels);
    let size = groups.channels / groups.groups;
    (image * groups.groups + channel / size, channel)
}

/// Values of a group.
pub(super) fn count(groups: &Groups) -> usize {
    groups.pixels * (groups.channels / groups.groups)
}

/// Values of maps, and of weight and bias.
pub(super) fn lens(groups: &Groups) -> [usize; 2] {
    [
        groups.images * groups.pixels * groups.channels,
        groups.channels,
    ]
}

/// The mean is a sum; so is the variance, of whose relative error the deviation has half, with a root and two quotients.
fn case(shape: &Groups, activation: u32, input: Vec<f32>) -> Case {
    let [_, channels] = lens(shape);
    let (weight, bias) = (
        values(2, channels, 0.5, 1.5),
        values(3, channels, -1.0, 1.0),
    );
    let stats = statistics(shape, &input);
    let (of_mean, of_reciprocal) = (walk(count(shape)) + 1.0, walk(count(shape)) / 2.0 + 8.0);
    let mut most = 0.0_f64;
    let of_value = |(index, &x): (usize, &f32)| {
        let (group, channel) = place(shape, index);
        let [mean, reciprocal, magnitude] = stats[group];
        let (weight, bias) = (f64::from(weight[channel]), f64::from(bias[channel]));
        let unit = (f64::from(x) - mean) * reciprocal * weight;
        most = most.max(unit.abs() + bias.abs());
        let rounded = weight * reciprocal * of_mean * magnitude;
        let scaled = (unit.abs() + bias.abs()) * of_reciprocal;
        slope(activation) * (rounded + scaled)
    };
    let of_values = input.iter().enumerate().map(of_value).collect();
    let of_stats = stats
        .iter()
        .flat_map(|[_, reciprocal, magnitude]| [of_mean * magnitude, of_reciprocal * reciprocal]);
    let of_stats: Vec<f64> = of_stats.collect();
    let tolerance = Tolerance::sums(1, of_values).and(error(activation, most));
    Case::new(
        name(shape, activation),
        &group_norm::KERNEL,
        group_norm::call(shape, activation),
        vec![
            Operand::input(input.clone()),
            Operand::input(weight),
            Operand::input(bias),
            Operand::output(input.len(), tolerance),
            Operand::output(of_stats.len(), Tolerance::sums(1, of_stats)),
        ],
    )
}

/// What is special about each stands beside it.
pub(super) fn shapes() -> Vec<Groups> {
    [
        // More groups than two workgroups of invocations; groups of four channels, of three, of one.
        [5, 6, 32, 8],
        [3, 37, 21, 7],
        [2, 9, 6, 6],
        // One value; one pixel; one group.
        [1, 1, 1, 1],
        [3, 1, 8, 2],
        [2, 65, 5, 1],
        // More units of channels than there are lanes, four at a time and one at a time.
        [1, 2, 1040, 1],
        [2, 3, 1030, 1],
        // Lanes that are no whole row; as many lanes as a workgroup has; fewer pixels than rows of lanes.
        [1, 50, 48, 2],
        [2, 1000, 16, 4],
        [1, 63, 4, 1],
        // Around what the twin takes at once: 256 values, or a pixel.
        [2, 255, 1, 1],
        [2, 257, 1, 1],
        [1, 9, 100, 5],
        [1, 7, 300, 3],
    ]
    .map(groups)
    .into()
}

fn usual(shape: &Groups, activation: u32) -> Case {
    case(shape, activation, values(1, lens(shape)[0], -2.0, 2.0))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = shapes().iter().map(|shape| usual(shape, SILU)).collect();
    let shape = groups([2, 37, 12, 3]);
    cases.extend(ALL.map(|(activation, _)| usual(&shape, activation)));
    let narrow = groups([2, 11, 6, 2]);
    cases.extend([RELU, GELU].map(|activation| usual(&narrow, activation)));
    // A mean that is large beside the deviation.
    let mut far = case(&shape, IDENTITY, values(1, lens(&shape)[0], 99.0, 101.0));
    far.name += ", far from zero";
    cases.push(far);
    cases
}

#[test]
fn group_norms_match_the_oracle() {
    verify(&cases());
}

#[test]
fn a_nan_stays_in_its_group() {
    let shape = groups([2, 9, 12, 3]);
    let mut case = usual(&shape, RELU);
    if let Data::Floats(input) = &mut case.operands[0].data {
        input[4] = f32::NAN;
    }
    case.name += ", NaN in the first image's second group";
    agree(&[case]);
}

#[test]
fn statistics_are_those_of_equal_values() {
    let shape = groups([2, 3, 4, 2]);
    for [mean, reciprocal, _] in statistics(&shape, &[3.0; 24]) {
        assert_eq!(mean, 3.0);
        assert!((reciprocal - 1.0 / 1e-5_f64.sqrt()).abs() <= 1e4 * U);
    }
}
