//! The right operand in panels of 16 columns.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use pulp::{Arch, Simd, WithSimd};

use super::{Layout, grow, is_zero};

/// Columns of a panel.
pub(in crate::kernel) const WIDTH: usize = 16;

/// Values handled side by side by a transposition.
pub(in crate::kernel) const EIGHT: usize = 8;

/// Lines below which packing stays on one thread: some ten microseconds.
const LEAST_WORK: usize = 2048;

/// The values of a panel for one k, in a cache line of their own.
#[repr(C, align(64))]
#[derive(Clone, Copy, Default, Zeroable, Pod)]
pub(in crate::kernel) struct Line(pub(in crate::kernel) [f32; WIDTH]);

const ZERO: Line = Line([0.0; WIDTH]);

/// A packed operand `[k, n]`; columns past the last are zero.
#[derive(Default)]
pub(super) struct Panels {
    /// `[panels, k]`, of which each panel has its count.
    lines: Vec<Line>,
    /// k of each line, where lines of zeros are left out.
    places: Vec<u32>,
    counts: Vec<usize>,
    depth: usize,
    zeros: bool,
}

/// A panel.
#[derive(Clone, Copy)]
pub(super) enum Panel<'a> {
    /// A line for each k.
    Whole(&'a [Line]),
    /// Lines that are not zero, and the k of each.
    Part(&'a [Line], &'a [u32]),
}

/// Whether it pays to leave out lines of zeros of a matrix of rows of `n` values: whether over a quarter of
/// some samples are.
pub(super) fn has_zeros(values: &[f32], n: usize) -> bool {
    const ROWS: usize = 8;
    let rows = values.len() / n;
    let sampled = values.chunks(n).step_by(rows.div_ceil(ROWS));
    let lines = sampled.flat_map(|row| row.chunks(WIDTH));
    let (zeros, all) = lines.fold((0, 0), |(zeros, all), line| {
        (zeros + usize::from(is_zero(line)), all + 1)
    });
    4 * zeros > all
}

impl Panels {
    /// Packs an operand of sizes `[k, n]` on all threads; `zeros`, of one stored by rows, leaves out its lines
    /// of zeros.
    pub(super) fn pack(
        &mut self,
        arch: Arch,
        [k, n]: [usize; 2],
        (values, layout): (&[f32], Layout),
        zeros: bool,
    ) {
        let panels = n.div_ceil(WIDTH);
        self.depth = k;
        self.zeros = zeros;
        let places = if zeros { panels * k } else { 0 };
        grow(&mut self.lines, panels * k);
        grow(&mut self.places, places);
        self.counts.resize(panels, 0);
        let pack = Pack {
            values,
            layout,
            sizes: [k, n],
            first: 0,
            lines: &mut self.lines[..panels * k],
            places: &mut self.places[..places],
            counts: &mut self.counts,
        };
        pack.share(arch);
    }

    /// Lines of a panel, with those that are left out.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The panels in order.
    #[inline(always)]
    pub(super) fn each(&self) -> impl Iterator<Item = Panel<'_>> {
        let depth = self.depth;
        self.counts.iter().enumerate().map(move |(i, &count)| {
            let lines = &self.lines[i * depth..][..count];
            match self.zeros {
                true => Panel::Part(lines, &self.places[i * depth..][..count]),
                false => Panel::Whole(lines),
            }
        })
    }
}

/// Some panels to pack.
struct Pack<'a> {
    values: &'a [f32],
    layout: Layout,
    sizes: [usize; 2],
    /// Number of the first of them.
    first: usize,
    lines: &'a mut [Line],
    /// Empty where nothing is left out.
    places: &'a mut [u32],
    counts: &'a mut [usize],
}

impl Pack<'_> {
    fn share(self, arch: Arch) {
        let panels = self.counts.len();
        if panels < 2 || self.lines.len() < LEAST_WORK {
            arch.dispatch(self);
            return;
        }
        let (half, k) = (panels / 2, self.sizes[0]);
        let (lines, later_lines) = self.lines.split_at_mut(half * k);
        let at = self.places.len().min(half * k);
        let (places, later_places) = self.places.split_at_mut(at);
        let (counts, later_counts) = self.counts.split_at_mut(half);
        let earlier = Pack {
            lines,
            places,
            counts,
            ..self
        };
        let later = Pack {
            first: self.first + half,
            lines: later_lines,
            places: later_places,
            counts: later_counts,
            ..self
        };
        rayon::join(|| earlier.share(arch), || later.share(arch));
    }
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let [k, n] = self.sizes;
        let mut places = self.places.chunks_mut(k);
        let panels = self.lines.chunks_mut(k).zip(self.counts);
        for (i, (lines, count)) in panels.enumerate() {
            let first = (self.first + i) * WIDTH;
            *count = match places.next() {
                Some(places) => copy_part(self.values, n, first, lines, places),
                None => {
                    pack((self.values, self.layout), self.sizes, first, lines);
                    k
                }
            };
        }
    }
}

/// Packs panels of `k` lines from column `first` on.
#[inline(always)]
pub(in crate::kernel) fn pack(
    (values, layout): (&[f32], Layout),
    [k, n]: [usize; 2],
    first: usize,
    lines: &mut [Line],
) {
    for (lines, first) in lines.chunks_mut(k).zip((first..n).step_by(WIDTH)) {
        match layout {
            Layout::Rows => copy(values, n, first, lines),
            Layout::Transposed => transpose(values, first..n.min(first + WIDTH), lines),
        }
    }
}

/// Packs columns from `first` on of a matrix that is stored by rows of `n`.
#[inline(always)]
fn copy(values: &[f32], n: usize, first: usize, lines: &mut [Line]) {
    for (line, row) in lines.iter_mut().zip(values.chunks(n)) {
        *line = load(&row[first..]);
    }
}

/// The same, without lines of zeros; gives the number of lines.
#[inline(always)]
fn copy_part(
    values: &[f32],
    n: usize,
    first: usize,
    lines: &mut [Line],
    places: &mut [u32],
) -> usize {
    let mut count = 0;
    for (k, row) in values.chunks(n).enumerate() {
        let line = load(&row[first..]);
        // Written in any case, and overwritten by the next if it is zero: no branch.
        lines[count] = line;
        places[count] = k as u32;
        count += usize::from(!is_zero(&line.0));
    }
    count
}

/// The values that follow, and zeros past the last.
#[inline(always)]
pub(in crate::kernel) fn load(values: &[f32]) -> Line {
    match values.first_chunk() {
        Some(whole) => Line(*whole),
        None => {
            let mut line = ZERO;
            line.0[..values.len()].copy_from_slice(values);
            line
        }
    }
}

/// Packs columns of a matrix that is stored as `[n, k]`.
#[inline(always)]
fn transpose(values: &[f32], columns: Range<usize>, lines: &mut [Line]) {
    let k = lines.len();
    if columns.len() < WIDTH {
        lines.fill(ZERO);
    }
    for (part, first) in columns.clone().step_by(EIGHT).enumerate() {
        let at = part * EIGHT;
        if first + EIGHT > columns.end {
            let rows = values[first * k..columns.end * k].chunks(k);
            for (i, row) in rows.enumerate() {
                for (line, &value) in lines.iter_mut().zip(row) {
                    line.0[at + i] = value;
                }
            }
            break;
        }
        let rows: [&[f32]; EIGHT] = std::array::from_fn(|i| &values[(first + i) * k..][..k]);
        let (blocks, rest) = lines.as_chunks_mut::<EIGHT>();
        let whole = blocks.len();
        let of_rows = rows.map(|row| &row.as_chunks::<EIGHT>().0[..whole]);
        for (i, block) in blocks.iter_mut().enumerate() {
            let turned = transpose_block(of_rows.map(|row| row[i]));
            for (line, values) in block.iter_mut().zip(&turned) {
                line.0[at..at + EIGHT].copy_from_slice(values);
            }
        }
        for (i, line) in rest.iter_mut().enumerate() {
            let k = whole * EIGHT + i;
            for (value, row) in line.0[at..at + EIGHT].iter_mut().zip(&rows) {
                *value = row[k];
            }
        }
    }
}

#[inline(always)]
pub(in crate::kernel) fn transpose_block(rows: [[f32; EIGHT]; EIGHT]) -> [[f32; EIGHT]; EIGHT] {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        return transpose_avx(v3, rows);
    }
    std::array::from_fn(|column| rows.map(|row| row[column]))
}

/// In registers: pairs of rows, pairs of pairs, then the halves. The compiler does not find this by itself.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose_avx(v3: pulp::x86::V3, rows: [[f32; EIGHT]; EIGHT]) -> [[f32; EIGHT]; EIGHT] {
    use std::arch::x86_64::__m256;

    let avx = v3.avx;
    let r: [__m256; EIGHT] = bytemuck::cast(rows);
    let pairs = [
        avx._mm256_unpacklo_ps(r[0], r[1]),
        avx._mm256_unpackhi_ps(r[0], r[1]),
        avx._mm256_unpacklo_ps(r[2], r[3]),
        avx._mm256_unpackhi_ps(r[2], r[3]),
        avx._mm256_unpacklo_ps(r[4], r[5]),
        avx._mm256_unpackhi_ps(r[4], r[5]),
        avx._mm256_unpacklo_ps(r[6], r[7]),
        avx._mm256_unpackhi_ps(r[6], r[7]),
    ];
    // Columns 0 and 4 of the upper four rows, 1 and 5, 2 and 6, 3 and 7; then of the lower four.
    let quads = [
        avx._mm256_shuffle_ps::<0b01_00_01_00>(pairs[0], pairs[2]),
        avx._mm256_shuffle_ps::<0b11_10_11_10>(pairs[0], pairs[2]),
        avx._mm256_shuffle_ps::<0b01_00_01_00>(pairs[1], pairs[3]),
        avx._mm256_shuffle_ps::<0b11_10_11_10>(pairs[1], pairs[3]),
        avx._mm256_shuffle_ps::<0b01_00_01_00>(pairs[4], pairs[6]),
        avx._mm256_shuffle_ps::<0b11_10_11_10>(pairs[4], pairs[6]),
        avx._mm256_shuffle_ps::<0b01_00_01_00>(pairs[5], pairs[7]),
        avx._mm256_shuffle_ps::<0b11_10_11_10>(pairs[5], pairs[7]),
    ];
    bytemuck::cast([
        avx._mm256_permute2f128_ps::<0x20>(quads[0], quads[4]),
        avx._mm256_permute2f128_ps::<0x20>(quads[1], quads[5]),
        avx._mm256_permute2f128_ps::<0x20>(quads[2], quads[6]),
        avx._mm256_permute2f128_ps::<0x20>(quads[3], quads[7]),
        avx._mm256_permute2f128_ps::<0x31>(quads[0], quads[4]),
        avx._mm256_permute2f128_ps::<0x31>(quads[1], quads[5]),
        avx._mm256_permute2f128_ps::<0x31>(quads[2], quads[6]),
        avx._mm256_permute2f128_ps::<0x31>(quads[3], quads[7]),
    ])
}
