//! The memories of the plans that a runtime has prepared.

use super::buffer_bytes;
use crate::error::Result;
use crate::kernel::Element;

/// Memories that plans share. Plans run one after another, and no run finds anything of an earlier one in them, so each
/// serves one memory of every plan.
pub(super) struct Pool<M> {
    memories: Vec<Option<Pooled<M>>>,
}

struct Pooled<M> {
    element: Element,
    len: usize,
    memory: M,
    /// Plans that use it.
    users: usize,
}

impl<M> Default for Pool<M> {
    fn default() -> Self {
        let memories = Vec::new();
        Self { memories }
    }
}

impl<M> Pool<M> {
    /// Places of the memories of a plan: of those that are there, the shortest that is long enough for each, and others are
    /// made. `wanted` has the longest first.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn take(
        &mut self,
        wanted: &[(Element, usize)],
        mut make: impl FnMut(usize, Element, usize) -> Result<M>,
    ) -> Result<Vec<usize>> {
        let mut taken = Vec::with_capacity(wanted.len());
        for (i, &(element, len)) in wanted.iter().enumerate() {
            let pooled = self.memories.iter().enumerate();
            let fitting = pooled.filter_map(|(place, pooled)| {
                let pooled = pooled.as_ref()?;
                let fits = pooled.element == element && pooled.len >= len;
                (fits && !taken.contains(&place)).then_some((pooled.len, place))
            });
            let place = match fitting.min() {
                Some((_, place)) => place,
                None => match make(i, element, len) {
                    Ok(memory) => self.add(Pooled {
                        element,
                        len,
                        memory,
                        users: 0,
                    }),
                    Err(error) => {
                        self.give_back(&taken);
                        return Err(error);
                    }
                },
            };
            if let Some(pooled) = &mut self.memories[place] {
                pooled.users += 1;
            }
            taken.push(place);
        }
        Ok(taken)
    }

    fn add(&mut self, pooled: Pooled<M>) -> usize {
        let empty = self.memories.iter().position(Option::is_none);
        let place = empty.unwrap_or(self.memories.len());
        if place == self.memories.len() {
            self.memories.push(None);
        }
        self.memories[place] = Some(pooled);
        place
    }

    /// Gives the memories of a plan back; returns those that no other plan uses.
    pub(super) fn give_back(&mut self, places: &[usize]) -> Vec<M> {
        let over = places.iter().filter_map(|&place| {
            let pooled = self.memories[place].as_mut()?;
            pooled.users -= 1;
            let is_over = pooled.users == 0;
            is_over.then(|| self.memories[place].take()).flatten()
        });
        over.map(|pooled| pooled.memory).collect()
    }

    /// The memory at a place.
    ///
    /// # Panics
    /// Where it was given back by all.
    pub(super) fn at(&self, place: usize) -> &M {
        let pooled = self.memories[place].as_ref();
        &pooled.expect("a memory of a plan").memory
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        let all = self.memories.iter().flatten();
        all.map(|pooled| buffer_bytes(pooled.len)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn floats<const N: usize>(lens: [usize; N]) -> [(Element, usize); N] {
        lens.map(|len| (Element::Float, len))
    }

    #[test]
    fn plans_share_memories_and_the_last_one_gives_them_back() {
        let mut pool = Pool::default();
        let make = |_: usize, _: Element, len: usize| Ok(len);
        let at = |pool: &Pool<usize>, places: &[usize]| -> Vec<usize> {
            places.iter().map(|&place| *pool.at(place)).collect()
        };
        let large = pool.take(&floats([1000, 500, 500]), make).expect("large");
        assert_eq!(at(&pool, &large), [1000, 500, 500]);
        // The shortest that fits, no place twice, and nothing new.
        let small = pool.take(&floats([400, 300, 200]), make).expect("small");
        assert_eq!(at(&pool, &small), [500, 500, 1000]);
        // Words are not floats.
        let words = pool.take(&[(Element::Word, 10)], make).expect("words");
        assert_eq!(pool.bytes(), 4 * (1024 + 512 + 512 + 64));
        assert_eq!(pool.give_back(&large), [0; 0]);
        let other = pool.take(&floats([600, 600]), make).expect("another");
        assert_eq!(at(&pool, &other), [1000, 600]);
        assert_eq!(pool.give_back(&small), [500, 500]);
        assert_eq!(pool.give_back(&other), [1000, 600]);
        assert_eq!(pool.give_back(&words), [10]);
        assert_eq!(pool.bytes(), 0);
        assert_eq!(pool.take(&floats([5]), make).expect("the next"), [0]);
    }

    #[test]
    fn what_was_taken_before_memory_ran_out_is_given_back() {
        let mut pool = Pool::default();
        let make = |_: usize, _: Element, len: usize| match len {
            1 => Err(Error::device("no memory", "less of it")),
            _ => Ok(len),
        };
        assert!(pool.take(&floats([100, 50, 1]), make).is_err());
        assert_eq!(pool.bytes(), 0);
    }
}
