//! Cases of `group_norm_backward`.

use ::elbo::ops::activation::{GELU, IDENTITY, LEAKY_RELU, RELU};
use ::elbo::ops::group_norm::Groups;
use ::elbo::ops::group_norm_backward;

use super::activation::{ALL, slope};
use super::group_norm::{count, groups, lens, name, place, shapes, statistics};
use super::matmul::derivative_error;
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::{Tolerance, walk};

/// Roundings of a gradient that went through an activation: its derivative's, and those of what it saw, where the
/// derivative passes them on.
fn roundings(activation: u32) -> f64 {
    match activation {
        IDENTITY | RELU | LEAKY_RELU => derivative_error(activation) as f64 - 1.0,
        _ => derivative_error(activation) as f64 + 4.0,
    }
}

fn case(shape: &Groups, activation: u32, skip: bool) -> Case {
    let [len, channels] = lens(shape);
    let input = values(1, len, -2.0, 2.0);
    let (d_output, around) = (values(4, len, -1.0, 1.0), values(5, len, -1.0, 1.0));
    // Room between weight and bias, as an arena has it.
    let bias = channels.next_multiple_of(64);
    let mut parameters = values(2, bias + channels, 0.5, 1.5);
    parameters[bias..].copy_from_slice(&values(3, channels, -1.0, 1.0));
    let stats = statistics(shape, &input);
    // Magnitudes of the terms of both sums over each channel of an image, and their means over each group.
    let mut sums = vec![[0.0; 2]; shape.images * channels];
    let mut means = vec![[0.0; 2]; stats.len()];
    let term = |index: usize| {
        let (group, channel) = place(shape, index);
        let unit = ((f64::from(input[index]) - stats[group][0]) * stats[group][1]).abs();
        let g = f64::from(d_output[index].abs()) * slope(activation);
        (group, channel, unit, g, f64::from(parameters[channel]))
    };
    for index in 0..len {
        let (group, channel, unit, g, weight) = term(index);
        let sum = &mut sums[index / (shape.pixels * channels) * channels + channel];
        *sum = [sum[0] + g * unit, sum[1] + g];
        let share = weight * g / count(shape) as f64;
        means[group] = [means[group][0] + share * unit, means[group][1] + share];
    }
    let own = roundings(activation);
    let of_input = |index: usize| {
        let (group, _, unit, g, weight) = term(index);
        let [along, level] = means[group];
        // Beyond what went through the activation: a product, then the unit, a product and the sum.
        let through = (own + 2.0) * weight * g;
        let of_means = (walk(count(shape)) + own + 4.0) * (level + unit * along);
        stats[group][1] * (through + of_means) + if skip { 2.0 } else { 0.0 }
    };
    let of_sums = |which: usize| {
        // The weight's have a unit and a product more.
        let factor = walk(shape.pixels) + own + [3.0, 0.0][which];
        let limits = sums.iter().map(|sum| factor * sum[which]);
        Operand::output(sums.len(), Tolerance::sums(1, limits.collect()))
    };
    let of_input = (0..len).map(of_input).collect();
    let narrow = stats
        .iter()
        .flat_map(|[mean, reciprocal, _]| [*mean as f32, *reciprocal as f32]);
    let suffix = if skip { ", with a skip" } else { "" };
    Case::new(
        name(shape, activation) + suffix,
        &group_norm_backward::KERNEL,
        group_norm_backward::call(shape, bias, activation, skip),
        vec![
            Operand::input(input.clone()),
            Operand::input(narrow.collect()),
            Operand::input(parameters.clone()),
            Operand::input(d_output.clone()),
            Operand::input(if skip { around } else { vec![0.0] }),
            Operand::output(len, Tolerance::sums(1, of_input)),
            of_sums(0),
            of_sums(1),
        ],
    )
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = shapes()
        .iter()
        .map(|shape| case(shape, RELU, false))
        .collect();
    let shape = groups([2, 37, 12, 3]);
    cases.extend(ALL.map(|(activation, _)| case(&shape, activation, false)));
    let narrow = groups([2, 11, 6, 2]);
    cases.extend([RELU, GELU].map(|activation| case(&narrow, activation, false)));
    cases.extend([shape, narrow].map(|shape| case(&shape, RELU, true)));
    cases
}

#[test]
fn gradients_of_group_norms_match_the_oracle() {
    verify(&cases());
}
