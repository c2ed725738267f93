//! The gradients of a group norm with the activation behind it. What the activation saw is computed anew.

use rayon::prelude::*;

use super::activation::{IDENTITY, activate, derivative_needs_input, times_derivative};
use super::group_norm::{Groups, fold, rows, spread};
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, parallel};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Images.
        images: u32,
        /// Pixels of an image.
        pixels: u32,
        /// Channels of a pixel.
        channels: u32,
        /// Groups of the channels.
        groups: u32,
        /// Place of the bias among the parameters.
        bias: u32,
    }
}

/// From the gradient of the output to that of the input, and for each image those of weight and bias; selectors
/// `ACTIVATION`, and `SKIP`: 1 adds the gradient of a connection around it.
///
/// Bindings: input `[images, pixels, channels]`, stats `[images, groups, 2]`, parameters: weight and bias `[channels]` with
/// what lies between them, d_output and skip as input; d_input as input, weights and biases `[images, channels]`.
pub static KERNEL: Kernel = Kernel {
    name: "group_norm_backward",
    bindings: &[
        Binding::read("input"),
        Binding::read("stats"),
        Binding::read("parameters"),
        Binding::read("d_output"),
        Binding::read("skip").touching(|call| {
            let groups = groups(call);
            call.selector("SKIP") as usize * groups.images * groups.image()
        }),
        Binding::write("d_input"),
        Binding::write("weights"),
        Binding::write("biases"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, device| {
        let text = include_str!("../../shaders/group_norm_backward.wgsl");
        groups(call).variants(device, text)
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for maps, where the bias lies at a place among the parameters: with the gradient of a connection around the
/// norm or without.
pub fn call(groups: &Groups, bias: usize, activation: u32, skip: bool) -> Call {
    let params = Params {
        images: groups.images as u32,
        pixels: groups.pixels as u32,
        channels: groups.channels as u32,
        groups: groups.groups as u32,
        bias: bias as u32,
    };
    let selectors = [("ACTIVATION", activation), ("SKIP", u32::from(skip))];
    Call::new(params, &selectors)
}

fn groups(call: &Call) -> Groups {
    let p: Params = call.params();
    Groups {
        images: p.images as usize,
        pixels: p.pixels as usize,
        channels: p.channels as usize,
        groups: p.groups as usize,
    }
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [
        input,
        stats,
        parameters,
        d_output,
        skip,
        d_input,
        weights,
        biases,
    ] = bind(bound);
    let groups = groups(call);
    let (weight, bias) = parameters
        .floats()
        .split_at(call.params::<Params>().bias as usize);
    let activation = call.selector("ACTIVATION");
    let skip = (call.selector("SKIP") != 0).then(|| skip.floats());
    let (input, stats, d_output) = (input.floats(), stats.floats(), d_output.floats());
    let weights = weights.floats_mut().par_chunks_mut(groups.channels);
    let biases = biases.floats_mut().par_chunks_mut(groups.channels);
    parallel::parts(
        d_input.floats_mut(),
        groups.image(),
        weights.zip(biases),
        #[inline(always)]
        |(image, (d_input, (d_weight, d_bias)))| {
            let of_image = image * groups.image()..(image + 1) * groups.image();
            F::scratch(
                ROWS * groups.row(),
                #[inline(always)]
                |memory| {
                    let mut image = Image {
                        groups,
                        activation,
                        input: &input[of_image.clone()],
                        stats: &stats[2 * groups.groups * image..][..2 * groups.groups],
                        weight: &weight[..groups.channels],
                        bias: &bias[..groups.channels],
                        rows: rows(memory, groups.row()),
                    };
                    image.through_activation(&d_output[of_image.clone()], d_input);
                    d_weight.copy_from_slice(&image.rows[WEIGHTS][..groups.channels]);
                    d_bias.copy_from_slice(&image.rows[BIASES][..groups.channels]);
                    image.through_norm(d_input);
                    if let Some(skip) = skip {
                        let pairs = d_input.iter_mut().zip(&skip[of_image]);
                        pairs.for_each(|(sum, &value)| *sum += value);
                    }
                },
            );
        },
    );
}

/// Rows of memory that an image needs, values of each channel but for the last two, and the places of those that are sums.
const ROWS: usize = 8;
const WEIGHTS: usize = 4;
const BIASES: usize = 5;

/// An image on its way back.
struct Image<'a, F> {
    groups: Groups,
    activation: u32,
    input: &'a [F],
    stats: &'a [F],
    weight: &'a [F],
    bias: &'a [F],
    rows: [&'a mut [F]; ROWS],
}

impl<F: Real> Image<'_, F> {
    /// The gradient of what the activation was of, with the sums over pixels of it, and of it times the unit that it has.
    #[inline(always)]
    fn through_activation(&mut self, d_output: &[F], gradient: &mut [F]) {
        let (channels, size) = (self.groups.channels, self.groups.size());
        let [
            means,
            reciprocals,
            scales,
            shifts,
            weights,
            biases,
            units,
            seen,
        ] = &mut self.rows;
        for channel in 0..channels {
            let group = channel / size;
            means[channel] = self.stats[2 * group];
            reciprocals[channel] = self.stats[2 * group + 1];
        }
        scales[..channels].copy_from_slice(self.weight);
        shifts[..channels].copy_from_slice(self.bias);
        for row in [&mut *means, reciprocals, scales, shifts] {
            spread(channels, row);
        }
        weights.fill(F::ZERO);
        biases.fill(F::ZERO);
        let width = self.groups.row();
        let rows = gradient.chunks_mut(width).zip(d_output.chunks(width));
        for ((g, d_output), x) in rows.zip(self.input.chunks(width)) {
            // All of one length, so that no bound is checked within the loops.
            let n = g.len();
            let (x, means, reciprocals) = (&x[..n], &means[..n], &reciprocals[..n]);
            let (scales, shifts) = (&scales[..n], &shifts[..n]);
            let (units, seen) = (&mut units[..n], &mut seen[..n]);
            for (i, (unit, seen)) in units.iter_mut().zip(&mut *seen).enumerate() {
                *unit = (x[i] - means[i]) * reciprocals[i];
                *seen = *unit * scales[i] + shifts[i];
            }
            g.copy_from_slice(d_output);
            if self.activation != IDENTITY {
                if !derivative_needs_input(self.activation) {
                    activate(self.activation, seen);
                }
                times_derivative(self.activation, g, seen);
            }
            let sums = weights.iter_mut().zip(biases.iter_mut());
            for ((weight, bias), (&g, &unit)) in sums.zip(g.iter().zip(&*units)) {
                *weight += g * unit;
                *bias += g;
            }
        }
        fold(channels, weights);
        fold(channels, biases);
    }

    /// From the gradient of what the activation was of to that of the input, in its place:
    /// reciprocal·(weight·g − level − unit·along), where level and along are means of weight·g and of weight·g·unit.
    #[inline(always)]
    fn through_norm(&mut self, gradient: &mut [F]) {
        let (channels, size) = (self.groups.channels, self.groups.size());
        let [
            means,
            reciprocals,
            scales,
            levels,
            weights,
            biases,
            alongs,
            _,
        ] = &mut self.rows;
        let count = F::new(self.groups.values() as f64);
        for group in 0..self.groups.groups {
            let own = group * size..(group + 1) * size;
            let reciprocal = reciprocals[own.start];
            let mean = |sums: &[F]| {
                let pairs = sums[own.clone()].iter().zip(&self.weight[own.clone()]);
                pairs.map(|(&sum, &weight)| sum * weight).sum::<F>() / count
            };
            let (level, along) = (mean(biases), mean(weights));
            for channel in own {
                scales[channel] = reciprocal * self.weight[channel];
                levels[channel] = reciprocal * level;
                alongs[channel] = reciprocal * reciprocal * along;
            }
        }
        for row in [&mut *scales, levels, alongs] {
            spread(channels, row);
        }
        let width = self.groups.row();
        for (g, x) in gradient.chunks_mut(width).zip(self.input.chunks(width)) {
            let n = g.len();
            let (x, means, scales) = (&x[..n], &means[..n], &scales[..n]);
            let (levels, alongs) = (&levels[..n], &alongs[..n]);
            for (i, g) in g.iter_mut().enumerate() {
                *g = *g * scales[i] - levels[i] - (x[i] - means[i]) * alongs[i];
            }
        }
    }
}
