//! Loops of the twins: over chunks, on all threads, compiled for the vector instructions at hand.
//!
//! Only what is inlined into the dispatch is compiled for those instructions. So closures given to these
//! functions are `#[inline(always)]`, and so is all that they call in a loop.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pulp::{Arch, Simd, WithSimd};
use rayon::Yield;
use rayon::prelude::*;

/// Values below this many stay on the calling thread: waking another costs some ten microseconds.
const PARALLEL_FROM: usize = 1 << 14;

/// A call of `f`. A closure in its place would be called through a shim, which is not inlined.
struct Call<'a, F, I> {
    f: &'a F,
    input: I,
}

impl<I, F: Fn(I)> WithSimd for Call<'_, F, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        (self.f)(self.input);
    }
}

/// Calls `f(first index, chunk)` for chunks of `unit · k` values of `out`; a chunk never splits a unit.
///
/// The result does not depend on the number of threads as long as `f` writes each unit from inputs alone.
pub fn chunks<F: Send>(out: &mut [F], unit: usize, f: impl Fn((usize, &mut [F])) + Sync) {
    chunks_of(1, out, unit, f);
}

/// The same for values each of which takes the time of `cost` additions.
pub fn chunks_of<F: Send>(
    cost: usize,
    out: &mut [F],
    unit: usize,
    f: impl Fn((usize, &mut [F])) + Sync,
) {
    let arch = Arch::new();
    let call = |input| arch.dispatch(Call { f: &f, input });
    // A chunk is a fourth of it.
    let from = (PARALLEL_FROM / cost).max(4);
    if out.len() < from {
        call((0, out));
        return;
    }
    let unit = unit.max(1);
    let size = (from / 4).div_ceil(unit) * unit;
    let chunks = out.par_chunks_mut(size).enumerate();
    chunks.for_each(|(i, chunk)| call((i * size, chunk)));
}

/// Calls `f(index, (part, result))` for parts of `size` values and one of the results each, in parallel.
pub fn parts<A: Send, B: Send>(
    values: &mut [A],
    size: usize,
    results: impl IntoParallelIterator<Item = B, Iter: IndexedParallelIterator>,
    f: impl Fn((usize, (&mut [A], B))) + Sync,
) {
    let arch = Arch::new();
    let parts = values.par_chunks_mut(size.max(1)).zip(results);
    let parts = parts.enumerate();
    parts.for_each(|input| arch.dispatch(Call { f: &f, input }));
}

/// Vain looks for work after which a thread sleeps all the same: about a millisecond. Two callers at a time could
/// otherwise each wait for a thread that waits for the other.
const MOST_IDLE: u32 = 10_000;

/// Vain looks for work after which another process may have the processor.
const POLITE: u32 = 64;

/// Runs `f` in the pool, whose other threads stay awake meanwhile: what they are given takes some ten
/// microseconds, and waking one takes as long.
pub fn awake(f: impl FnOnce() + Send) {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        // After a panic too: the scope waits for the others.
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    rayon::scope(|scope| {
        let (done, caller) = (&done, rayon::current_thread_index());
        scope.spawn_broadcast(move |_, context| {
            let mut idle = 0;
            while caller != Some(context.index())
                && idle < MOST_IDLE
                && !done.load(Ordering::Relaxed)
            {
                if rayon::yield_now() == Some(Yield::Executed) {
                    idle = 0;
                } else {
                    idle += 1;
                    if idle % POLITE == 0 {
                        thread::yield_now();
                    }
                    hint::spin_loop();
                }
            }
        });
        let _done = Done(done);
        f();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_awake_comes_to_its_end_and_a_panic_comes_out() {
        let mut sums = vec![0; 1 << 15];
        awake(|| {
            chunks(&mut sums, 1, |(first, sums)| {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = first + i;
                }
            });
        });
        assert!(sums.iter().enumerate().all(|(i, &sum)| i == sum));
        let panics = std::panic::catch_unwind(|| awake(|| panic!("out")));
        assert!(panics.is_err());
    }
}
