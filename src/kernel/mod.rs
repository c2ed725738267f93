//! What a kernel is: its bindings, its parameters, the WGSL variants that compute it, and its CPU twin.
//!
//! Binding 0 of group 0 is the parameter struct (uniform); the storage bindings follow from 1 in the
//! order of [`Kernel::bindings`]. Tests prove by naga's reflection that shader and record agree.

mod bound;
pub mod parallel;
mod precision;
mod product;
mod real;
mod scratch;
mod window;

use std::borrow::Cow;

pub use bound::{Bound, bind};
pub use precision::Precision;
pub use product::{Layout, Rows};
pub use real::Real;
pub use window::Window;

use crate::device::Gpu;

/// Element type of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// `f32` on the device.
    Float,
    /// `u32`.
    Word,
}

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Written; the earlier content does not matter.
    Write,
    /// Read and written.
    Update,
    /// Written with partial sums. Which elements each of them covers is the device's own affair; only
    /// what they add up to is defined.
    Partial,
}

impl Access {
    /// Whether the earlier content matters.
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Update)
    }
}

/// One storage binding of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// Name of the variable in WGSL.
    pub name: &'static str,
    /// Element type.
    pub element: Element,
    /// Use.
    pub access: Access,
    /// Elements of its slice that a call touches, where they are not all.
    pub touched: Option<fn(&Call) -> usize>,
    /// Use by a call, where that is not all of `access`.
    pub by_call: Option<fn(&Call) -> Access>,
}

impl Binding {
    /// A binding of floats that is read.
    pub const fn read(name: &'static str) -> Self {
        Self::new(name, Element::Float, Access::Read)
    }

    /// A binding of words that is read.
    pub const fn words(name: &'static str) -> Self {
        Self::new(name, Element::Word, Access::Read)
    }

    /// A binding of floats that is written.
    pub const fn write(name: &'static str) -> Self {
        Self::new(name, Element::Float, Access::Write)
    }

    /// A binding of floats that is written with partial sums.
    pub const fn partial(name: &'static str) -> Self {
        Self::new(name, Element::Float, Access::Partial)
    }

    /// A binding of floats that is read and written.
    pub const fn update(name: &'static str) -> Self {
        Self::new(name, Element::Float, Access::Update)
    }

    /// A binding of words that is read and written.
    pub const fn update_words(name: &'static str) -> Self {
        Self::new(name, Element::Word, Access::Update)
    }

    const fn new(name: &'static str, element: Element, access: Access) -> Self {
        Self {
            name,
            element,
            access,
            touched: None,
            by_call: None,
        }
    }

    /// The same, of whose slice a call touches as many elements as `touched` says.
    pub const fn touching(self, touched: fn(&Call) -> usize) -> Self {
        Self {
            touched: Some(touched),
            ..self
        }
    }

    /// The same, of which a call makes the use that `by_call` says.
    pub const fn used(self, by_call: fn(&Call) -> Access) -> Self {
        Self {
            by_call: Some(by_call),
            ..self
        }
    }

    /// Whether a call touches any of its slice.
    pub fn is_touched(&self, call: &Call) -> bool {
        self.touched.is_none_or(|touched| touched(call) > 0)
    }

    /// What a call does with it.
    pub fn access_in(&self, call: &Call) -> Access {
        self.by_call.map_or(self.access, |by_call| by_call(call))
    }
}

/// A member of a parameter struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in WGSL.
    pub name: &'static str,
    /// Its offset in bytes.
    pub offset: usize,
    /// Its type.
    pub scalar: Element,
}

/// A type that a parameter struct may have members of.
pub trait Scalar {
    /// The same type in WGSL.
    const ELEMENT: Element;
}

impl Scalar for f32 {
    const ELEMENT: Element = Element::Float;
}

impl Scalar for u32 {
    const ELEMENT: Element = Element::Word;
}

/// Declares a `#[repr(C)]` parameter struct of `u32` and `f32` members together with the field table
/// that reflection checks against the WGSL struct of the same members.
#[macro_export]
#[doc(hidden)]
macro_rules! params {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $ty:ty,)+ }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name { $($(#[$field_meta])* pub $field: $ty,)+ }
        impl $name {
            /// Members, their offsets in bytes and their types.
            pub const FIELDS: &'static [$crate::kernel::Field] = &[$($crate::kernel::Field {
                name: stringify!($field),
                offset: std::mem::offset_of!($name, $field),
                scalar: <$ty as $crate::kernel::Scalar>::ELEMENT,
            },)+];
        }
    };
}

/// One use of a kernel, without its buffers: what specialises it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Values of the shader's `override` constants that select what is computed.
    pub selectors: Vec<(&'static str, u32)>,
    /// The parameter struct's bytes.
    pub params: Vec<u8>,
    /// What the operands of a matrix product are rounded to.
    pub precision: Precision,
}

impl Call {
    /// A call from its parameter struct.
    pub fn new<P: bytemuck::Pod>(params: P, selectors: &[(&'static str, u32)]) -> Self {
        Self {
            selectors: selectors.to_vec(),
            params: bytemuck::bytes_of(&params).to_vec(),
            precision: Precision::F32,
        }
    }

    /// The same, with the operands of a matrix product rounded.
    #[must_use]
    pub fn rounded(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The parameter struct.
    pub fn params<P: bytemuck::Pod>(&self) -> P {
        bytemuck::pod_read_unaligned(&self.params)
    }

    /// Value of a selector, 0 where the call does not set it. A call sets every selector whose default in
    /// the shader is another.
    pub fn selector(&self, name: &str) -> u32 {
        self.selectors
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(0, |(_, value)| *value)
    }
}

/// Properties of a device that decide which variants of a kernel it can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Lanes of a subgroup where subgroup operations exist and the size never varies.
    pub subgroup: Option<u32>,
    /// Whether the adapter computes in software.
    pub software: bool,
    /// Whether shaders may use integers of 64 bits: asked of software adapters only, which gain by it.
    pub longs: bool,
    /// Whether shaders may use floats of 16 bits: asked for where operands are to be rounded to them.
    pub half: bool,
    /// Whether subgroups of 32 multiply matrices of 16 × 16, f16 in and f32 out (tensor cores).
    pub matrices: bool,
}

impl Capabilities {
    /// What WebGPU guarantees everywhere.
    pub const BASELINE: Self = Self {
        subgroup: None,
        software: false,
        longs: false,
        half: false,
        matrices: false,
    };

    /// Capabilities under which every variant of every kernel is offered.
    pub const EVERYTHING: Self = Self {
        subgroup: Some(8),
        software: false,
        longs: true,
        half: true,
        matrices: true,
    };
}

impl From<&Gpu> for Capabilities {
    fn from(gpu: &Gpu) -> Self {
        Self {
            subgroup: gpu.subgroup,
            software: gpu.is_software(),
            longs: gpu.longs,
            half: gpu.half,
            matrices: gpu.matrices,
        }
    }
}

/// One way to compute a call on a GPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Name for records and benchmarks, unique among the variants of a call.
    pub name: Cow<'static, str>,
    /// WGSL texts whose concatenation is the module.
    pub parts: Vec<&'static str>,
    /// Values of `override` constants beyond the call's selectors.
    pub constants: Vec<(&'static str, u32)>,
    /// Workgroups to dispatch.
    pub workgroups: [u32; 3],
}

impl Variant {
    /// The module's text.
    pub fn source(&self) -> String {
        self.parts.concat()
    }

    /// Values of all `override` constants of a call: the variant's own, and those of the call's selectors that
    /// `source`, this variant's text, declares; any other would be refused.
    pub fn constants_of(&self, call: &Call, source: &str) -> Vec<(&'static str, u32)> {
        let declared = |name: &str| source.contains(&format!("override {name}:"));
        let selectors = call.selectors.iter().filter(|(name, _)| declared(name));
        self.constants.iter().chain(selectors).copied().collect()
    }
}

/// A twin's type: one use on the CPU, on bindings in the order of [`Kernel::bindings`].
pub type Twin<F> = fn(&Call, &mut [Bound<'_, F>]);

/// The record of a kernel.
pub struct Kernel {
    /// Name: of the shader file, of the Rust module, in plans and errors.
    pub name: &'static str,
    /// Storage bindings from binding 1 on.
    pub bindings: &'static [Binding],
    /// Members of the parameter struct at binding 0.
    pub fields: &'static [Field],
    /// Multiply-adds of a matrix product; 0 for a kernel whose time is that of its memory.
    pub multiply_adds: fn(&Call) -> u64,
    /// The variants that the capabilities allow, best guess first; never empty.
    pub variants: fn(&Call, &Capabilities) -> Vec<Variant>,
    /// The twin that is the CPU device.
    pub twin: Twin<f32>,
    /// The same function at double precision: the tests' oracle.
    pub oracle: Twin<f64>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kernel").field(&self.name).finish()
    }
}

/// Name of every shader's entry point.
pub const ENTRY: &str = "main";

/// Most workgroups in one dimension of a dispatch (WebGPU's default limit).
pub const MAX_WORKGROUPS: u32 = 65_535;

/// A dispatch of `groups` workgroups in as few dimensions as the limit allows; shaders number them by
/// `linear_workgroup` (`shaders/lib/grid.wgsl`) and skip those past the end.
pub fn linear_dispatch(groups: u32) -> [u32; 3] {
    let groups = groups.max(1);
    let rows = groups.div_ceil(MAX_WORKGROUPS);
    [groups.div_ceil(rows), rows, 1]
}

/// Invocations a workgroup of the elementwise kernels.
pub const ELEMENTWISE_GROUP: u32 = 64;

/// The single variant of an elementwise kernel with `invocations` of work.
pub fn elementwise(parts: &[&'static str], invocations: u32) -> Vec<Variant> {
    let mut all = vec![GRID];
    all.extend_from_slice(parts);
    vec![Variant {
        name: Cow::Borrowed("elementwise"),
        parts: all,
        constants: Vec::new(),
        workgroups: linear_dispatch(invocations.div_ceil(ELEMENTWISE_GROUP)),
    }]
}

/// The numbering of workgroups, and of invocations of the elementwise kernels.
pub(crate) const GRID: &str = include_str!("../../shaders/lib/grid.wgsl");
