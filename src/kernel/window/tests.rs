use std::sync::Mutex;

use pulp::{Arch, Scalar128b, Scalar512b, WithSimd};

use super::*;
use crate::kernel::Real;

/// Vector instructions: those that this machine has, and the other numbers of lanes, emulated.
#[derive(Clone, Copy, Debug)]
enum Machine {
    Has(Arch),
    Four,
    Sixteen,
}

impl Vectors for Machine {
    fn run<W: WithSimd>(self, work: W) -> W::Output {
        match self {
            Self::Has(arch) => arch.dispatch(work),
            Self::Four => work.with_simd(Scalar128b),
            Self::Sixteen => work.with_simd(Scalar512b),
        }
    }
}

fn machines() -> Vec<Machine> {
    let archs = [Arch::new(), Arch::Scalar].into_iter();
    #[cfg(target_arch = "x86_64")]
    let archs = archs.chain(pulp::x86::V3::try_new().map(Arch::V3));
    let has = archs.map(Machine::Has);
    has.chain([Machine::Four, Machine::Sixteen]).collect()
}

/// A window with as many places as fit into the map between `pad` zeros on all sides.
fn window(
    images: usize,
    map: [usize; 3],
    filters: usize,
    [kernel, stride, pad]: [usize; 3],
) -> Window {
    let size = |size: usize| (size + 2 * pad - kernel) / stride + 1;
    Window {
        images,
        map,
        out: [size(map[0]), size(map[1]), filters],
        kernel,
        stride,
        pad,
    }
}

/// Windows around all tiles, phases and borders.
fn windows() -> Vec<Window> {
    let mut windows = vec![
        // One value; one channel; a kernel of one pixel; no border.
        window(1, [1, 1, 1], 1, [1, 1, 0]),
        window(3, [7, 5, 1], 1, [3, 1, 1]),
        window(2, [6, 5, 3], 17, [1, 1, 0]),
        window(2, [9, 6, 4], 5, [2, 1, 0]),
        // Few channels on either side, and on both.
        window(5, [14, 13, 1], 32, [3, 2, 1]),
        window(5, [14, 13, 32], 1, [3, 2, 1]),
        window(2, [12, 10, 3], 33, [3, 2, 1]),
        window(2, [9, 8, 33], 3, [3, 1, 1]),
        window(2, [8, 9, 16], 2, [4, 2, 1]),
        window(3, [6, 7, 4], 4, [3, 1, 1]),
        window(2, [7, 6, 5], 4, [5, 1, 2]),
        window(2, [7, 6, 9], 4, [3, 2, 0]),
        // Channels around lines, panels and pairs of panels.
        window(3, [7, 9, 16], 20, [3, 1, 1]),
        window(2, [6, 6, 48], 50, [4, 2, 1]),
        window(2, [5, 4, 31], 65, [3, 1, 1]),
        window(2, [7, 5, 20], 8, [5, 2, 2]),
        window(1, [8, 9, 7], 12, [7, 3, 3]),
        // Strides larger than the kernel, and windows that leave out the last rows and columns.
        window(2, [11, 9, 6], 10, [2, 3, 0]),
        window(2, [10, 13, 3], 6, [1, 4, 0]),
        window(2, [9, 10, 33], 3, [3, 4, 1]),
        window(2, [8, 8, 5], 9, [3, 2, 0]),
        // More images than parts, of which some have none.
        window(17, [6, 6, 1], 8, [3, 2, 1]),
        // Whole images and parts of images that are shared out.
        window(40, [14, 14, 8], 24, [3, 1, 1]),
        window(2, [40, 37, 24], 16, [3, 1, 1]),
        window(2, [41, 38, 24], 16, [4, 2, 1]),
        // The same to few channels, and from few.
        window(3, [40, 37, 16], 3, [3, 1, 1]),
        window(3, [41, 38, 2], 24, [4, 2, 1]),
        // Rows of more pixels than a block, and a patch that is not written out.
        window(1, [3, 300, 4], 20, [3, 1, 1]),
        window(1, [3, 300, 12], 3, [3, 1, 1]),
        window(1, [15, 14, 1], 6, [13, 1, 0]),
        // So many weights that there is one part.
        window(3, [3, 4, 128], 130, [3, 1, 1]),
        // No images, and no channels.
        window(0, [4, 4, 3], 5, [3, 1, 1]),
        window(2, [4, 4, 0], 5, [3, 1, 1]),
        window(2, [4, 4, 3], 0, [3, 1, 1]),
    ];
    // Fewer windows than fit; a pad as wide as the kernel; windows far behind the last row.
    for (out, kernel, stride, pad) in [
        ([2, 3, 6], 3, 1, 1),
        ([5, 6, 6], 2, 2, 2),
        ([9, 9, 6], 3, 1, 1),
        ([1, 1, 1], 3, 2, 5),
    ] {
        windows.push(Window {
            images: 2,
            map: [5, 4, 3],
            out,
            kernel,
            stride,
            pad,
        });
    }
    windows
}

/// Values in [-1, 1).
fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let value = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 23) - 1.0) as f32
    };
    (0..len).map(value).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

/// Map, weights and out of a window.
fn operands(window: &Window) -> [Vec<f32>; 3] {
    [
        values(window.map_values(), 1),
        values(window.weights(), 2),
        values(window.out_values(), 3),
    ]
}

/// Calls `f(number in out, number in weights, number in map)` for each term of a convolution, found by going over all
/// pairs of pixels: another way than that of the code.
fn each_term(window: &Window, mut f: impl FnMut(usize, usize, usize)) {
    let ([h, w, channels], [ho, wo, filters]) = (window.map, window.out);
    let kernel = window.kernel as isize;
    let tap = |pixel: usize, place: usize| {
        pixel as isize + window.pad as isize - (place * window.stride) as isize
    };
    for image in 0..window.images {
        for (y, oy) in (0..h).flat_map(|y| (0..ho).map(move |oy| (y, oy))) {
            for (x, ox) in (0..w).flat_map(|x| (0..wo).map(move |ox| (x, ox))) {
                let (ky, kx) = (tap(y, oy), tap(x, ox));
                if !(0..kernel).contains(&ky) || !(0..kernel).contains(&kx) {
                    continue;
                }
                for filter in 0..filters {
                    for channel in 0..channels {
                        let out = ((image * ho + oy) * wo + ox) * filters + filter;
                        let tap = (filter as isize * kernel + ky) * kernel + kx;
                        let map = ((image * h + y) * w + x) * channels + channel;
                        f(out, tap as usize * channels + channel, map);
                    }
                }
            }
        }
    }
}

/// Convolution, transpose, partial sums of the weight gradient, and sums.
fn all<F: Real>(
    window: &Window,
    [map, w, out]: &[Vec<F>; 3],
    run: impl FnOnce(&Window, [&[F]; 3], [&mut [F]; 4]),
) -> [Vec<F>; 4] {
    let nan = |len| vec![F::new(f64::NAN); len];
    let parts = window.parts();
    let mut results = [
        nan(window.out_values()),
        nan(window.map_values()),
        nan(parts * window.weights()),
        nan(parts * window.out[2]),
    ];
    run(
        window,
        [map, w, out],
        results.each_mut().map(|result| &mut result[..]),
    );
    results
}

fn exact(window: &Window, operands: &[Vec<f32>; 3]) -> [Vec<f64>; 4] {
    let operands = operands.each_ref().map(|values| wide(values));
    all(window, &operands, |window, [map, w, out], [y, x, p, s]| {
        f64::convolve(window, map, w, y, &|_, _| ());
        f64::convolve_transposed(window, out, w, x, &|_, _| ());
        f64::window_gradient(window, out, map, p, s);
    })
}

fn fast(machine: impl Vectors, window: &Window, operands: &[Vec<f32>; 3]) -> [Vec<f32>; 4] {
    all(window, operands, |window, [map, w, out], [y, x, p, s]| {
        convolve(machine, window, map, w, y, &|_, _| ());
        convolve_transposed(machine, window, out, w, x, &|_, _| ());
        gradient(machine, window, out, map, p, s);
    })
}

/// Largest difference, of which a NaN on one side only is an infinite one.
fn worst(values: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let differences = values.into_iter().map(|(a, b)| match (a - b).abs() {
        difference if difference.is_nan() && !(a.is_nan() && b.is_nan()) => f64::INFINITY,
        difference => difference,
    });
    differences.fold(0.0, f64::max)
}

#[test]
fn a_convolution_by_hand() {
    let window = window(1, [2, 3, 1], 1, [2, 1, 0]);
    let (map, w) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 10.0, 100.0, 1000.0]);
    let mut out = [0.0; 2];
    f64::convolve(&window, &map, &w, &mut out, &|_, _| ());
    assert_eq!(out, [5421.0, 6532.0]);
    let mut back = [0.0; 6];
    f64::convolve_transposed(&window, &[1.0, 2.0], &w, &mut back, &|_, _| ());
    assert_eq!(back, [1.0, 12.0, 20.0, 100.0, 1200.0, 2000.0]);
    let (mut partials, mut sums) = ([0.0; 4], [0.0]);
    f64::window_gradient(&window, &[1.0, 2.0], &map, &mut partials, &mut sums);
    assert_eq!((partials, sums), ([5.0, 8.0, 14.0, 17.0], [3.0]));
}

#[test]
fn the_oracle_adds_up_the_terms_that_all_pairs_of_pixels_have() {
    for window in windows() {
        let operands = operands(&window);
        let [map, w, out] = operands.each_ref().map(|values| wide(values));
        let mut truth = [&out, &map, &w].map(|values| vec![0.0; values.len()]);
        each_term(&window, |o, t, m| {
            truth[0][o] += map[m] * w[t];
            truth[1][m] += out[o] * w[t];
            truth[2][t] += out[o] * map[m];
        });
        let [y, x, partials, sums] = exact(&window, &operands);
        let mut gradient = vec![0.0; window.weights()];
        for part in partials.chunks(window.weights().max(1)) {
            for (sum, value) in gradient.iter_mut().zip(part) {
                *sum += value;
            }
        }
        for (results, truth) in [y, x, gradient].iter().zip(&truth) {
            assert_eq!(results.len(), truth.len());
            let worst = worst(results.iter().copied().zip(truth.iter().copied()));
            assert!(worst < 1e-10, "{window:?}: {worst}");
        }
        let total: f64 = sums.iter().sum();
        assert!(
            (total - out.iter().sum::<f64>()).abs() < 1e-10,
            "{window:?}"
        );
    }
}

#[test]
fn convolutions_and_gradients_are_those_of_plain_loops() {
    for window in windows() {
        let operands = operands(&window);
        let exact = exact(&window, &operands);
        let taps = window.kernel * window.kernel;
        let pixels = window.images * window.out[0] * window.out[1];
        // Terms are at most 1, so that this is what the rounding of as many of them may be.
        let terms = [taps * window.map[2], taps * window.out[2], pixels, pixels];
        for machine in machines() {
            let results = fast(machine, &window, &operands);
            for (i, (results, exact)) in results.iter().zip(&exact).enumerate() {
                let bound = (terms[i] + 1) as f64 * f64::from(f32::EPSILON);
                let pairs = results.iter().map(|&value| f64::from(value));
                let worst = worst(pairs.zip(exact.iter().copied())) / bound;
                assert!(worst < 1.0, "{machine:?} {window:?}, result {i}: {worst}");
            }
        }
    }
}

#[test]
fn convolution_transpose_and_gradient_are_adjoint() {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
        products.sum()
    };
    for window in windows() {
        let operands = operands(&window);
        let [y, x, partials, _] = fast(Arch::new(), &window, &operands);
        let [map, w, out] = &operands;
        let w = w.repeat(window.parts());
        let dots = [dot(&y, out), dot(&x, map), dot(&partials, &w)];
        // Each value of `out` has so many terms.
        let terms = window.out_values() * (window.patch() + 1);
        let bound = terms as f64 * f64::from(f32::EPSILON);
        for other in &dots[1..] {
            assert!((dots[0] - other).abs() <= bound, "{window:?}: {dots:?}");
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for window in windows() {
        let operands = operands(&window);
        let bits = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let results = pool
                .build()
                .expect("a pool")
                .install(|| fast(Arch::new(), &window, &operands));
            results.map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
        let one = bits(1);
        assert!([2, 5].into_iter().all(|threads| bits(threads) == one));
    }
}

#[test]
fn values_that_are_not_finite_spread_to_the_sums_that_they_are_in() {
    for window in windows() {
        for value in [f32::NAN, f32::INFINITY] {
            for (i, operand) in operands(&window).iter().enumerate() {
                // The first, which a border of zeros is beside, and one in the middle.
                for at in [0, operand.len() / 2] {
                    let mut operands = operands(&window);
                    let Some(place) = operands[i].get_mut(at) else {
                        continue;
                    };
                    *place = value;
                    let exact = exact(&window, &operands);
                    for machine in [Machine::Has(Arch::new()), Machine::Sixteen] {
                        let results = fast(machine, &window, &operands);
                        for (results, exact) in results.iter().zip(&exact) {
                            let same = results.iter().zip(exact).all(|(&a, &b)| {
                                (a.is_nan(), a.is_infinite()) == (b.is_nan(), b.is_infinite())
                            });
                            assert!(same, "{machine:?} {window:?}: {value} in operand {i}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn each_row_is_finished_once_when_it_is_complete() {
    for window in windows() {
        let operands = operands(&window);
        let [map, w, out] = &operands;
        let [y, x, ..] = fast(Arch::new(), &window, &operands);
        for (expected, values) in [(&y, window.out[2]), (&x, window.map[2])] {
            let seen = Mutex::new(vec![0; expected.len()]);
            let finish = |row: usize, block: &mut [f32]| {
                let mut seen = seen.lock().expect("no panic");
                assert_eq!(block.len() % values, 0);
                for (i, value) in block.iter_mut().enumerate() {
                    seen[row * values + i] += 1;
                    assert_eq!(*value, expected[row * values + i]);
                    *value = 0.0;
                }
            };
            let mut results = vec![f32::NAN; expected.len()];
            if std::ptr::eq(expected, &y) {
                convolve(Arch::new(), &window, map, w, &mut results, &finish);
            } else {
                convolve_transposed(Arch::new(), &window, out, w, &mut results, &finish);
            }
            assert!(seen.into_inner().expect("no panic").iter().all(|&n| n == 1));
            assert!(results.iter().all(|&value| value == 0.0));
        }
    }
}

#[test]
fn parts_are_whole_images_and_cover_each_once() {
    for window in windows() {
        let images: Vec<usize> = (0..window.parts()).flat_map(|i| window.part(i)).collect();
        assert!(images.into_iter().eq(0..window.images), "{window:?}");
    }
    assert_eq!(window(100, [8, 8, 64], 64, [3, 1, 1]).parts(), 7);
    assert_eq!(window(100, [8, 8, 128], 256, [3, 1, 1]).parts(), 1);
    assert_eq!(window(5, [8, 8, 1], 32, [3, 1, 1]).parts(), 5);
    assert_eq!(window(100, [8, 8, 1], 32, [3, 1, 1]).parts(), 16);
}

#[test]
fn sums_are_computed_on_request_only() {
    let window = window(3, [5, 5, 3], 6, [3, 1, 1]);
    let [map, _, out] = operands(&window);
    let mut partials = vec![f32::NAN; window.parts() * window.weights()];
    gradient(Arch::new(), &window, &out, &map, &mut partials, &mut []);
    assert!(partials.iter().all(|value| value.is_finite()));
}
