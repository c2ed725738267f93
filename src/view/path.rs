//! Paths between two codes.

/// The path from one code to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Path {
    /// A straight line
    Linear,
    /// By spherical interpolation of the codes: along a circle about the origin where they are of one length (White 2016)
    Spherical,
}

/// Codes have one direction below this sine of the angle between them. Two that differ in the last bit of an `f32` have
/// a sine of about 6e-8; rounding here makes one of about 1e-16.
const PARALLEL: f64 = 1e-12;

/// Codes are opposite below this cosine (178.2°): no single circle leads from one to the other.
const OPPOSITE: f64 = -0.9995;

impl Path {
    /// `steps` codes at equal distances from `from` to `to`, both included: `[steps, latent]`. A single step is
    /// `from`. The ends are theirs to the bit.
    pub fn codes(self, from: &[f32], to: &[f32], steps: usize) -> Vec<f32> {
        let mut codes = Vec::with_capacity(steps * from.len());
        for step in 0..steps {
            if step == 0 {
                codes.extend_from_slice(from);
            } else if step + 1 == steps {
                codes.extend_from_slice(to);
            } else {
                codes.extend(self.between(from, to, step as f64 / (steps - 1) as f64));
            }
        }
        codes
    }

    /// The code at the share `t` (0 to 1) of the path.
    ///
    /// Spherical: `(sin((1−t)ω)·a + sin(tω)·b) / sin ω` of the whole codes, where ω is the angle between them (slerp:
    /// Shoemake 1985 for unit quaternions; White 2016 for codes). Codes of one length, and draws from the prior in many
    /// dimensions nearly are, keep it and turn at constant angular speed. The straight line is taken where slerp is
    /// undefined: at opposite codes, and from or to a code of zeros. Codes of one direction differ in length only, and
    /// both paths agree.
    pub fn between(self, from: &[f32], to: &[f32], t: f64) -> Vec<f32> {
        let from: Vec<f64> = from.iter().copied().map(f64::from).collect();
        let to: Vec<f64> = to.iter().copied().map(f64::from).collect();
        let code = match self {
            Self::Linear => linear(&from, &to, t),
            Self::Spherical => spherical(&from, &to, t).unwrap_or_else(|| linear(&from, &to, t)),
        };
        code.into_iter().map(|value| value as f32).collect()
    }
}

fn linear(from: &[f64], to: &[f64], t: f64) -> Vec<f64> {
    let pairs = from.iter().zip(to);
    pairs.map(|(a, b)| (1.0 - t) * a + t * b).collect()
}

/// `None` where slerp is undefined, or is the straight line.
fn spherical(from: &[f64], to: &[f64], t: f64) -> Option<Vec<f64>> {
    let (start, end) = (unit(from)?, unit(to)?);
    let cosine = dot(&start, &end);
    // What of the end is at right angles to the start has the length of the sine, exact also where the cosine's
    // distance from 1 is lost in rounding.
    let across: Vec<f64> = end
        .iter()
        .zip(&start)
        .map(|(e, s)| e - cosine * s)
        .collect();
    let sine = dot(&across, &across).sqrt();
    if sine < PARALLEL || cosine < OPPOSITE {
        return None;
    }
    let angle = sine.atan2(cosine);
    let share = |t: f64| (t * angle).sin() / sine;
    let (of_from, of_to) = (share(1.0 - t), share(t));
    let pairs = from.iter().zip(to);
    Some(pairs.map(|(a, b)| of_from * a + of_to * b).collect())
}

/// The direction; `None` for zeros.
fn unit(code: &[f64]) -> Option<Vec<f64>> {
    let length = dot(code, code).sqrt();
    (length > 0.0).then(|| code.iter().map(|value| value / length).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of a code's values to `f32`, which is all that is lost.
    const ROUNDING: f64 = 2.0 * f32::EPSILON as f64;

    fn angle(a: &[f32], b: &[f32]) -> f64 {
        let [a, b] = [a, b].map(|code| code.iter().copied().map(f64::from).collect::<Vec<_>>());
        let (a, b) = (unit(&a).expect("a"), unit(&b).expect("b"));
        let between: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        2.0 * (dot(&between, &between).sqrt() / 2.0).asin()
    }

    fn length(code: &[f32]) -> f64 {
        code.iter()
            .map(|&value| f64::from(value).powi(2))
            .sum::<f64>()
            .sqrt()
    }

    fn assert_near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= ROUNDING * expected.abs().max(1.0),
            "{found} {expected}"
        );
    }

    #[test]
    fn both_paths_begin_and_end_at_their_codes_to_the_bit() {
        let (from, to) = ([0.1, -2.3, 0.7], [1.9, 0.3, -0.11]);
        for path in [Path::Linear, Path::Spherical] {
            let codes = path.codes(&from, &to, 7);
            assert_eq!(codes.len(), 7 * 3);
            assert_eq!(codes[..3], from);
            assert_eq!(codes[18..], to);
        }
        assert_eq!(
            Path::Linear.codes(&[0.0, 4.0], &[2.0, 0.0], 3)[2..4],
            [1.0, 2.0]
        );
    }

    #[test]
    fn slerp_goes_through_known_points() {
        let middle = Path::Spherical.between(&[1.0, 0.0], &[0.0, 1.0], 0.5);
        assert_near(f64::from(middle[0]), 0.5_f64.sqrt());
        assert_near(f64::from(middle[1]), 0.5_f64.sqrt());
        // Whole codes, also of unlike lengths: sin 45° of each, and sin 60° and sin 30°.
        let middle = Path::Spherical.between(&[3.0, 0.0], &[0.0, 1.0], 0.5);
        assert_near(f64::from(middle[0]), 3.0 * 0.5_f64.sqrt());
        assert_near(f64::from(middle[1]), 0.5_f64.sqrt());
        let third = Path::Spherical.between(&[0.0, 1.0], &[4.0, 0.0], 1.0 / 3.0);
        assert_near(f64::from(third[0]), 4.0 * 0.5);
        assert_near(f64::from(third[1]), 0.75_f64.sqrt());
    }

    #[test]
    fn slerp_of_codes_of_one_length_keeps_it_at_constant_angular_speed() {
        let from = [3.0, 0.2, -1.0, 0.5];
        let to = [-0.5, 0.2, 1.0, -3.0];
        let codes = Path::Spherical.codes(&from, &to, 11);
        let codes: Vec<&[f32]> = codes.chunks(4).collect();
        let whole = angle(&from, &to);
        assert!(whole > 1.7, "more than a right angle: {whole}");
        for pair in codes.windows(2) {
            assert_near(angle(pair[0], pair[1]), whole / 10.0);
            assert_near(length(pair[0]), length(&from));
        }
    }

    #[test]
    fn nearly_parallel_codes_keep_their_small_angle() {
        let from = [1.0, 0.0];
        for tiny in [1e-3_f32, 1e-7, 1e-12] {
            let middle = Path::Spherical.between(&from, &[1.0, tiny], 0.5);
            assert_near(f64::from(middle[0]), 1.0);
            let share = f64::from(middle[1]) / f64::from(tiny);
            assert!((share - 0.5).abs() < 1e-6, "{tiny}: {share}");
        }
        let middle = Path::Spherical.between(&[0.3, 0.1], &[0.9, 0.3], 0.5);
        assert_near(f64::from(middle[0]), 0.6);
        assert_near(f64::from(middle[1]), 0.2);
    }

    #[test]
    fn codes_for_which_slerp_is_undefined_go_straight() {
        let straight = |from: &[f32], to: &[f32]| {
            let found = Path::Spherical.between(from, to, 0.25);
            assert_eq!(
                found,
                Path::Linear.between(from, to, 0.25),
                "{from:?} {to:?}"
            );
        };
        straight(&[0.0, 0.0], &[1.0, 2.0]);
        straight(&[1.0, 2.0], &[0.0, 0.0]);
        straight(&[0.0, 0.0], &[0.0, 0.0]);
        straight(&[2.0], &[-1.0]);
        straight(&[2.0], &[5.0]);
        straight(&[0.6, 0.0, -0.8], &[-1.2, 0.0, 1.6]);
        straight(&[3.0, 0.0], &[-1.0, 0.01]);
    }
}
