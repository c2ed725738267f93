//! The checker bites: each seeded fault must make the comparison of `harness` fail, or the check of
//! `reflection` complain.
//!
//! Over 500 lines: three tables of faults, which are one list to look at.

mod convolutions;
mod norms;

use elbo::kernel::{Bound, Call, Capabilities, Kernel, Precision, Variant};
use elbo::ops::{self, KERNELS, activation};

use crate::harness::Case;
use crate::{ops as suites, reflection, run};
use convolutions::CONVOLUTIONS;
use norms::NORMS;

/// A wrong text in place of a right one.
struct Fault {
    /// The kernel's name.
    kernel: &'static str,
    /// Part of the name of the case that must find it.
    case: &'static str,
    right: &'static str,
    wrong: &'static str,
}

const fn fault(
    kernel: &'static str,
    case: &'static str,
    right: &'static str,
    wrong: &'static str,
) -> Fault {
    Fault {
        kernel,
        case,
        right,
        wrong,
    }
}

/// Cases of `record`: both terms of a loss, and the first three of five.
const TWO_TERMS: &str = "64 partials into row 2, Columns { terms: 2, first: 0, width: 2 }";
const FIRST_OF_FIVE: &str = "64 partials into row 2, Columns { terms: 3, first: 0, width: 5 }";

/// Faults of the kernels that work value by value or sum.
const SIMPLE: &[Fault] = &[
    // Writes nothing; writes zeros; one vec4 too many; the wrong branch; a NaN hidden.
    fault(
        "activation",
        "relu, 4 values",
        "out[at] = activate(input[at]);",
        "",
    ),
    fault(
        "activation",
        "relu, 255 values",
        "activate(input[at])",
        "vec4<f32>(0.0)",
    ),
    fault(
        "activation",
        "relu, 4 values",
        "4u * at < params.count",
        "4u * at <= params.count",
    ),
    fault(
        "activation",
        "silu, 4 values",
        "return x * sigmoid(x)",
        "return sigmoid(x)",
    ),
    fault(
        "activation",
        "relu, NaN",
        "select(x, vec4<f32>(0.0), x <= vec4<f32>(0.0))",
        "vec4<f32>(max(x.x, 0.0), select(x.y, 0.0, !(x.y > 0.0)), max(x.zw, vec2<f32>(0.0)))",
    ),
    // The gradient of the output as it is; one vec4 too many.
    fault(
        "activation_backward",
        "tanh, 5 values",
        "d_output[at] * derivative(saved[at])",
        "d_output[at]",
    ),
    fault(
        "activation_backward",
        "relu, 4 values",
        "4u * at < params.count",
        "4u * at <= params.count",
    ),
    // One of the two only; one vec4 too many.
    fault("add", "5 values", "a[at] + b[at]", "a[at]"),
    fault(
        "add",
        "4 values",
        "first >= params.count",
        "first > params.count",
    ),
    // A column off; a shift that is one-sided, that never is the greatest, or the same along both axes; the border instead
    // of a reflection; draws that do not go by the whole batch; one draw for two images; a value too many.
    fault(
        "augment",
        "5 images of 3×4×1, mirrored",
        "params.width - 1u - x",
        "params.width - x",
    ),
    fault(
        "augment",
        "33 images of 8×8×1, shifted by 7",
        "i32(multiply_high(four.z, span)) - crop",
        "i32(multiply_high(four.z, span))",
    ),
    fault(
        "augment",
        "33 images of 8×8×1, shifted by 7",
        "2u * params.crop + 1u",
        "2u * params.crop",
    ),
    fault(
        "augment",
        "33 images of 8×8×1, shifted by 7",
        "multiply_high(four.z",
        "multiply_high(four.y",
    ),
    fault(
        "augment",
        "33 images of 8×8×1, shifted by 7",
        "last - abs(last - abs(at))",
        "clamp(at, 0, last)",
    ),
    fault(
        "augment",
        "5 images of 5×3×3 from row 2",
        "params.first + row",
        "row",
    ),
    fault(
        "augment",
        "11 images of 1×2×3, mirrored",
        "by = drawn(row);\n            }",
        "}",
    ),
    fault(
        "augment",
        "5 images of 5×3×3, mirrored",
        "if element < elements",
        "if element <= elements",
    ),
    // The decay alone at the start, and never; the parameter added to the average; a vec4 too many.
    fault(
        "average",
        "61 values, step 2, decay 0.9",
        "9.0 / (10.0 + f32(counters[0]))",
        "0.0 * f32(counters[0])",
    ),
    fault(
        "average",
        "61 values, step 81, decay 0.9",
        "max(params.rest, ",
        "max(0.0, ",
    ),
    fault(
        "average",
        "61 values, step 1, decay 0.9",
        "floats(parameters[at]) - before",
        "floats(parameters[at])",
    ),
    fault(
        "average",
        "4 values",
        "4u * at >= params.count",
        "4u * at > params.count",
    ),
    // The second moment of g; no decay; 1 − exp(x) as it cancels; a moment that is not stored.
    fault("adam", "5 values", "g * g - before.v", "g - before.v"),
    fault(
        "adam",
        "step 2, decay",
        " - rates.learning * params.decay * p",
        "",
    ),
    fault("adam", "step 1, decay", "if x < -0.5", "if x < 0.5"),
    fault("adam", "5 values", "second[at] = four(after.v);", ""),
    // 0 / 0; the norm of the sum rather than of the mean; the last lane left out.
    fault(
        "clip",
        "a zero norm and a bound",
        "norm <= most",
        "norm < most",
    ),
    fault("clip", "65 partials above", " * f32(params.rows)", ""),
    fault(
        "clip",
        "64 partials above",
        "i < GROUP; i++",
        "i + 1u < GROUP; i++",
    ),
    // One vec4 too many.
    fault(
        "copy",
        "4 values",
        "4u * at < params.count",
        "4u * at <= params.count",
    ),
    // The levels of the channel before; no offset where they are even; levels of the second word; not rounded, and rounded
    // where it is not to be.
    fault(
        "fsq",
        "16 codes of levels 8 5 5 5, rounded",
        "(8u * (channel % 4u))",
        "(8u * ((channel + 3u) % 4u))",
    ),
    fault(
        "fsq",
        "16 codes of levels 8 5 5 5, as they are",
        "select(0.0, 0.5, is_even)",
        "0.0",
    ),
    fault(
        "fsq",
        "16 codes of levels 2 3 4 5 6 7 9 254, as they are",
        "channel < 4u",
        "channel < 5u",
    ),
    fault(
        "fsq",
        "65 codes of levels 2, rounded",
        "ROUNDED != 0u",
        "ROUNDED == 0u",
    ),
    // Without the derivative of the tangent; one value too many.
    fault(
        "fsq_backward",
        "16 codes of levels 8 5 5 5",
        "(1.0 - t * t)",
        "1.0",
    ),
    fault(
        "fsq_backward",
        "1 codes of levels 8 5 5 5",
        "at >= params.count",
        "at > params.count",
    ),
    // A link of the chain that is not taken; a vec4 too many; the second half left out.
    fault("fma", "9 values", "b = fma(b, factor, term);\n    }", "}"),
    fault(
        "fma",
        "4 values",
        "if 4u * (at + 1u) < params.count",
        "if 4u * at < params.count",
    ),
    fault("fma", "9 values", "input[at + 1u]", "input[at]"),
    // The KL's sign; its gradient's factor; no bound of its gradient; padding in the sums; a Bernoulli
    // without its data term; a Gaussian without its constant.
    fault(
        "elbo",
        "Bernoulli, 4 rows",
        "- 1.0 - logvar)",
        "- 1.0 + logvar)",
    ),
    fault(
        "elbo",
        "Bernoulli, 4 rows",
        "beta * 0.5 * (variance",
        "beta * (variance",
    ),
    fault("elbo", "logvar beyond", " * inside(raw)", ""),
    fault(
        "elbo",
        "Bernoulli, 1 rows of 3",
        "select(vec4<f32>(0.0), r.loss, real)",
        "r.loss",
    ),
    fault(
        "elbo",
        "Bernoulli, 4 rows",
        "log1p_unit(e) - x * output",
        "log1p_unit(e)",
    ),
    fault(
        "elbo",
        "Gaussian, 4 rows",
        " + (log_sigma + HALF_LOG_TWO_PI)",
        "",
    ),
    fault("elbo", "squared error, 4 rows", "2.0 * r, vec4", "r, vec4"),
    fault("elbo", "without a KL", "if LATENT != 0u", "if LATENT == 0u"),
    // The batch's place; the bytes' order; draws that ignore the row, or depend on it.
    fault(
        "gather",
        "5 rows of 3 bytes from row 0, windows of 7, as",
        "return position % max(WINDOW, 1u)",
        "return position",
    ),
    fault(
        "gather",
        "3 rows of 16 bytes from row 1, windows of 7, binarised once",
        "drawn(found, order[position], j / 4u)",
        "drawn(found, place(position), j / 4u)",
    ),
    // The other table's columns, a column off, the wrong width; columns from the first on; a value too many.
    fault(
        "join",
        "5 rows of 31 and 20",
        "b[row * params.right + j - params.left]",
        "b[row * params.right + j]",
    ),
    fault(
        "join",
        "97 rows of 2 and 9",
        "a[row * params.left + j]",
        "a[row * params.right + j]",
    ),
    fault(
        "join",
        "1 rows of 3 and 2",
        "at >= params.rows * width",
        "at > params.rows * width",
    ),
    fault("part", "5 rows of 60", "params.first + ", ""),
    fault(
        "part",
        "97 rows of 11",
        "row * params.width",
        "row * params.count",
    ),
    fault("part", "1 rows of 5", "at >= params", "at > params"),
    // The class of another image: of the place in the batch, of the batch's first row, of the code; a value too many; zeros.
    fault(
        "one_hot",
        "10 classes, from row 0",
        "image = order[",
        "image = 0u * order[",
    ),
    fault("one_hot", "10 classes, from row 5", "params.first + ", ""),
    fault(
        "one_hot",
        "5 images of 3 codes, 17 classes, as",
        "row / params.samples",
        "row",
    ),
    fault(
        "one_hot",
        "1 images of 1 codes, 3 classes, as",
        "at >= params.rows",
        "at > params.rows",
    ),
    fault(
        "one_hot",
        "128 images of 1 codes, 10 classes, from row 0",
        "select(0.0, 1.0,",
        "select(0.0, 0.0,",
    ),
    fault("gather", "bytes, as they are", "counters[1] + ", ""),
    fault(
        "gather",
        "5 rows of 3 bytes, as",
        "8u * (at % 4u)",
        "8u * (3u - at % 4u)",
    ),
    fault(
        "gather",
        "rows of 37 bytes, binarised anew",
        "params.first * params.values + element",
        "params.first * params.values + j",
    ),
    fault(
        "gather",
        "13 rows of 37 bytes from row 2, binarised anew",
        "params.first * params.values + element",
        "params.first + element",
    ),
    fault(
        "gather",
        "rows of 37 floats, binarised once",
        "drawn(order[position], j)",
        "drawn(order[position], element)",
    ),
    fault(
        "gather",
        "5 rows of 3 floats, as",
        "if first + i < elements",
        "if first + i <= elements",
    ),
    // The same of images of a multiple of four values.
    fault("gather", "3 rows of 4 bytes, as", "counters[1] + ", ""),
    fault(
        "gather",
        "16 rows of 16 bytes, as",
        "(0u, 8u, 16u, 24u)",
        "(0u, 16u, 8u, 24u)",
    ),
    fault(
        "gather",
        "9 rows of 784 floats, as",
        "images[at + 2u]",
        "images[at + 3u]",
    ),
    fault(
        "gather",
        "9 rows of 784 bytes, binarised anew",
        "(params.values / 4u) + at",
        "(params.values / 4u) + j / 4u",
    ),
    fault(
        "gather",
        "3 rows of 16 floats from row 7, binarised anew",
        "params.first * (params.values / 4u) + at",
        "at",
    ),
    fault(
        "gather",
        "9 rows of 784 floats, binarised once",
        "drawn(found, order[position], j / 4u)",
        "drawn(found, order[position], at)",
    ),
    // A weight that overflows; one that is not normalised; the next image's samples; what the weights take off with the
    // other sign, and without the number of samples.
    fault(
        "importance",
        "far apart",
        "log_weight(k) - largest",
        "log_weight(k)",
    ),
    fault("importance", "13 images", "weights[k] /= sum;", ""),
    fault(
        "importance",
        "13 images",
        "image * params.samples",
        "image + params.samples",
    ),
    fault("importance", "13 images", "-gain", "gain"),
    fault("importance", "13 images", "log(sum / samples)", "log(sum)"),
    // No prior; no gradient of log q; a weight once; the samples of the first image; a bound that lets through.
    fault(
        "importance_backward",
        "37 images, 3 samples, latent 11, reparameterized",
        "weight * (mu + sigma * e);",
        "0.0;",
    ),
    fault(
        "importance_backward",
        "37 images, 3 samples, latent 11, reparameterized",
        "select(-0.5, 0.0,",
        "select(0.0, 0.0,",
    ),
    fault(
        "importance_backward",
        "37 images, 3 samples, latent 11, dreg",
        "weight * (gradient + weight *",
        "(gradient + weight *",
    ),
    fault(
        "importance_backward",
        "37 images, 3 samples, latent 11, dreg",
        "- e / sigma",
        "- e * sigma",
    ),
    fault(
        "importance_backward",
        "37 images, 3 samples, latent 11, dreg",
        "image * params.samples + k",
        "k",
    ),
    fault(
        "importance_backward",
        "beyond its bound",
        " * inside(raw)",
        "",
    ),
    // The weight of another row; the image of another; values beyond a row; sigma where nobody asks for it, and not weighed.
    fault(
        "weighted_gradient",
        "Gaussian, 7 images",
        "weights[row]",
        "weights[0]",
    ),
    fault(
        "weighted_gradient",
        "Gaussian, 7 images",
        "row / params.samples",
        "row % params.samples",
    ),
    fault(
        "weighted_gradient",
        "Gaussian, 7 images",
        "min(4u, params.values - first)",
        "4u",
    ),
    fault(
        "weighted_gradient",
        "Bernoulli, 7 images",
        "if SIGMA != 0u {",
        "if SIGMA == 0u {",
    ),
    fault(
        "weighted_gradient",
        "Gaussian, 7 images",
        "+= weight * r.log_sigma_gradient[i]",
        "+= r.log_sigma_gradient[i]",
    ),
    // Free bits that hide a NaN, or count images rather than their mean; a share that is not taken.
    fault(
        "kl_weight",
        "a KL that is NaN",
        "within = units[at % params.latent].x <= params.nats * rows",
        "within = !(units[at % params.latent].x > params.nats * rows)",
    ),
    fault(
        "kl_weight",
        "37 rows of 11",
        "params.nats * rows",
        "params.nats",
    ),
    // The other side of a capacity; one that does not rise; one of a batch; of the first dimension only; a NaN for a side; a
    // corner.
    fault(
        "kl_weight",
        "capacity, above",
        "1.0, off > 1.0",
        "-1.0, off > 1.0",
    ),
    fault(
        "kl_weight",
        "capacity, above",
        "- params.nats * share",
        "- params.nats",
    ),
    fault("kl_weight", "capacity, 37 rows", "kl / rows", "kl"),
    fault(
        "kl_weight",
        "capacity, above",
        "j < params.latent; j++",
        "j < 1u; j++",
    ),
    fault(
        "kl_weight",
        "capacity, NaN",
        "select(off, -1.0, off < -1.0)",
        "select(1.0, -1.0, off < -1.0)",
    ),
    fault("kl_weight", "capacity, near", "off < -1.0", "off < 0.0"),
    // A share that is another's; a head for a code; a chain that ends early.
    fault(
        "pair_densities",
        "13 rows",
        "m == (n + 1u) % rows",
        "m == n + 2u",
    ),
    fault(
        "pair_densities",
        "5 rows of 4 from 5",
        "(all - others)",
        "all",
    ),
    fault(
        "pair_densities",
        "1 rows",
        "if rows == 1u { return 0.0; }",
        "",
    ),
    fault("pair_densities", "13 rows", "heads[m *", "heads[n *"),
    fault(
        "pair_densities",
        "13 rows",
        "j < params.latent; j++",
        "j + 1u < params.latent; j++",
    ),
    fault(
        "marginal_densities",
        "13 rows",
        "m < params.rows; m++) {\n        sum",
        "m + 1u < params.rows; m++) {\n        sum",
    ),
    fault(
        "marginal_densities",
        "13 rows",
        "return share + log_normal",
        "return log_normal",
    ),
    fault(
        "marginal_densities",
        "13 rows",
        "largest + log(sum)",
        "log(sum)",
    ),
    fault(
        "total_correlation",
        "13 rows",
        "log_q - product",
        "product - log_q",
    ),
    fault(
        "total_correlation",
        "13 rows",
        "product - prior",
        "product + prior",
    ),
    fault(
        "total_correlation",
        "13 rows",
        "pairs[first + n] - log_share(n, n, params.rows, params.images)",
        "pairs[first + n]",
    ),
    fault(
        "total_correlation",
        "13 rows",
        "joint[n] = log_q",
        "joint[n] = largest",
    ),
    fault(
        "total_correlation_backward",
        "13 rows of 5 from 1000, beta 6",
        "var of_code = z[at]",
        "var of_code = 0.0",
    ),
    fault(
        "total_correlation_backward",
        "13 rows of 5 from 1000, beta 6",
        "(params.beta - 1.0)",
        "params.beta",
    ),
    fault(
        "total_correlation_backward",
        "13 rows of 5 from 1000, beta 6",
        "(parts.x - parts.y)",
        "(parts.y - parts.x)",
    ),
    fault(
        "total_correlation_backward",
        "13 rows of 5 from 1000, beta 1",
        "select(0.0, 1.0, n == m)",
        "0.0",
    ),
    fault(
        "total_correlation_backward",
        "13 rows of 5 from 1000, beta 6",
        "pull(other, row, j)",
        "pull(row, other, j)",
    ),
    fault(
        "total_correlation_backward",
        "13 rows of 5 from 1000, beta 6",
        "(as_head.square - 1.0)",
        "as_head.square",
    ),
    fault(
        "total_correlation_backward",
        "3 rows of 2 from 1000, beta 6",
        " * inside(heads[head + params.latent])",
        "",
    ),
    // A pair with itself; draws that count with the other sign; too many others; a slope of the value; one scale too few.
    fault(
        "mmd",
        "13 rows",
        "- 2.0 * across.x, differ",
        "- 2.0 * across.x, true",
    ),
    fault(
        "mmd",
        "13 rows",
        "+ kernel(squares.z).x",
        "- kernel(squares.z).x",
    ),
    fault(
        "mmd",
        "13 rows",
        "f32(params.rows) - 1.0",
        "f32(params.rows)",
    ),
    fault("mmd", "13 rows", "across.y, differ", "across.x, differ"),
    fault("mmd", "13 rows", "narrow + scaled(square, 1.0)", "narrow"),
    fault(
        "mmd_backward",
        "13 rows",
        "- slopes[slope + 1u]",
        "+ slopes[slope + 1u]",
    ),
    fault("mmd_backward", "13 rows", "params.weight * 4.0", "4.0"),
    fault(
        "kl_weight",
        "37 rows",
        "select(share, 0.0",
        "select(1.0, 0.0",
    ),
    // The last lane left out; a KL of mu alone; earlier sums lost.
    fault(
        "latent_units",
        "64 rows",
        "i < GROUP; i++",
        "i + 1u < GROUP; i++",
    ),
    fault("latent_units", "37 rows", "exp_of(raw, 1.0) + mu", "mu"),
    fault(
        "latent_units",
        "37 rows of 11, add true",
        "ADD != 0u",
        "false",
    ),
    // The prior's sign; the wrong image's row; the next row's values.
    fault(
        "log_weight",
        "Bernoulli, 7 images",
        "code * code -",
        "-code * code -",
    ),
    fault(
        "log_weight",
        "Bernoulli, 7 images",
        "row / params.samples",
        "row % params.samples",
    ),
    fault(
        "log_weight",
        "Bernoulli, 7 images",
        "i < 4u && j + i < params.values",
        "i < 4u",
    ),
    // Always the first term; not at its place; the position; counted twice; the last lane left out; always the first
    // row; the gradient of sigma from another column, and where nobody asks for it.
    fault("record", TWO_TERMS, "= total[i]", "= total[0]"),
    fault("record", FIRST_OF_FIVE, "+ params.first", "+ 1u"),
    fault("record", TWO_TERMS, "+= params.rows", "+= 1u"),
    fault(
        "record",
        FIRST_OF_FIVE,
        "params.ends == 0u",
        "params.ends == 1u",
    ),
    fault("record", TWO_TERMS, "i < GROUP; i++", "i + 1u < GROUP; i++"),
    fault(
        "record",
        TWO_TERMS,
        "let row = counters[2]",
        "let row = counters[2] * 0u",
    ),
    fault("record", TWO_TERMS, "= total.w", "= total.z"),
    fault("record", FIRST_OF_FIVE, "if SIGMA != 0u", "if SIGMA == 0u"),
    // A variance for a deviation; every sample its own heads; a value too many; noise that was given redrawn.
    fault(
        "reparameterize",
        "37 rows",
        "params.latent], 0.5)",
        "params.latent], 1.0)",
    ),
    fault("reparameterize", "15 rows", " / params.samples", ""),
    fault(
        "reparameterize",
        "13 rows",
        "params.rows * params.latent)",
        "params.rows * params.latent + 1u)",
    ),
    // Rows that begin inside a block: the next block's values, a value too few at the end, the block of the first row.
    fault(
        "reparameterize",
        "37 rows of 11 from row 2",
        "drawn[element % 4u]",
        "drawn[i % 4u]",
    ),
    fault(
        "reparameterize",
        "37 rows of 11 from row 1,",
        "skipped + params.rows",
        "params.rows",
    ),
    fault(
        "reparameterize",
        "13 rows of 5 from row 64",
        "before / 4u + block",
        "block",
    ),
    fault("reparameterize", "noise given", "DRAW != 0u", "true"),
    // Another step; a mirrored quarter; pairs that share a radius.
    fault(
        "reparameterize",
        "1009 rows of 1",
        "counters[0], before",
        "counters[0] + 1u, before",
    ),
    fault(
        "reparameterize",
        "1009 rows of 1",
        "vec2<f32>(-s, c)",
        "vec2<f32>(s, c)",
    ),
    fault(
        "reparameterize",
        "1009 rows of 1",
        "radius.y * circle",
        "radius.x * circle",
    ),
    // No bound of the gradient; the KL's gradient lost; the derivative's ½.
    fault(
        "reparameterize_backward",
        "logvar beyond",
        " * inside(logvar)",
        "",
    ),
    fault(
        "reparameterize_backward",
        "37 rows",
        "d_heads[at] += gradient",
        "d_heads[at] = gradient",
    ),
    fault(
        "reparameterize_backward",
        "37 rows",
        "0.5 * gradient",
        "gradient",
    ),
    // By the step in place of the row; the gradient's scale overwritten.
    fault(
        "schedule",
        "a step in the middle",
        "counters[2]",
        "counters[1]",
    ),
    fault("schedule", "the third shard", " / params.rows", ""),
    fault(
        "schedule",
        "a step in the middle",
        "scalars[2] = schedule",
        "scalars[1] = schedule",
    ),
    // Another column; the last lane left out; a sum for a mean; no bound of a small one, and one that hides a NaN; the mean
    // for the sum.
    fault("sigma", "5 partials", "[i].x", "[i].y"),
    fault(
        "sigma",
        "64 partials",
        "i < GROUP; i++",
        "i + 1u < GROUP; i++",
    ),
    fault("sigma", "5 partials", " / f32(params.values)", ""),
    fault(
        "sigma",
        "no error",
        "select(error, LEAST_VARIANCE, error < LEAST_VARIANCE)",
        "error",
    ),
    fault(
        "sigma",
        "an error that is NaN",
        "error < LEAST_VARIANCE",
        "!(error >= LEAST_VARIANCE)",
    ),
    fault("sigma", "5 partials", "total[0] = all", "total[0] = error"),
    // What the epoch before left; a mean of batches, not of images; the batch's sigma for the epoch's; a sum that stays; no
    // bound.
    fault(
        "sigma_mean",
        "the first batch",
        "counters[1] <= params.rows",
        "false",
    ),
    fault(
        "sigma_mean",
        "the second batch",
        "f32(params.rows) /",
        "1.0 /",
    ),
    fault("sigma_mean", "the second batch", "log(after)", "log(s)"),
    fault("sigma_mean", "the second batch", "total[0] = 0.0", ""),
    fault(
        "sigma_mean",
        "no error",
        "select(error, LEAST_VARIANCE, error < LEAST_VARIANCE)",
        "error",
    ),
    // The last group left out; a column left out.
    fault(
        "square_sum",
        "2049 values",
        "4u * i < params.count",
        "4u * i + 4u < params.count",
    ),
    fault("square_sum", "33 values", "dot(g, g)", "dot(g.xyz, g.xyz)"),
];

/// Faults of the matrix products' parts; mixed operands, which a software driver runs on one core.
const PRODUCTS: &[Fault] = &[
    // Operands read as if they were stored the other way, wide and narrow.
    fault(
        "matmul",
        "a·b, 36×69×20",
        "TRANSPOSE_A == 0u",
        "TRANSPOSE_A != 0u",
    ),
    fault(
        "matmul",
        "a·b, 36×69×21",
        "TRANSPOSE_B == 0u",
        "TRANSPOSE_B != 0u",
    ),
    // The last term of the sum left out; the last row of a block left out.
    fault(
        "matmul",
        "a·b, 36×68×21",
        "(row < params.m) & (k <",
        "(row < params.m) & (k + 1u <",
    ),
    fault(
        "matmul",
        "aᵀ·b, 36×69×21",
        "* width + at, k <= last)",
        "* width + at, k < last)",
    ),
    // A row and a column too many.
    fault(
        "matmul",
        "a·b, 36×68×21",
        "row, row < params.m)",
        "row, row <= params.m)",
    ),
    fault(
        "matmul",
        "a·b, 36×69×20",
        "column + i < params.n { c",
        "column + i <= params.n { c",
    ),
    // A row of the operand read twice.
    fault(
        "matmul",
        "a·b, 36×68×21",
        "floats(b[min(k + 1u, last)",
        "floats(b[min(k, last)",
    ),
    // Tiles counted along the wrong side.
    fault(
        "matmul",
        "a·b, 36×68×21",
        "tiles_across = (params.n",
        "tiles_across = (params.m",
    ),
    // Another rounding to f16; a part of a sum left out; a turn of all parts left out.
    fault(
        "matmul",
        "a·b, 68×36×100, f16",
        "return vec4<f16>(values)",
        "return vec4<f16>(0.9997 * values)",
    ),
    fault(
        "matmul",
        "a·b, 36×68×20",
        "var other = 1u",
        "var other = 2u",
    ),
    fault(
        "linear",
        "3 rows, 1001 to 11",
        "k += PARTS * depth",
        "k += 2u * PARTS * depth",
    ),
    fault(
        "weight_gradient",
        "33×65 from 17 rows",
        "sums += shared_values[2u * SLOTS * other + 4u * lane];",
        "",
    ),
    // A row without its bias; the weight not transposed; no activation.
    fault(
        "linear",
        "18 rows, 12 to 20, activation 0",
        "activate(block[1] + bias)",
        "activate(block[1])",
    ),
    fault(
        "linear",
        "18 rows, 12 to 20, activation 0",
        "TRANSPOSE_B == 0u",
        "TRANSPOSE_B != 0u",
    ),
    fault(
        "linear",
        "18 rows, 12 to 20, activation 3",
        "activate(block[2] + bias)",
        "(block[2] + bias)",
    ),
    // No derivative; tanh's and GELU's derivative wrong.
    fault(
        "input_gradient",
        "activation 4",
        "value * derivative(read_side(at, column))",
        "value",
    ),
    fault(
        "input_gradient",
        "activation 3",
        "one - saved * saved",
        "one - saved",
    ),
    fault(
        "input_gradient",
        "activation 6",
        "3.0 * GELU_CUBIC",
        "GELU_CUBIC",
    ),
    // Row sums: one too many, the wrong one, a block of k left out.
    fault(
        "weight_gradient",
        "5×40 from",
        "row, row < params.m)",
        "row, row <= params.m)",
    ),
    fault("weight_gradient", "5×40 from", "= sums[i]", "= sums[0]"),
    // A bias in its weight's place; rows past the last; a gradient that is not scaled.
    fault("weight_update", "16×8 from", "params.bias + row", "row"),
    fault(
        "weight_update",
        "7×40 from",
        "if row >= params.m { return; }",
        "",
    ),
    fault(
        "weight_update",
        "33×65 from",
        "gradient * rates.scale",
        "gradient",
    ),
];

/// The variant with the fault in place of the right text, where it has that.
fn seeded(variant: &Variant, fault: &Fault) -> Option<Variant> {
    let mut wrong = variant.clone();
    for part in &mut wrong.parts {
        *part = Box::leak(part.replace(fault.right, fault.wrong).into_boxed_str());
    }
    (wrong.source() != variant.source()).then_some(wrong)
}

/// Panics unless every fault is found in every variant that has its text.
fn assert_found(faults: &[Fault]) {
    let cases = suites::cases();
    let mut missed = Vec::new();
    for fault in faults {
        let what = format!("{}: {:?} for {:?}", fault.kernel, fault.wrong, fault.right);
        let fits =
            |case: &&Case| case.kernel.name == fault.kernel && case.name.contains(fault.case);
        let Some(case) = cases.iter().find(fits) else {
            missed.push(format!("{what}: no case {:?}", fault.case));
            continue;
        };
        let oracle = run::oracle(case);
        let variants = run::variants(case);
        let wrong: Vec<Variant> = variants.iter().filter_map(|v| seeded(v, fault)).collect();
        if wrong.is_empty() && !variants.is_empty() {
            missed.push(format!(
                "{what}: no variant of {:?} has that text",
                case.name
            ));
        }
        for variant in wrong {
            let name = variant.name.clone();
            if run::on_gpu(case, &oracle, variant).faults.is_empty() {
                missed.push(format!("{what}: {name}: not found by {:?}", case.name));
            }
        }
    }
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

#[test]
fn faults_of_elementwise_kernels_and_sums_are_found() {
    assert_found(SIMPLE);
}

#[test]
fn faults_of_matrix_products_are_found() {
    assert_found(PRODUCTS);
}

#[test]
fn faults_of_convolutions_are_found() {
    assert_found(CONVOLUTIONS);
}

#[test]
fn faults_of_norms_and_merged_taps_are_found() {
    assert_found(NORMS);
}

#[test]
fn every_kernel_has_a_seeded_fault() {
    let all = || {
        SIMPLE
            .iter()
            .chain(PRODUCTS)
            .chain(CONVOLUTIONS)
            .chain(NORMS)
    };
    let missing: Vec<&str> = KERNELS
        .iter()
        .map(|kernel| kernel.name)
        .filter(|name| all().all(|fault| fault.kernel != *name))
        .collect();
    assert!(missing.is_empty(), "kernels without a fault: {missing:?}");
}

/// A twin that is off by one part in a hundred thousand in its last value.
fn inexact(call: &Call, bound: &mut [Bound<'_, f32>]) {
    (activation::KERNEL.twin)(call, bound);
    if let Some(last) = bound[1].floats_mut().last_mut() {
        *last *= 1.000_01;
    }
}

#[test]
fn an_inexact_twin_is_found() {
    let mut case = suites::cases().swap_remove(0);
    assert_eq!(case.kernel.name, "activation");
    case.kernel = Box::leak(Box::new(Kernel {
        twin: inexact,
        ..activation::KERNEL
    }));
    let oracle = run::oracle(&case);
    assert_eq!(run::on_twin(&case, &oracle).faults.len(), 1);
}

#[test]
fn records_that_disagree_with_their_shader_are_found() {
    let gradient = &ops::reparameterize_backward::KERNEL;
    let call = ops::reparameterize_backward::call(3, 5);
    let complaints = |kernel: &Kernel, call: &Call, wrong: &[(&'static str, &'static str)]| {
        let mut variant = (gradient.variants)(call, &Capabilities::BASELINE).swap_remove(0);
        for &(right, wrong) in wrong {
            variant = seeded(&variant, &fault("", "", right, wrong)).unwrap();
        }
        let device = Capabilities::BASELINE;
        reflection::check(kernel, call, &variant, &device, gradient.name.to_owned())
    };
    assert_eq!(complaints(gradient, &call, &[]), Vec::<String>::new());
    // In the shader: a binding, an access, an element type, a member's order, a syntax error, too large
    // a workgroup, too much workgroup memory.
    for wrong in [
        vec![("binding(1)", "binding(9)"), ("binding(2)", "binding(1)")],
        vec![
            ("read_write> d_heads", "read_write> heads_d"),
            ("d_heads[", "heads_d["),
        ],
        vec![("storage, read> d_z", "storage, read_write> d_z")],
        vec![
            ("d_z: array<f32>", "d_z: array<vec4<f32>>"),
            ("d_z[i]", "bitcast<vec4<u32>>(d_z[i]).x"),
        ],
        vec![
            ("epsilon: array<f32>", "epsilon: array<u32>"),
            ("epsilon[i]", "f32(epsilon[i])"),
        ],
        vec![("rows: u32,\n    latent: u32", "latent: u32,\n    rows: u32")],
        vec![("let gradient = d_z[i]", "let gradient d_z[i]")],
        vec![("GROUP: u32 = 64u", "GROUP: u32 = 512u")],
    ] {
        assert!(!complaints(gradient, &call, &wrong).is_empty(), "{wrong:?}");
    }
    // In the record: a binding and a parameter too few.
    let fewer = Kernel {
        bindings: &gradient.bindings[..3],
        ..*gradient
    };
    assert!(!complaints(&fewer, &call, &[]).is_empty());
    let fewer = Kernel {
        fields: &gradient.fields[..1],
        ..*gradient
    };
    assert!(!complaints(&fewer, &call, &[]).is_empty());
    // A member of the right size and another type.
    let weight = &ops::kl_weight::KERNEL;
    let call_of_weight = ops::kl_weight::call(3, 5, ops::kl_weight::Rule::FreeBits(0.25));
    let variant = (weight.variants)(&call_of_weight, &Capabilities::BASELINE).swap_remove(0);
    let types = [
        ("nats: f32", "nats: u32"),
        ("params.nats", "f32(params.nats)"),
    ];
    let wrong = types.into_iter().fold(variant, |variant, (right, wrong)| {
        seeded(&variant, &fault("", "", right, wrong)).unwrap()
    });
    let device = Capabilities::BASELINE;
    let found = reflection::check(weight, &call_of_weight, &wrong, &device, String::new());
    assert_eq!(found.len(), 1, "{found:?}");
    // In the call: a selector that the shader does not know.
    let mut unknown = call;
    unknown.selectors.push(("BETA", 1));
    assert!(!complaints(gradient, &unknown, &[]).is_empty());
}

#[test]
fn shaders_that_use_more_than_their_device_has_are_found() {
    let kernel = &ops::matmul::MATMUL;
    let call = ops::matmul::matmul([64, 64, 64], false, false).rounded(Precision::F16);
    let everything = Capabilities::EVERYTHING;
    let variants = (kernel.variants)(&call, &everything);
    let matrices = variants.iter().find(|v| v.name.starts_with("matrices"));
    let check = |device: &Capabilities| {
        reflection::check(kernel, &call, matrices.unwrap(), device, String::new())
    };
    assert_eq!(check(&everything), Vec::<String>::new());
    for lacking in [
        Capabilities {
            longs: false,
            ..everything
        },
        Capabilities {
            half: false,
            ..everything
        },
        Capabilities {
            matrices: false,
            ..everything
        },
    ] {
        assert!(!check(&lacking).is_empty(), "{lacking:?}");
    }
}
