//! Images that lie on the host or in files, on their way to a device that has room for a window of them at once.
//!
//! A window has the images of positions in a row, so that it is copied as a whole. While the device computes, a thread
//! gathers the next one.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::split::words;
use crate::data::{Images, Values};
use crate::error::{Error, Result};

/// The images of a split in an order, window by window.
pub(super) struct Feed {
    images: Arc<Images>,
    /// Numbers of the images by their positions.
    order: Arc<Vec<u32>>,
    /// Images of a window.
    window: usize,
    /// The window that lies on the device.
    here: Option<usize>,
    /// The one that is being gathered.
    next: Option<(usize, JoinHandle<Result<Values>>)>,
    waited: f64,
}

impl Feed {
    pub(super) fn new(images: Arc<Images>, window: usize) -> Self {
        Self {
            images,
            order: Arc::default(),
            window,
            here: None,
            next: None,
            waited: 0.0,
        }
    }

    pub(super) fn set_order(&mut self, order: &[u32]) {
        self.order = Arc::new(order.to_vec());
        (self.here, self.next) = (None, None);
    }

    /// Seconds in which nothing else was asked of the device for want of images, the time to copy them included.
    pub(super) fn waited(&self) -> f64 {
        self.waited
    }

    /// Gives the window of a position to `write` where it is not the last one that it was given.
    pub(super) fn fetch(
        &mut self,
        position: usize,
        write: impl FnOnce(&[u32]) -> Result<()>,
    ) -> Result<()> {
        let wanted = position / self.window;
        if self.here == Some(wanted) {
            return Ok(());
        }
        let began = Instant::now();
        let values = match self.next.take() {
            Some((window, thread)) if window == wanted => {
                thread.join().unwrap_or_else(|panic| resume_unwind(panic))
            }
            _ => gathered(&self.images, &self.order[self.range(wanted)]),
        }?;
        write(&words(&values))?;
        self.waited += began.elapsed().as_secs_f64();
        self.here = Some(wanted);
        let next = wanted + 1;
        if next * self.window < self.order.len() {
            let (images, order, range) = (
                Arc::clone(&self.images),
                Arc::clone(&self.order),
                self.range(next),
            );
            let thread = thread::Builder::new()
                .name("images".into())
                .spawn(move || gathered(&images, &order[range]))
                .map_err(Error::io("images", "start a thread for them"))?;
            self.next = Some((next, thread));
        }
        Ok(())
    }

    /// Positions of a window.
    fn range(&self, window: usize) -> Range<usize> {
        let start = window * self.window;
        start..(start + self.window).min(self.order.len())
    }
}

/// Images one after another.
fn gathered(images: &Images, order: &[u32]) -> Result<Values> {
    let indices: Vec<usize> = order.iter().map(|&image| image as usize).collect();
    images.read(&indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::ImageShape;

    #[test]
    fn windows_have_the_images_of_their_positions_in_whatever_order_they_are_wanted() {
        // Of three bytes, so that images begin inside words.
        let values: Vec<u8> = (0..30).collect();
        let shape = ImageShape::new(1, 3, 1);
        for floats in [false, true] {
            let values = match floats {
                true => Values::Floats(values.iter().map(|&v| f32::from(v)).collect()),
                false => Values::Bytes(values.clone()),
            };
            let images = Arc::new(Images::new(shape, values));
            let mut feed = Feed::new(Arc::clone(&images), 4);
            let order: Vec<u32> = (0..10).map(|i| i * 7 % 10).collect();
            feed.set_order(&order);
            let mut windows = 0;
            for position in [0, 3, 4, 8, 9, 0, 8, 4, 1] {
                let window = position / 4;
                let mut check = |words: &[u32]| {
                    windows += 1;
                    for (i, &image) in order.iter().skip(4 * window).take(4).enumerate() {
                        for j in 0..3 {
                            let expected = 3 * image + j;
                            let at = 3 * i + j as usize;
                            let found = match floats {
                                true => f32::from_bits(words[at]) as u32,
                                false => words[at / 4] >> (8 * (at % 4)) & 255,
                            };
                            assert_eq!(found, expected, "position {position}, image {i}");
                        }
                    }
                    Ok(())
                };
                feed.fetch(position, &mut check).expect("a window");
            }
            assert_eq!(windows, 7);
            feed.set_order(&[1, 0]);
            let mut first = Vec::new();
            feed.fetch(0, |words| {
                first = words.to_vec();
                Ok(())
            })
            .expect("a window");
            assert_eq!(first.len(), if floats { 6 } else { 2 });
        }
    }
}
