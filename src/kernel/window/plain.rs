//! Convolutions as they are defined, at any precision: the oracle, which must be read, not trusted, and what `f32`
//! falls back to for values that are not finite.

use rayon::prelude::*;

use super::Window;
use crate::kernel::Real;

/// A pixel that a window has at tap (ky, kx), if it lies in the map: its number in the image.
fn pixel(window: &Window, [y, x]: [usize; 2], [ky, kx]: [usize; 2]) -> Option<usize> {
    let [height, width, _] = window.map;
    let y = (y * window.stride + ky).checked_sub(window.pad)?;
    let x = (x * window.stride + kx).checked_sub(window.pad)?;
    (y < height && x < width).then_some(y * width + x)
}

/// All taps of a window.
fn taps(window: &Window) -> impl Iterator<Item = [usize; 2]> {
    let kernel = window.kernel;
    (0..kernel * kernel).map(move |tap| [tap / kernel, tap % kernel])
}

/// Image, row and column of a pixel that is numbered over all images.
fn position(pixel: usize, [height, width, _]: [usize; 3]) -> (usize, [usize; 2]) {
    let (row, x) = (pixel / width, pixel % width);
    (row / height, [row % height, x])
}

/// out[pixel, f] = Σ over ky, kx, c of the map's pixel · w[f, ky, kx, c].
pub(in crate::kernel) fn convolve<F: Real>(
    window: &Window,
    map: &[F],
    w: &[F],
    out: &mut [F],
    finish: &(impl Fn(usize, &mut [F]) + Sync),
) {
    let ([height, width, channels], filters) = (window.map, window.out[2]);
    let pixels = out[..window.out_values()].par_chunks_mut(filters.max(1));
    pixels.enumerate().for_each(|(number, values)| {
        let (image, at) = position(number, window.out);
        let map = &map[image * height * width * channels..];
        for (f, value) in values.iter_mut().enumerate() {
            *value = F::ZERO;
            for (tap, place) in taps(window).enumerate() {
                let Some(pixel) = pixel(window, at, place) else {
                    continue;
                };
                let w = &w[(f * window.kernel * window.kernel + tap) * channels..][..channels];
                for (&x, &w) in map[pixel * channels..].iter().zip(w) {
                    *value += x * w;
                }
            }
        }
        finish(number, values);
    });
}

/// map[pixel, c] = Σ of out[window, f] · w[f, ky, kx, c] over the windows that have the pixel at a tap.
pub(in crate::kernel) fn convolve_transposed<F: Real>(
    window: &Window,
    out: &[F],
    w: &[F],
    map: &mut [F],
    finish: &(impl Fn(usize, &mut [F]) + Sync),
) {
    let (channels, [height, width, filters]) = (window.map[2], window.out);
    // The window that has a pixel at a tap.
    let window_at = |place: usize, tap: usize, size: usize| {
        let first = (place + window.pad).checked_sub(tap)?;
        let number = first / window.stride;
        (first % window.stride == 0 && number < size).then_some(number)
    };
    let pixels = map[..window.map_values()].par_chunks_mut(channels.max(1));
    pixels.enumerate().for_each(|(number, values)| {
        let (image, [y, x]) = position(number, window.map);
        values.fill(F::ZERO);
        for (tap, [ky, kx]) in taps(window).enumerate() {
            let (Some(y), Some(x)) = (window_at(y, ky, height), window_at(x, kx, width)) else {
                continue;
            };
            let out = &out[((image * height + y) * width + x) * filters..][..filters];
            for (f, &out) in out.iter().enumerate() {
                let w = &w[(f * window.kernel * window.kernel + tap) * channels..];
                for (value, &w) in values.iter_mut().zip(w) {
                    *value += out * w;
                }
            }
        }
        finish(number, values);
    });
}

/// The partial sums and the sums of all parts; no sums where they are not asked for.
pub(super) fn cut<'a, F>(
    window: &Window,
    partials: &'a mut [F],
    sums: &'a mut [F],
) -> (&'a mut [F], &'a mut [F]) {
    let parts = window.parts();
    let sums = match sums.is_empty() {
        true => sums,
        false => &mut sums[..parts * window.out[2]],
    };
    (&mut partials[..parts * window.weights()], sums)
}

/// partials[part, f, ky, kx, c] = Σ over the part's windows of out[window, f] · the map's pixel, and sums[part, f] =
/// Σ of out[window, f].
pub(in crate::kernel) fn gradient<F: Real>(
    window: &Window,
    out: &[F],
    map: &[F],
    partials: &mut [F],
    sums: &mut [F],
) {
    let ([height, width, channels], filters) = (window.map, window.out[2]);
    let (partials, sums) = cut(window, partials, sums);
    let pixels = window.out[0] * window.out[1];
    let windows = |part: usize| {
        let images = window.part(part);
        images.start * pixels..images.end * pixels
    };
    for (i, sum) in sums.iter_mut().enumerate() {
        let out = |window: usize| out[window * filters + i % filters];
        *sum = windows(i / filters).map(out).sum();
    }
    let rows = partials.par_chunks_mut(window.patch().max(1));
    rows.enumerate().for_each(|(i, partial)| {
        partial.fill(F::ZERO);
        for number in windows(i / filters) {
            let (image, at) = position(number, window.out);
            let map = &map[image * height * width * channels..];
            let out = out[number * filters + i % filters];
            for (place, partial) in taps(window).zip(partial.chunks_mut(channels)) {
                let Some(pixel) = pixel(window, at, place) else {
                    continue;
                };
                for (partial, &x) in partial.iter_mut().zip(&map[pixel * channels..]) {
                    *partial += out * x;
                }
            }
        }
    });
}
