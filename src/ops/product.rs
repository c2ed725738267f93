//! Matrix products on a GPU: one family of texts that are put together. A product has a loader for each operand, a core
//! that multiplies, and a store; it may be cut into parts, each of which is a product of its own.

use std::borrow::Cow;

use super::{convolution, lib, weight_update};
use crate::kernel::{Call, Capabilities, GRID, Precision, Variant, linear_dispatch};

/// What becomes of a block of the result.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Store {
    /// It is the result.
    Plain,
    /// A bias is added, and an activation applied.
    Activation,
    /// It is multiplied by the derivative of an activation.
    Derivative,
    /// It is the result, with the sums of the left operand over k beside it.
    Gradient,
    /// Parameters are updated by it.
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

const SUBGROUP_8_TALL: Core = Core {
    name: "subgroup8 64x32",
    enables: None,
    text: part!("core_subgroup8_tall"),
    tile: [64, 32],
    tiles: 1,
    constants: &[],
};

const NARROW: Core = Core {
    name: "registers 16x4",
    enables: None,
    text: part!("core_narrow"),
    tile: [16, 4],
    tiles: 8,
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

/// The cores worth trying on a device for a result of `n` columns, best guess first (the figures are in
/// docs/kernels.md).
///
/// Software drivers turn workgroup memory and barriers into loops over the lanes, which costs a factor
/// of 30 to 60, so those cores are not even measured there; hardware wants them.
fn cores(device: &Capabilities, precision: Precision, n: u32) -> Vec<Core> {
    let narrow = (n <= 4).then_some(NARROW);
    // A tile of 64 columns would be half empty.
    let is_tall = n <= 160 && n.div_ceil(32) % 2 == 1;
    let in_subgroups = device.subgroup == Some(8) && n > 4;
    let tall = (in_subgroups && is_tall).then_some(SUBGROUP_8_TALL);
    let subgroup = (in_subgroups).then_some(SUBGROUP_8);
    if device.software {
        let all = narrow.into_iter().chain(tall).chain(subgroup);
        return all.chain([REGISTERS]).collect();
    }
    let matrices = (precision == Precision::F16 && device.matrices).then_some(MATRICES);
    [WORKGROUP_32, WORKGROUP_64, SPLIT_16, SPLIT_32, REGISTERS]
        .into_iter()
        .chain(matrices)
        .chain(narrow)
        .chain(subgroup)
        .chain(tall)
        .collect()
}

/// What becomes of a block of the result, whose rows are a multiple of four long or are not.
fn store_texts(store: Store, wide: bool) -> Vec<&'static str> {
    let either = |vec4, scalar| if wide { vec4 } else { scalar };
    let out = either(part!("out_vec4"), part!("out_scalar"));
    let side = either(part!("side_vec4"), part!("side_scalar"));
    match store {
        Store::Plain => vec![part!("store_plain"), out],
        Store::Gradient => vec![part!("store_gradient"), out],
        Store::Activation => vec![
            part!("store_activation"),
            side,
            lib::EXP,
            lib::ACTIVATION,
            out,
        ],
        Store::Derivative => vec![
            part!("store_derivative"),
            side,
            lib::EXP,
            lib::ACTIVATION,
            out,
        ],
        Store::Update => vec![
            lib::ADAM,
            either(weight_update::STORE_VEC4, weight_update::STORE_SCALAR),
        ],
    }
}

/// All of a product but its core.
pub(super) struct Product {
    /// Rows and columns of the result of each part.
    pub(super) size: [u32; 2],
    /// Parts, with a dispatch for all.
    pub(super) parts: u32,
    /// Parameters, what a part is, and how each operand is loaded.
    pub(super) texts: Vec<&'static str>,
    /// What becomes of the result.
    pub(super) store: Store,
}

impl Product {
    /// A variant for each core that is worth trying.
    pub(super) fn variants(self, call: &Call, device: &Capabilities) -> Vec<Variant> {
        let [m, n] = self.size;
        let stored = store_texts(self.store, n.is_multiple_of(4));
        let (enabled, operand) = match call.precision {
            Precision::F16 => (Some(part!("enable_f16")), part!("operand_f16")),
            Precision::F32 => (None, part!("operand_f32")),
        };
        let variant = |core: Core| {
            let mut parts: Vec<_> = enabled.into_iter().chain(core.enables).collect();
            let shared = [part!("operands"), operand, GRID, core.text];
            parts.extend(shared.into_iter().chain([lib::four(device)]));
            parts.extend(self.texts.iter().chain(&stored));
            let [rows, columns] = core.tile;
            let tiles = m.div_ceil(rows) * n.div_ceil(columns) * self.parts;
            Variant {
                name: Cow::Borrowed(core.name),
                parts,
                constants: core.constants.to_vec(),
                workgroups: linear_dispatch(tiles.div_ceil(core.tiles)),
            }
        };
        let cores = cores(device, call.precision, n);
        cores.into_iter().map(variant).collect()
    }
}

/// The loader of a stored left operand whose rows are so long.
pub(super) fn load_a(length: u32) -> &'static str {
    if length.is_multiple_of(4) {
        part!("a_vec4")
    } else {
        part!("a_scalar")
    }
}

/// The loader of a stored right operand whose rows are so long.
pub(super) fn load_b(length: u32) -> &'static str {
    if length.is_multiple_of(4) {
        part!("b_vec4")
    } else {
        part!("b_scalar")
    }
}

/// The variants of a product in one part, whose parameters start with m, n and k.
pub(super) fn variants(
    call: &Call,
    [m, n, k]: [u32; 3],
    device: &Capabilities,
    store: Store,
) -> Vec<Variant> {
    let length = |selector, stored, transposed| match call.selector(selector) {
        0 => stored,
        _ => transposed,
    };
    let params = match store {
        Store::Update => weight_update::PARAMS,
        _ => part!("params"),
    };
    let product = Product {
        size: [m, n],
        parts: 1,
        texts: vec![
            params,
            part!("whole"),
            load_a(length("TRANSPOSE_A", k, m)),
            load_b(length("TRANSPOSE_B", n, k)),
        ],
        store,
    };
    product.variants(call, device)
}

/// The texts that variants are made of, which decide how fast they are.
pub fn sources() -> Vec<&'static str> {
    let own = [
        part!("enable_f16"),
        part!("enable_matrices"),
        part!("operands"),
        part!("operand_f32"),
        part!("operand_f16"),
        part!("params"),
        part!("whole"),
        weight_update::PARAMS,
        part!("a_vec4"),
        part!("a_scalar"),
        part!("b_vec4"),
        part!("b_scalar"),
        part!("core_registers"),
        part!("core_subgroup8"),
        part!("core_subgroup8_tall"),
        part!("core_narrow"),
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
        lib::EXP,
        lib::ACTIVATION,
        lib::ADAM,
        lib::FOUR_FLOATS,
        lib::FOUR_LONGS,
    ];
    own.into_iter()
        .chain(convolution::SOURCES.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shader_of_the_product_is_among_the_sources() {
        let known = sources();
        for folder in ["matmul", "weight_update", "convolution"] {
            let folder = format!("{}/shaders/{folder}", env!("CARGO_MANIFEST_DIR"));
            for entry in std::fs::read_dir(folder).expect("the shaders") {
                let path = entry.expect("an entry").path();
                let text = std::fs::read_to_string(&path).expect("a shader");
                assert!(known.contains(&text.as_str()), "{}", path.display());
            }
        }
    }
}
