//! The standard normal distribution.

#![allow(
    clippy::excessive_precision,
    reason = "numbers stand here as they are published"
)]

/// Coefficients of a ratio of two polynomials, from the constant on.
type Ratio = [[f64; 8]; 2];

/// For |p − ½| ≤ 0.425, in 0.425² − (p − ½)².
const MIDDLE: Ratio = [
    [
        3.387_132_872_796_366_608,
        1.331_416_678_917_843_774_5e2,
        1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4,
        4.592_195_393_154_987_145_7e4,
        6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4,
        2.509_080_928_730_122_672_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091_125_2e1,
        6.871_870_074_920_579_083e2,
        5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4,
        3.930_789_580_009_271_061e4,
        2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561e3,
    ],
];

/// For r = √(−log p) ≤ 5 of the smaller tail, in r − 1.6.
const SIDE: Ratio = [
    [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_9,
        5.769_497_221_460_691_405_5,
        3.647_848_324_763_204_605_04,
        1.270_458_252_452_368_382_58,
        2.417_807_251_774_506_117_7e-1,
        2.272_384_498_926_918_458_33e-2,
        7.745_450_142_783_414_076_4e-4,
    ],
    [
        1.0,
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_4,
        6.897_673_349_851_000_045_5e-1,
        1.481_039_764_274_800_745_9e-1,
        1.519_866_656_361_645_719_66e-2,
        5.475_938_084_995_344_946e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
];

/// For r > 5, in r − 5.
const TAIL: Ratio = [
    [
        6.657_904_643_501_103_777_2,
        5.463_784_911_164_114_369_9,
        1.784_826_539_917_291_335_8,
        2.965_605_718_285_048_912_3e-1,
        2.653_218_952_657_612_309_3e-2,
        1.242_660_947_388_078_438_6e-3,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0,
        5.998_322_065_558_879_376_9e-1,
        1.369_298_809_227_358_053_1e-1,
        1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591e-4,
        1.846_318_317_510_054_681_8e-5,
        1.421_511_758_316_445_888_7e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
];

fn ratio([above, below]: &Ratio, x: f64) -> f64 {
    let value = |coefficients: &[f64; 8]| coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c);
    value(above) / value(below)
}

/// The value below which a standard normal one lies with probability `p`, to about 1 part in 10¹⁶: algorithm AS 241,
/// PPND16 (Wichura 1988). Infinite at 0 and 1, NaN beyond.
pub(super) fn quantile(p: f64) -> f64 {
    let from_middle = p - 0.5;
    if from_middle.abs() <= 0.425 {
        return from_middle * ratio(&MIDDLE, 0.425 * 0.425 - from_middle * from_middle);
    }
    let tail = p.min(1.0 - p);
    if tail == 0.0 {
        return f64::INFINITY.copysign(from_middle);
    }
    let r = (-tail.ln()).sqrt();
    let value = if r <= 5.0 {
        ratio(&SIDE, r - 1.6)
    } else {
        ratio(&TAIL, r - 5.0)
    };
    value.copysign(from_middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The algorithm's own error, and the rounding of the polynomials' eight terms.
    const TOLERANCE: f64 = 1e-15;

    /// Wichura's check values first, then those of tables, to the digits that mpmath gives; in all three pieces.
    #[test]
    fn quantiles_are_those_published() {
        for (p, expected) in [
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813_5),
            (1e-20, -9.262_340_089_798_408),
            (0.5, 0.0),
            (0.6, 0.253_347_103_135_799_7),
            (0.9, 1.281_551_565_544_600_6),
            (0.925, 1.439_531_470_938_456_2),
            (0.95, 1.644_853_626_951_472_3),
            (0.975, 1.959_963_984_540_054),
            (0.99, 2.326_347_874_040_840_8),
            (0.995, 2.575_829_303_548_900_5),
            (1e-5, -4.264_890_793_922_824_6),
            (1e-10, -6.361_340_902_404_056),
            (1e-11, -6.706_023_155_495_136),
            (1e-100, -21.273_453_560_965_324),
        ] {
            let found = quantile(p);
            let error = (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
            assert!(
                error <= TOLERANCE || found == expected,
                "{p}: {found}, {error:e} off"
            );
        }
    }

    #[test]
    fn quantiles_are_odd_about_a_half_and_rise() {
        let mut last = f64::NEG_INFINITY;
        for i in 1..1024 {
            let p = f64::from(i) / 1024.0;
            let found = quantile(p);
            assert_eq!(found, -quantile(1.0 - p), "{p}");
            assert!(found > last, "{p}");
            last = found;
        }
    }

    #[test]
    fn the_ends_are_infinite_and_beyond_them_is_nothing() {
        assert_eq!(quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(quantile(1.0), f64::INFINITY);
        for p in [-0.1, 1.1, f64::NAN] {
            assert!(quantile(p).is_nan(), "{p}");
        }
    }
}
