//! Images as a model sees them.

use super::Session;
use crate::error::Result;
use crate::model::plans::{self, Source, buffers};

impl Session {
    /// Gives each image of a split that is binarised to `take` as the model sees it, in bytes of 0 and 255, with its
    /// place. Draws go by the place, so that only those of a whole split are the ones that the model was measured on.
    pub(crate) fn see(
        &mut self,
        source: &Source,
        mut take: impl FnMut(usize, &[u8]),
    ) -> Result<()> {
        let values = self.model.spec().image.values();
        let mut place = 0;
        self.sweep(&plans::SEE, source, buffers::SEEN, values, |_, batch| {
            let bit = |&value: &f32| if value > 0.5 { 255 } else { 0 };
            let bits: Vec<u8> = batch.iter().map(bit).collect();
            for image in bits.chunks(values) {
                take(place, image);
                place += 1;
            }
            Ok(())
        })
    }
}
