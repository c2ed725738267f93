//! Faults of norms, and of the taps that are merged.

use super::{Fault, fault};

pub(super) const NORMS: &[Fault] = &[
    // A tap that is not merged; rows and columns exchanged; the opposite tap; a value too many.
    fault(
        "merge_taps",
        "3 channels to 5",
        "3u - max(merged, 1u)",
        "2u - min(merged, 2u)",
    ),
    fault(
        "merge_taps",
        "3 channels to 5",
        "(channel * 3u + y) * 3u + x",
        "(channel * 3u + x) * 3u + y",
    ),
    fault(
        "merge_taps_backward",
        "3 channels to 5",
        "2u - tap / 3u % 3u",
        "tap / 3u % 3u",
    ),
    fault(
        "merge_taps_backward",
        "3 channels to 5",
        "channels * 9u * params.features",
        "channels * 9u * params.features + 1u",
    ),
    // Over the wrong axis; a variance that cancels far from zero; no ε; no activation; the variance in the place of the
    // reciprocal.
    fault(
        "group_norm",
        "37 pixels, 21 channels in 7",
        "sum += loaded(input[first + pixel * across + column])",
        "sum += loaded(input[first + pixel * size + column])",
    ),
    fault(
        "group_norm",
        "37 pixels, 12 channels in 3, activation 0, far",
        "squares += off * off;",
        "squares += (off + mean) * (off + mean) - mean * mean;",
    ),
    fault(
        "group_norm",
        "1 images of 1 pixels",
        "variance + NORM_EPSILON",
        "variance",
    ),
    fault(
        "group_norm",
        "37 pixels, 12 channels in 3, activation 3",
        "activated((loaded(input[at]) - mean) * scale + shift)",
        "(loaded(input[at]) - mean) * scale + shift",
    ),
    fault(
        "group_norm",
        "37 pixels, 12 channels in 3, activation 3",
        "+ 1u] = reciprocal",
        "+ 1u] = variance",
    ),
    // No derivative; that of another value; a mean left out, each of both; a connection that is left out, added twice, or
    // there without one; the sums of the weight for the bias's; rows of lanes that are left out.
    fault(
        "group_norm_backward",
        "37 pixels, 12 channels in 3, activation 3",
        "loaded(d_output[at]) * sloped(unit * scale + shift)",
        "loaded(d_output[at])",
    ),
    fault(
        "group_norm_backward",
        "37 pixels, 12 channels in 3, activation 5",
        "sloped(unit * scale + shift)",
        "sloped(unit * scale)",
    ),
    fault(
        "group_norm_backward",
        "37 pixels, 12 channels in 3, activation 0",
        " - unit * along",
        "",
    ),
    fault(
        "group_norm_backward",
        "37 pixels, 12 channels in 3, activation 0",
        " - level",
        "",
    ),
    fault(
        "group_norm_backward",
        "12 channels in 3, activation 1, with a skip",
        "if SKIP != 0u",
        "if SKIP > 1u",
    ),
    fault(
        "group_norm_backward",
        "12 channels in 3, activation 1, with a skip",
        "gradient += loaded(skip[at])",
        "gradient += 2.0 * loaded(skip[at])",
    ),
    fault(
        "group_norm_backward",
        "37 pixels, 12 channels in 3, activation 0",
        "stored(of_column[1])",
        "stored(of_column[0])",
    ),
    fault(
        "group_norm_backward",
        "37 pixels, 21 channels in 7",
        "(count + 1u) / 2u",
        "count / 2u",
    ),
];
