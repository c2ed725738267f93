//! Finite scalar quantisation (Mentzer et al. 2023, "Finite scalar quantization: VQ-VAE made simple"): each channel of a code
//! is one of a few numbers.

use super::lib;
use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise, parallel};

/// Most channels of a code.
pub const MOST_CHANNELS: usize = 8;
/// Most levels of a channel.
pub const MOST_LEVELS: u32 = 255;
/// By how much the outermost levels are reached before the end of the tangent's range.
pub const FSQ_MARGIN: f64 = 1e-3;

crate::params! {
    /// Parameters of [`KERNEL`] and [`BACKWARD`].
    pub struct Params {
        /// Values.
        count: u32,
        /// Channels that come again and again.
        channels: u32,
        /// Levels of the first four channels, a byte each.
        first: u32,
        /// Levels of the next four.
        second: u32,
    }
}

/// `out = round(bounded(z)) / unit`, `[codes, channels]` each, where the L levels of a channel are the whole numbers from
/// −⌊L/2⌋ on and unit = ⌊L/2⌋: bounded(z) = half·tanh(z + shift) − offset, with half = (L − 1)(1 + margin)/2, offset = ½ where
/// L is even and 0 where it is odd, and shift = atanh(offset/half), so that 0 stays 0. Selector `ROUNDED`: whether it is
/// rounded; without, it is what [`BACKWARD`] has the gradient of.
pub static KERNEL: Kernel = Kernel {
    name: "fsq",
    bindings: &[Binding::read("z"), Binding::write("out")],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[lib::FSQ, include_str!("../../shaders/fsq.wgsl")],
            call.params::<Params>().count,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// `d_z = d_out · half·(1 − tanh(z + shift)²) / unit`: the gradient goes through the rounding as if it were not there.
pub static BACKWARD: Kernel = Kernel {
    name: "fsq_backward",
    bindings: &[
        Binding::read("d_out"),
        Binding::read("z"),
        Binding::write("d_z"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[lib::FSQ, include_str!("../../shaders/fsq_backward.wgsl")],
            call.params::<Params>().count,
        )
    },
    twin: backward::<f32>,
    oracle: backward::<f64>,
};

fn params(count: usize, levels: &[u32]) -> Params {
    let word = |first: usize| {
        let bytes = levels.iter().skip(first).take(4).enumerate();
        bytes.fold(0, |word, (i, level)| word | level << (8 * i))
    };
    Params {
        count: count as u32,
        channels: levels.len() as u32,
        first: word(0),
        second: word(4),
    }
}

/// The call for `count` values, whose channels have so many levels in turn: [`MOST_CHANNELS`] at most, of 2 to
/// [`MOST_LEVELS`].
pub fn call(count: usize, levels: &[u32], rounded: bool) -> Call {
    Call::new(params(count, levels), &[("ROUNDED", u32::from(rounded))])
}

/// The gradient of `count` values.
pub fn backward_call(count: usize, levels: &[u32]) -> Call {
    Call::new(params(count, levels), &[])
}

/// What bounds the values of a channel.
#[derive(Clone, Copy, Debug)]
pub struct Channel<F> {
    /// Of the tangent's range.
    pub half: F,
    /// What is taken off.
    pub offset: F,
    /// What is added before, so that 0 stays 0.
    pub shift: F,
    /// The level that becomes 1.
    pub unit: F,
}

impl<F: Real> Channel<F> {
    /// That of a channel of so many levels.
    pub fn of(levels: u32) -> Self {
        let l = f64::from(levels);
        let within = (l - 1.0) * FSQ_MARGIN;
        let (offset, shift) = match levels % 2 {
            0 => (0.5, 0.5 * ((l + within) / (l - 2.0 + within)).ln()),
            _ => (0.0, 0.0),
        };
        Self {
            half: F::new(0.5 * (l - 1.0 + within)),
            offset: F::new(offset),
            shift: F::new(shift),
            unit: F::new(f64::from(levels / 2)),
        }
    }

    fn all(p: &Params) -> Vec<Self> {
        let words = [p.first, p.second];
        let level = |i: u32| (words[i as usize / 4] >> (8 * (i % 4))) & 255;
        (0..p.channels).map(|i| Self::of(level(i))).collect()
    }
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [z, out] = bind(bound);
    let z = z.floats();
    let channels = Channel::<F>::all(&call.params());
    let rounded = call.selector("ROUNDED") != 0;
    parallel::chunks(out.floats_mut(), 1, |(first, out)| {
        for (i, out) in out.iter_mut().enumerate() {
            let at = first + i;
            let channel = channels[at % channels.len()];
            let bounded = (z[at] + channel.shift).tanh() * channel.half - channel.offset;
            let level = match rounded {
                true => F::new(bounded.wide().round_ties_even()),
                false => bounded,
            };
            *out = level / channel.unit;
        }
    });
}

fn backward<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [d_out, z, d_z] = bind(bound);
    let (d_out, z) = (d_out.floats(), z.floats());
    let channels = Channel::<F>::all(&call.params());
    parallel::chunks(d_z.floats_mut(), 1, |(first, d_z)| {
        for (i, d_z) in d_z.iter_mut().enumerate() {
            let at = first + i;
            let channel = channels[at % channels.len()];
            let t = (z[at] + channel.shift).tanh();
            *d_z = d_out[at] * (channel.half / channel.unit) * (F::ONE - t * t);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_reached_none_beyond_and_nothing_stays_nothing() {
        for levels in 2..=MOST_LEVELS {
            let channel = Channel::<f64>::of(levels);
            let bounded = |z: f64| (z + channel.shift).tanh() * channel.half - channel.offset;
            let reached: std::collections::BTreeSet<i64> = (-40_000..=40_000)
                .map(|i| bounded(f64::from(i) / 4000.0).round_ties_even() as i64)
                .collect();
            let least = -i64::from(levels / 2);
            let expected: Vec<i64> = (least..least + i64::from(levels)).collect();
            assert_eq!(
                reached.into_iter().collect::<Vec<_>>(),
                expected,
                "{levels}"
            );
            assert!(bounded(0.0).abs() < 1e-9, "{levels}");
        }
    }
}
