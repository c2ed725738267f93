//! Matrix products: one family of loaders × cores × epilogues, in four kernels.
//!
//! [`MATMUL`] has every transposition; [`LINEAR`], [`INPUT_GRADIENT`] and [`WEIGHT_GRADIENT`] are the
//! three products of a linear layer y = activate(x·Wᵀ + b), with W stored `[out, in]`.

use std::borrow::Cow;

use super::activation::{activate, times_derivative};
use super::{lib, weight_update};
use crate::kernel::{
    Binding, Bound, Call, Capabilities, GRID, Kernel, Layout, Precision, Real, Variant, bind,
    linear_dispatch,
};

crate::params! {
    /// Sizes of a product `[m, k] · [k, n]`.
    pub struct Params {
        /// Rows of the result.
        m: u32,
        /// Columns of the result.
        n: u32,
        /// Length of the sums.
        k: u32,
    }
}

/// `c = a · b`; selectors `TRANSPOSE_A` (a is stored `[k, m]`) and `TRANSPOSE_B` (b is stored `[n, k]`).
pub static MATMUL: Kernel = Kernel {
    name: "matmul",
    bindings: &[Binding::read("a"), Binding::read("b"), Binding::write("c")],
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| variants(call, sizes(call), device, Store::Plain),
    twin: twin_matmul::<f32>,
    oracle: twin_matmul::<f64>,
};

/// `c[rows, out] = activate(a[rows, in] · b[out, in]ᵀ + side[out])`; selector `ACTIVATION`.
pub static LINEAR: Kernel = Kernel {
    name: "linear",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("c"),
        Binding::read("side"),
    ],
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| variants(call, sizes(call), device, Store::Activation),
    twin: twin_linear::<f32>,
    oracle: twin_linear::<f64>,
};

/// `c[rows, in] = (a[rows, out] · b[out, in]) ∘ derivative(side[rows, in])`; selector `ACTIVATION`.
pub static INPUT_GRADIENT: Kernel = Kernel {
    name: "input_gradient",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("c"),
        Binding::read("side"),
    ],
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| variants(call, sizes(call), device, Store::Derivative),
    twin: twin_input_gradient::<f32>,
    oracle: twin_input_gradient::<f64>,
};

/// `c[out, in] = a[rows, out]ᵀ · b[rows, in]` and `row_sums[out] = Σ over rows of a`: the gradients of
/// weight and bias.
pub static WEIGHT_GRADIENT: Kernel = Kernel {
    name: "weight_gradient",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::write("c"),
        Binding::write("row_sums"),
    ],
    fields: Params::FIELDS,
    multiply_adds,
    variants: |call, device| variants(call, sizes(call), device, Store::Gradient),
    twin: twin_weight_gradient::<f32>,
    oracle: twin_weight_gradient::<f64>,
};

fn params(m: usize, n: usize, k: usize) -> Params {
    Params {
        m: m as u32,
        n: n as u32,
        k: k as u32,
    }
}

/// The call of [`MATMUL`] for `[m, k] · [k, n]`.
pub fn matmul([m, n, k]: [usize; 3], transpose_a: bool, transpose_b: bool) -> Call {
    let selectors = [
        ("TRANSPOSE_A", u32::from(transpose_a)),
        ("TRANSPOSE_B", u32::from(transpose_b)),
    ];
    Call::new(params(m, n, k), &selectors)
}

/// The call of [`LINEAR`] for a layer of `inputs` to `outputs` values.
pub fn linear(rows: usize, inputs: usize, outputs: usize, activation: u32) -> Call {
    let selectors = [("TRANSPOSE_B", 1), ("ACTIVATION", activation)];
    Call::new(params(rows, outputs, inputs), &selectors)
}

/// The call of [`INPUT_GRADIENT`] for a layer of `inputs` to `outputs` values, through the activation
/// of the layer before.
pub fn input_gradient(rows: usize, inputs: usize, outputs: usize, activation: u32) -> Call {
    Call::new(params(rows, inputs, outputs), &[("ACTIVATION", activation)])
}

/// The call of [`WEIGHT_GRADIENT`] for a layer of `inputs` to `outputs` values.
pub fn weight_gradient(rows: usize, inputs: usize, outputs: usize) -> Call {
    Call::new(params(outputs, inputs, rows), &[("TRANSPOSE_A", 1)])
}

/// m, n and k of a call of a kernel here.
fn sizes(call: &Call) -> [u32; 3] {
    let p: Params = call.params();
    [p.m, p.n, p.k]
}

/// Multiply-adds of such a call.
fn multiply_adds(call: &Call) -> u64 {
    sizes(call).into_iter().map(u64::from).product()
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Store {
    Plain,
    Activation,
    Derivative,
    Gradient,
    Update,
}

macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("../../shaders/matmul/", $name, ".wgsl"))
    };
}

/// A way to multiply: its text, the tile of a workgroup's dispatch unit, and its constants.
struct Core {
    name: &'static str,
    /// Extension of WGSL that it needs, where it does.
    enables: Option<&'static str>,
    text: &'static str,
    /// Rows and columns of a tile.
    tile: [u32; 2],
    /// Tiles of a workgroup.
    tiles: u32,
    constants: &'static [(&'static str, u32)],
}

const REGISTERS: Core = Core {
    name: "registers 16x8",
    enables: None,
    text: part!("core_registers"),
    tile: [16, 8],
    tiles: 8,
    constants: &[],
};

const SUBGROUP_8: Core = Core {
    name: "subgroup8 32x64",
    enables: None,
    text: part!("core_subgroup8"),
    tile: [32, 64],
    tiles: 1,
    constants: &[],
};

const WORKGROUP_32: Core = Core {
    name: "workgroup 32x32",
    enables: None,
    text: part!("core_workgroup"),
    tile: [32, 32],
    tiles: 1,
    constants: &[("TILE", 32), ("SIDE", 8), ("SLOTS", 128)],
};

const WORKGROUP_64: Core = Core {
    name: "workgroup 64x64",
    enables: None,
    text: part!("core_workgroup"),
    tile: [64, 64],
    tiles: 1,
    constants: &[("TILE", 64), ("SIDE", 16), ("SLOTS", 512)],
};

const SPLIT_16: Core = Core {
    name: "split 16x16",
    enables: None,
    text: part!("core_split"),
    tile: [16, 16],
    tiles: 1,
    constants: &[("TILE", 16), ("SIDE", 4), ("SLOTS", 32), ("PARTS", 16)],
};

const SPLIT_32: Core = Core {
    name: "split 32x32",
    enables: None,
    text: part!("core_split"),
    tile: [32, 32],
    tiles: 1,
    constants: &[("TILE", 32), ("SIDE", 8), ("SLOTS", 128), ("PARTS", 4)],
};

const MATRICES: Core = Core {
    name: "matrices 64x64",
    enables: Some(part!("enable_matrices")),
    text: part!("core_matrices"),
    tile: [64, 64],
    tiles: 1,
    constants: &[],
};

/// The cores worth trying on a device, best guess first (the figures are in docs/kernels.md).
///
/// Software drivers turn workgroup memory and barriers into loops over the lanes, which costs a factor
/// of 30 to 60, so those cores are not even measured there; hardware wants them.
fn cores(device: &Capabilities, precision: Precision) -> Vec<Core> {
    let subgroup = (device.subgroup == Some(8)).then_some(SUBGROUP_8);
    if device.software {
        subgroup.into_iter().chain([REGISTERS]).collect()
    } else {
        let matrices = (precision == Precision::F16 && device.matrices).then_some(MATRICES);
        [WORKGROUP_32, WORKGROUP_64, SPLIT_16, SPLIT_32, REGISTERS]
            .into_iter()
            .chain(matrices)
            .chain(subgroup)
            .collect()
    }
}

/// What becomes of a block of the result, whose rows are a multiple of four long or are not.
fn store_texts(store: Store, wide: bool) -> Vec<&'static str> {
    let side = if wide {
        part!("side_vec4")
    } else {
        part!("side_scalar")
    };
    let mut stored = match store {
        Store::Plain => vec![part!("params"), part!("store_plain")],
        Store::Activation => vec![
            part!("params"),
            side,
            lib::ACTIVATION,
            part!("store_activation"),
        ],
        Store::Derivative => vec![
            part!("params"),
            side,
            lib::ACTIVATION,
            part!("store_derivative"),
        ],
        Store::Gradient => vec![part!("params"), part!("store_gradient")],
        Store::Update if wide => {
            vec![weight_update::PARAMS, lib::ADAM, weight_update::STORE_VEC4]
        }
        Store::Update => vec![
            weight_update::PARAMS,
            lib::ADAM,
            weight_update::STORE_SCALAR,
        ],
    };
    if store != Store::Update {
        stored.push(if wide {
            part!("out_vec4")
        } else {
            part!("out_scalar")
        });
    }
    stored
}

/// The variants of a product whose parameters start with m, n and k.
pub(super) fn variants(
    call: &Call,
    [m, n, k]: [u32; 3],
    device: &Capabilities,
    store: Store,
) -> Vec<Variant> {
    let wide = |length: u32| length.is_multiple_of(4);
    let a_rows = if call.selector("TRANSPOSE_A") == 0 {
        k
    } else {
        m
    };
    let b_rows = if call.selector("TRANSPOSE_B") == 0 {
        n
    } else {
        k
    };
    let stored = store_texts(store, wide(n));
    let (enabled, operand) = match call.precision {
        Precision::F16 => (Some(part!("enable_f16")), part!("operand_f16")),
        Precision::F32 => (None, part!("operand_f32")),
    };
    cores(device, call.precision)
        .into_iter()
        .map(|core| {
            let mut parts: Vec<_> = enabled.into_iter().chain(core.enables).collect();
            parts.extend([
                part!("operands"),
                operand,
                GRID,
                core.text,
                lib::four(device),
            ]);
            parts.push(if wide(a_rows) {
                part!("a_vec4")
            } else {
                part!("a_scalar")
            });
            parts.push(if wide(b_rows) {
                part!("b_vec4")
            } else {
                part!("b_scalar")
            });
            parts.extend(&stored);
            let [rows, columns] = core.tile;
            let tiles = m.div_ceil(rows) * n.div_ceil(columns);
            Variant {
                name: Cow::Borrowed(core.name),
                parts,
                constants: core.constants.to_vec(),
                workgroups: linear_dispatch(tiles.div_ceil(core.tiles)),
            }
        })
        .collect()
}

/// Calls `f` with both operands as the product takes them.
pub(super) fn with_operands<F: Real>(call: &Call, [a, b]: [&[F]; 2], f: impl FnOnce(&[F], &[F])) {
    let len = match call.precision {
        Precision::F32 => 0,
        Precision::F16 => a.len() + b.len(),
    };
    F::scratch(len, |memory| {
        let (mut a, mut b) = (a, b);
        if !memory.is_empty() {
            let (first, second) = memory.split_at_mut(a.len());
            first.copy_from_slice(a);
            second.copy_from_slice(b);
            F::halve(memory);
            (a, b) = memory.split_at(a.len());
        }
        // Called in one place, so that it is compiled into this.
        f(a, b);
    });
}

/// `c = a · b` with both operands as the selectors say they are stored; parts of rows go to
/// `finish(row, first column, values)`.
fn product<F: Real>(
    call: &Call,
    a: &Bound<'_, F>,
    b: &Bound<'_, F>,
    c: &mut Bound<'_, F>,
    finish: impl Fn(usize, usize, &mut [F]) + Sync,
) {
    let layout = |selector| match call.selector(selector) {
        0 => Layout::Rows,
        _ => Layout::Transposed,
    };
    with_operands(call, [a.floats(), b.floats()], |a, b| {
        F::product(
            sizes(call).map(|size| size as usize),
            (a, layout("TRANSPOSE_A")),
            (b, layout("TRANSPOSE_B")),
            c.floats_mut(),
            &finish,
        );
    });
}

fn twin_matmul<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, c] = bind(bound);
    product(call, a, b, c, |_, _, _| ());
}

fn twin_linear<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, c, bias] = bind(bound);
    let (bias, activation) = (bias.floats(), call.selector("ACTIVATION"));
    product(
        call,
        a,
        b,
        c,
        #[inline(always)]
        |_, column, values| {
            let bias = &bias[column..][..values.len()];
            for (value, &bias) in values.iter_mut().zip(bias) {
                *value += bias;
            }
            activate(activation, values);
        },
    );
}

fn twin_input_gradient<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, c, saved] = bind(bound);
    let p: Params = call.params();
    let (saved, activation) = (saved.floats(), call.selector("ACTIVATION"));
    product(
        call,
        a,
        b,
        c,
        #[inline(always)]
        |row, column, values| {
            let saved = &saved[row * p.n as usize + column..][..values.len()];
            times_derivative(activation, values, saved);
        },
    );
}

fn twin_weight_gradient<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, c, row_sums] = bind(bound);
    let (a_layout, b_layout) = (Layout::Transposed, Layout::Rows);
    let (c, sums) = (c.floats_mut(), row_sums.floats_mut());
    let sizes = sizes(call).map(|size| size as usize);
    with_operands(call, [a.floats(), b.floats()], |a, b| {
        rayon::join(
            || F::product(sizes, (a, a_layout), (b, b_layout), c, &|_, _, _| ()),
            || add_rows(a, sums.len(), 0, sums),
        );
    });
}

/// The sums over rows of `a[rows, m]`, of as many columns from `first` on as there are sums.
pub(super) fn add_rows<F: Real>(a: &[F], m: usize, first: usize, sums: &mut [F]) {
    sums.fill(F::ZERO);
    for row in a.chunks(m) {
        sums.iter_mut()
            .zip(&row[first..])
            .for_each(|(sum, &value)| *sum += value);
    }
}

/// The texts that variants are made of, which decide how fast they are.
pub fn sources() -> Vec<&'static str> {
    vec![
        part!("enable_f16"),
        part!("enable_matrices"),
        part!("operands"),
        part!("operand_f32"),
        part!("operand_f16"),
        part!("params"),
        weight_update::PARAMS,
        part!("a_vec4"),
        part!("a_scalar"),
        part!("b_vec4"),
        part!("b_scalar"),
        part!("core_registers"),
        part!("core_subgroup8"),
        part!("core_workgroup"),
        part!("core_split"),
        part!("core_matrices"),
        part!("store_plain"),
        part!("store_activation"),
        part!("store_derivative"),
        part!("store_gradient"),
        weight_update::STORE_VEC4,
        weight_update::STORE_SCALAR,
        part!("out_vec4"),
        part!("out_scalar"),
        part!("side_vec4"),
        part!("side_scalar"),
        GRID,
        lib::ACTIVATION,
        lib::ADAM,
        lib::FOUR_FLOATS,
        lib::FOUR_LONGS,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shader_of_the_product_is_among_the_sources() {
        let known = sources();
        for folder in ["matmul", "weight_update"] {
            let folder = format!("{}/shaders/{folder}", env!("CARGO_MANIFEST_DIR"));
            for entry in std::fs::read_dir(folder).expect("the shaders") {
                let path = entry.expect("an entry").path();
                let text = std::fs::read_to_string(&path).expect("a shader");
                assert!(known.contains(&text.as_str()), "{}", path.display());
            }
        }
    }
}
