//! Group norm (Wu and He 2018) of maps that are stored channels last, with the activation behind it.

use rayon::prelude::*;

use super::activation::activate;
use super::{by_lanes, lib};
use crate::kernel::{Binding, Bound, Call, Capabilities, Kernel, Real, Variant, bind, parallel};

/// What is added to the variance, as in PyTorch.
pub const NORM_EPSILON: f64 = 1e-5;

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
    }
}

/// `out = activate((input − mean)·reciprocal·weight + bias)`; selector `ACTIVATION`.
///
/// Bindings: input `[images, pixels, channels]`, weight and bias `[channels]`; out as input, stats `[images, groups, 2]`:
/// mean and reciprocal deviation.
pub static KERNEL: Kernel = Kernel {
    name: "group_norm",
    bindings: &[
        Binding::read("input"),
        Binding::read("weight"),
        Binding::read("bias"),
        Binding::write("out"),
        Binding::write("stats"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, device| {
        let text = include_str!("../../shaders/group_norm.wgsl");
        Groups::of(&call.params()).variants(device, text)
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// Maps whose channels are in groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Images.
    pub images: usize,
    /// Pixels of an image.
    pub pixels: usize,
    /// Channels of a pixel.
    pub channels: usize,
    /// Groups of the channels, which they are a multiple of.
    pub groups: usize,
}

impl Groups {
    /// The same of so many images.
    #[must_use]
    pub fn of_images(self, images: usize) -> Self {
        Self { images, ..self }
    }
}

/// The call for maps.
pub fn call(groups: &Groups, activation: u32) -> Call {
    let params = Params {
        images: groups.images as u32,
        pixels: groups.pixels as u32,
        channels: groups.channels as u32,
        groups: groups.groups as u32,
    };
    Call::new(params, &[("ACTIVATION", activation)])
}

/// Values that the twins compute with at once: a pixel, or as many as make this many values.
const ROW: usize = 256;

impl Groups {
    fn of(p: &Params) -> Self {
        let [images, pixels, channels, groups] =
            [p.images, p.pixels, p.channels, p.groups].map(|size| size as usize);
        Self {
            images,
            pixels,
            channels,
            groups,
        }
    }

    /// Values of an image.
    pub(super) fn image(&self) -> usize {
        self.pixels * self.channels
    }

    /// Channels of a group.
    pub(super) fn size(&self) -> usize {
        self.channels / self.groups
    }

    /// Values of a group, of which there is a mean.
    pub(super) fn values(&self) -> usize {
        self.pixels * self.size()
    }

    /// Values of a row of the twins: whole pixels.
    pub(super) fn row(&self) -> usize {
        self.channels * (ROW / self.channels).max(1)
    }

    /// The only variant of a kernel for a device. Hardware has a workgroup for each group, with enough lanes that each
    /// has a few units of four; a software driver an invocation.
    pub(super) fn variants(&self, device: &Capabilities, text: &'static str) -> Vec<Variant> {
        let is_wide = self.size().is_multiple_of(4);
        let units: &[&'static str] = match is_wide {
            true => &[lib::four(device), lib::UNITS_VEC4],
            false => &[lib::UNITS_SCALAR],
        };
        let groups = (self.images * self.groups) as u32;
        let size = (self.values() / 16).next_power_of_two().clamp(64, 256);
        let parts = [units, &[lib::EXP, lib::ACTIVATION, text]].concat();
        by_lanes(device, &parts, groups, size as u32)
    }
}

/// Sums over the pixels of `term(value, of its channel)`, of which `sums` has `[channels]` at its beginning then.
#[inline(always)]
pub(super) fn over_pixels<F: Real>(
    channels: usize,
    sums: &mut [F],
    [values, of_channels]: [&[F]; 2],
    term: impl Fn(F, F) -> F,
) {
    sums.fill(F::ZERO);
    for row in values.chunks(sums.len()) {
        for ((sum, &value), &of_channel) in sums.iter_mut().zip(row).zip(of_channels) {
            *sum += term(value, of_channel);
        }
    }
    fold(channels, sums);
}

/// Adds the pixels of a row up.
#[inline(always)]
pub(super) fn fold<F: Real>(channels: usize, sums: &mut [F]) {
    let (first, rest) = sums.split_at_mut(channels);
    for pixel in rest.chunks(channels) {
        first
            .iter_mut()
            .zip(pixel)
            .for_each(|(sum, &value)| *sum += value);
    }
}

/// Memory in rows.
#[inline(always)]
pub(super) fn rows<F, const N: usize>(memory: &mut [F], row: usize) -> [&mut [F]; N] {
    let mut rows = memory.chunks_mut(row);
    std::array::from_fn(|_| rows.next().unwrap_or_default())
}

/// Gives all pixels of a row the values of the first.
#[inline(always)]
pub(super) fn spread<F: Real>(channels: usize, row: &mut [F]) {
    let (first, rest) = row.split_at_mut(channels);
    rest.chunks_mut(channels)
        .for_each(|pixel| pixel.copy_from_slice(first));
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [input, weight, bias, out, stats] = bind(bound);
    let groups = Groups::of(&call.params());
    let (input, weight, bias) = (input.floats(), weight.floats(), bias.floats());
    let activation = call.selector("ACTIVATION");
    parallel::parts(
        out.floats_mut(),
        groups.image(),
        stats.floats_mut().par_chunks_mut(2 * groups.groups),
        #[inline(always)]
        |(image, (out, stats))| {
            let input = &input[image * groups.image()..][..groups.image()];
            let row = groups.row();
            F::scratch(
                4 * row,
                #[inline(always)]
                |memory| {
                    let [sums, means, scales, shifts] = rows(memory, row);
                    statistics(&groups, input, stats, [sums, means]);
                    for (i, scale) in scales[..groups.channels].iter_mut().enumerate() {
                        *scale = stats[2 * (i / groups.size()) + 1] * weight[i];
                    }
                    shifts[..groups.channels].copy_from_slice(&bias[..groups.channels]);
                    spread(groups.channels, scales);
                    spread(groups.channels, shifts);
                    for (out, input) in out.chunks_mut(row).zip(input.chunks(row)) {
                        let of_channels = means.iter().zip(&*scales).zip(&*shifts);
                        for ((out, &x), ((&mean, &scale), &shift)) in
                            out.iter_mut().zip(input).zip(of_channels)
                        {
                            *out = (x - mean) * scale + shift;
                        }
                        activate(activation, out);
                    }
                },
            );
        },
    );
}

/// Mean and reciprocal deviation of each group of an image; the means are spread over a row as well.
#[inline(always)]
fn statistics<F: Real>(
    groups: &Groups,
    input: &[F],
    stats: &mut [F],
    [sums, means]: [&mut [F]; 2],
) {
    let (size, channels) = (groups.size(), groups.channels);
    let count = F::new(groups.values() as f64);
    means.fill(F::ZERO);
    over_pixels(channels, sums, [input, means], |x, _| x);
    for (group, stats) in stats.chunks_mut(2).enumerate() {
        let own = group * size..(group + 1) * size;
        stats[0] = sums[own.clone()].iter().copied().sum::<F>() / count;
        means[own].fill(stats[0]);
    }
    spread(channels, means);
    over_pixels(channels, sums, [input, means], |x, mean| {
        (x - mean) * (x - mean)
    });
    for (stats, sums) in stats.chunks_mut(2).zip(sums.chunks(size)) {
        let variance = sums.iter().copied().sum::<F>() / count;
        stats[1] = F::ONE / (variance + F::new(NORM_EPSILON)).sqrt();
    }
}
