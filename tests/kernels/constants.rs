//! Constants that stand in more than one language: WGSL's are compared with Rust's by naga, the page's script with
//! Rust's as text.

use std::collections::{BTreeMap, BTreeSet};

use elbo::kernel::{Capabilities, ELEMENTWISE_GROUP, Kernel};
use elbo::ops::{LOGVAR_BOUND, activation, fsq, gather, group_norm, likelihood, matmul, sigma};
use naga::{Expression, Literal};

use crate::ops;

/// What WGSL and Rust both have a name for.
fn shared() -> BTreeMap<&'static str, f64> {
    let words = [
        ("GROUP", ELEMENTWISE_GROUP),
        ("IDENTITY", activation::IDENTITY),
        ("RELU", activation::RELU),
        ("LEAKY_RELU", activation::LEAKY_RELU),
        ("TANH", activation::TANH),
        ("SIGMOID", activation::SIGMOID),
        ("SILU", activation::SILU),
        ("GELU", activation::GELU),
        ("BERNOULLI", likelihood::BERNOULLI),
        ("GAUSSIAN", likelihood::GAUSSIAN),
        ("SQUARED_ERROR", likelihood::SQUARED_ERROR),
        ("SIGMOID_SQUARED_ERROR", likelihood::SIGMOID_SQUARED_ERROR),
        ("AS_IS", gather::AS_IS),
        ("FIXED", gather::FIXED),
        ("DYNAMIC", gather::DYNAMIC),
    ];
    let floats = [
        ("LOGVAR_BOUND", LOGVAR_BOUND),
        ("FSQ_MARGIN", fsq::FSQ_MARGIN),
        ("LEAK", activation::LEAK),
        ("GELU_SCALE", activation::GELU_SCALE),
        ("GELU_CUBIC", activation::GELU_CUBIC),
        ("HALF_LOG_TWO_PI", likelihood::HALF_LOG_TWO_PI),
        ("LEAST_VARIANCE", sigma::LEAST_VARIANCE),
        ("NORM_EPSILON", group_norm::NORM_EPSILON),
    ];
    // As a shader has them.
    let floats = floats.map(|(name, value)| (name, f64::from(value as f32)));
    let words = words.map(|(name, value)| (name, f64::from(value)));
    words.into_iter().chain(floats).collect()
}

/// What WGSL alone has: a quarter turn of the normal distribution's circle, whether a product sums rows, and the rows
/// of the slices for cooperative matrices.
const OWN: [&str; 6] = ["HALF_PI", "NOWHERE", "SUM_ROWS", "ROW_A", "ROW_B", "ZERO"];

/// The named constants of a WGSL text, those that are one number as their value.
fn named(text: &str) -> Vec<(String, Option<f64>)> {
    let module = naga::front::wgsl::parse_str(text).unwrap();
    let constants = module.constants.iter().filter_map(|(_, constant)| {
        let name = constant.name.clone()?;
        let value = match module.global_expressions[constant.init] {
            Expression::Literal(Literal::F32(value)) => Some(f64::from(value)),
            Expression::Literal(Literal::U32(value)) => Some(f64::from(value)),
            _ => None,
        };
        Some((name, value))
    });
    constants.collect()
}

/// What the constants of some WGSL texts have otherwise than Rust.
fn differences<'a>(texts: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    let shared = shared();
    let mut unseen: BTreeSet<_> = shared.keys().copied().collect();
    let mut wrong = BTreeSet::new();
    for (name, value) in texts.into_iter().flat_map(|text| named(text)) {
        unseen.remove(name.as_str());
        match shared.get(name.as_str()) {
            Some(&expected) if value != Some(expected) => {
                wrong.insert(format!("{name}: {expected} in Rust, {value:?} in WGSL"));
            }
            None if !OWN.contains(&name.as_str()) => {
                wrong.insert(format!("{name}: neither shared with Rust nor WGSL's own"));
            }
            _ => {}
        }
    }
    wrong.extend(unseen.iter().map(|name| format!("{name}: not in WGSL")));
    wrong
}

/// Every module that there is.
fn modules() -> BTreeSet<String> {
    let variants = ops::cases().into_iter().flat_map(|case| {
        let variants = (case.kernel.variants)(&case.call, &Capabilities::EVERYTHING);
        variants.into_iter().map(|variant| variant.source())
    });
    variants.collect()
}

#[test]
fn constants_of_the_shaders_are_those_of_rust() {
    let modules = modules();
    let none = BTreeSet::new();
    assert_eq!(differences(&modules), none);
    // Each by itself would be found, were it another.
    for name in shared().keys() {
        let declared = format!("const {name}: ");
        let module = modules.iter().find(|text| text.contains(&declared));
        let text = module.unwrap();
        let at = text.find(&declared).unwrap() + declared.len();
        let (before, after) = text.split_at(at + text[at..].find("= ").unwrap() + 2);
        let wrong = format!("{before}7{after}");
        let found = differences([&wrong]);
        let mine = format!("{name}: ");
        assert!(
            found.iter().any(|line| line.starts_with(&mine)
                && line.ends_with("in WGSL")
                && !line.ends_with("not in WGSL")),
            "{name}: {found:?}"
        );
    }
}

const SCRIPT: &str = include_str!("../../src/explore/page/script.js");

/// What the page's script has in the place of a kernel, by the kernel's record.
fn head(kernel: &Kernel) -> String {
    let fields: Vec<_> = kernel.fields.iter().map(|field| field.name).collect();
    let bindings: Vec<_> = kernel.bindings.iter().map(|binding| binding.name).collect();
    format!(
        "  {}([{}], {{ ACTIVATION = {} }}, [{}]) {{\n",
        kernel.name,
        fields.join(", "),
        activation::IDENTITY,
        bindings.join(", ")
    )
}

/// The script's activations in the order of their selectors, with Rust's constants.
fn activations() -> String {
    let (leak, scale, cubic) = (
        activation::LEAK,
        activation::GELU_SCALE,
        activation::GELU_CUBIC,
    );
    let mut formulas = [
        (activation::IDENTITY, "(x) => x".to_owned()),
        (activation::RELU, "(x) => (x <= 0 ? 0 : x)".to_owned()),
        (
            activation::LEAKY_RELU,
            format!("(x) => (x <= 0 ? {leak} * x : x)"),
        ),
        (activation::TANH, "Math.tanh".to_owned()),
        (
            activation::SIGMOID,
            "(x) => 1 / (1 + Math.exp(-x))".to_owned(),
        ),
        (activation::SILU, "(x) => x / (1 + Math.exp(-x))".to_owned()),
        (
            activation::GELU,
            format!("(x) => 0.5 * x * (1 + Math.tanh({scale} * (x + {cubic} * x * x * x)))"),
        ),
    ];
    formulas.sort();
    let lines: Vec<_> = formulas
        .iter()
        .map(|(_, text)| format!("  {text},\n"))
        .collect();
    format!("const ACTIVATIONS = [\n{}];\n", lines.concat())
}

#[test]
fn the_script_of_the_page_has_the_constants_selectors_and_bindings_of_rust() {
    for expected in [
        activations(),
        head(&matmul::LINEAR),
        head(&activation::KERNEL),
    ] {
        assert!(SCRIPT.contains(&expected), "not in script.js:\n{expected}");
    }
}
