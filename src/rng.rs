//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw, SC 2011).
//!
//! A draw is a pure function of (seed, purpose, step, element), so the CPU and every GPU make the
//! same integers without any state to save. `shaders/lib/philox.wgsl` is the same function.

/// What a stream of numbers is for. Streams of different purposes never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// Initial parameters.
    Initialisation = 1,
    /// Noise of the reparameterisation in training.
    Epsilon = 2,
    /// Binarisation of training images.
    Binarisation = 3,
    /// Draws from the prior.
    Prior = 4,
    /// Draws from the likelihood p(x|z).
    Likelihood = 5,
    /// Noise of the reparameterisation in evaluation.
    EvaluationEpsilon = 6,
    /// Binarisation of test images.
    EvaluationBinarisation = 7,
    /// Operands to measure and check kernels on.
    Tuning = 8,
    /// Mirror images and shifts of training images.
    Augmentation = 9,
    /// Where fitting a density to codes begins.
    Fit = 10,
}

/// Which numbers the rows of a batch draw.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    /// The seed of their stream.
    pub seed: u64,
    /// The purpose of their stream.
    pub purpose: Purpose,
    /// Number of the first row within the whole batch, of which these rows may be a part: value i of row r is element
    /// `(first + r)·width + i` of the stream.
    pub first: usize,
}

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Philox4x32 with ten rounds: four independent 32-bit integers for a counter and a key.
#[inline]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
    }
    counter
}

/// A seed as Philox's key.
pub const fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// Four integers: elements `4·block .. 4·block + 4` of the stream (key, purpose, step).
#[inline]
pub fn draw(key: [u32; 2], purpose: u32, step: u32, block: u32) -> [u32; 4] {
    philox([block, step, purpose, 0], key)
}

/// An integer as a value of [0, 1) in steps of 2⁻²⁴, exact in `f32`.
#[inline]
pub fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// An integer as one of `0..count`, each as likely as any other up to `count` / 2³² (Lemire 2019).
#[inline]
pub fn below(bits: u32, count: u32) -> u32 {
    ((u64::from(bits) * u64::from(count)) >> 32) as u32
}

/// Two standard normal values of two uniform ones (Box & Muller 1958): cosine and sine of an angle times a radius.
#[inline]
fn box_muller(u: f32, v: f32) -> [f64; 2] {
    // In (0, 1], where the logarithm is finite.
    let radius = (-2.0 * (1.0 - f64::from(u)).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * f64::from(v)).sin_cos();
    [radius * cos, radius * sin]
}

/// Four standard normal values of four integers: a pair of the first two, then one of the others.
#[inline]
pub fn normal(bits: [u32; 4]) -> [f64; 4] {
    let [a, b, c, d] = bits.map(unit);
    let ([x, y], [z, w]) = (box_muller(a, b), box_muller(c, d));
    [x, y, z, w]
}

/// A stream of uniform values on the host, for initialisation and draws for pictures.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    purpose: Purpose,
    step: u32,
    block: u32,
    left: Vec<u32>,
}

impl Stream {
    /// The stream of (seed, purpose, step), from its first element.
    pub fn new(seed: u64, purpose: Purpose, step: u32) -> Self {
        Self {
            key: key(seed),
            purpose,
            step,
            block: 0,
            left: Vec::with_capacity(4),
        }
    }

    /// The next value of [0, 1).
    pub fn uniform(&mut self) -> f32 {
        let bits = match self.left.pop() {
            Some(bits) => bits,
            None => {
                let mut four = draw(self.key, self.purpose as u32, self.step, self.block);
                self.block = self.block.wrapping_add(1);
                four.reverse();
                self.left.extend_from_slice(&four[..3]);
                four[3]
            }
        };
        unit(bits)
    }

    /// The next standard normal value; uses two uniform values.
    pub fn normal(&mut self) -> f32 {
        let (u, v) = (self.uniform(), self.uniform());
        box_muller(u, v)[0] as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with Random123 (kat_vectors, philox4x32 with 10 rounds).
    #[test]
    fn philox_matches_published_vectors() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn stream_yields_the_elements_in_order() {
        let mut stream = Stream::new(7, Purpose::Prior, 3);
        let expected: Vec<f32> = (0..3)
            .flat_map(|block| draw(key(7), Purpose::Prior as u32, 3, block))
            .map(unit)
            .collect();
        let found: Vec<f32> = (0..12).map(|_| stream.uniform()).collect();
        assert_eq!(expected, found);
    }
}
