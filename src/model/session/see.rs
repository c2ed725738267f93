//! Images as a model sees them.

use super::Session;
use crate::error::Result;
use crate::model::plans::{self, Source, names};

impl Session {
    /// Gives each image of a split to `take` as the model sees it, with its place: drawn where it is binarised. Draws go
    /// by the place, so that only those of a whole split are the ones that the model was measured on.
    pub(crate) fn see(
        &mut self,
        source: &Source,
        mut take: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        let values = self.spec.image.values();
        let mut place = 0;
        self.sweep(
            "see",
            source,
            names::SEEN,
            values,
            |spec, parameters, rows| plans::see(spec, parameters, rows, source),
            |_, batch| {
                for image in batch.chunks(values) {
                    take(place, image);
                    place += 1;
                }
                Ok(())
            },
        )
    }
}
