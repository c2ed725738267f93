//! Loops of the twins: over chunks, on all threads, compiled for the vector instructions at hand.

use pulp::Arch;
use rayon::prelude::*;

/// Values below this many stay on the calling thread: waking another costs some ten microseconds.
const PARALLEL_FROM: usize = 1 << 14;

/// Calls `f(first index, chunk)` for chunks of `unit · k` values of `out`; a chunk never splits a unit.
///
/// The result does not depend on the number of threads as long as `f` writes each unit from inputs alone.
pub fn chunks<F: Send>(out: &mut [F], unit: usize, f: impl Fn(usize, &mut [F]) + Sync) {
    let unit = unit.max(1);
    let arch = Arch::new();
    if out.len() < PARALLEL_FROM {
        arch.dispatch(|| f(0, out));
        return;
    }
    let chunk = (PARALLEL_FROM / 4).div_ceil(unit) * unit;
    out.par_chunks_mut(chunk)
        .enumerate()
        .for_each(|(i, values)| arch.dispatch(|| f(i * chunk, values)));
}

/// Calls `f(index, part, value)` for parts of `size` values and one result each, in parallel.
pub fn parts<A: Send, B: Send>(
    values: &mut [A],
    size: usize,
    results: &mut [B],
    f: impl Fn(usize, &mut [A], &mut B) + Sync,
) {
    let arch = Arch::new();
    values
        .par_chunks_mut(size.max(1))
        .zip(results.par_iter_mut())
        .enumerate()
        .for_each(|(i, (part, result))| arch.dispatch(|| f(i, part, result)));
}
