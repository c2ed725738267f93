//! Every shader as naga sees it, without a GPU: it validates, agrees with its record, keeps to WebGPU's
//! default limits, and translates to every backend.

use std::collections::HashSet;

use elbo::kernel::{Access, Call, Capabilities, ENTRY, Element, Field, Kernel, Precision, Variant};
use naga::back::{PipelineConstants, pipeline_constants};
use naga::valid::{ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ScalarKind, ShaderStage, StorageAccess, TypeInner};

use crate::ops;
use crate::translated::{self, Translated};

/// WebGPU's default limits.
const MAX_STORAGE_BINDINGS: usize = 8;
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_BYTES: u32 = 16_384;

const DEVICES: [(&str, Capabilities); 7] = [
    ("baseline", Capabilities::BASELINE),
    ("everything", Capabilities::EVERYTHING),
    (
        // Long integers are asked of software only, which has no such matrices: so this is what they run as.
        "hardware with matrices",
        Capabilities {
            half: true,
            matrices: true,
            ..device(Some(32), false)
        },
    ),
    ("hardware, subgroups of 8", device(Some(8), false)),
    ("hardware, subgroups of 32", device(Some(32), false)),
    ("software", device(None, true)),
    (
        "software with integers of 64 bits",
        Capabilities {
            longs: true,
            half: true,
            ..device(Some(8), true)
        },
    ),
];

const fn device(subgroup: Option<u32>, software: bool) -> Capabilities {
    Capabilities {
        subgroup,
        software,
        ..Capabilities::BASELINE
    }
}

/// What shaders may use on a device.
fn allowed(device: &Capabilities) -> naga::valid::Capabilities {
    use naga::valid::Capabilities as Naga;

    let pairs = [
        (device.half, Naga::SHADER_FLOAT16),
        (device.matrices, Naga::COOPERATIVE_MATRIX),
        (device.subgroup.is_some(), Naga::SUBGROUP),
        (device.longs, Naga::SHADER_INT64),
    ];
    let pairs = pairs.into_iter().filter(|(has, _)| *has);
    pairs.map(|(_, capability)| capability).collect()
}

/// A variant of a call, checked one thing after the other.
struct Checker<'a> {
    kernel: &'a Kernel,
    call: &'a Call,
    variant: &'a Variant,
    allowed: naga::valid::Capabilities,
    what: String,
    errors: Vec<String>,
    translated: Option<Translated>,
}

impl Checker<'_> {
    fn fail(&mut self, message: impl std::fmt::Display) {
        self.errors.push(format!("{}: {message}", self.what));
    }

    fn expect<T: PartialEq + std::fmt::Debug>(&mut self, name: &str, expected: T, found: T) {
        if expected != found {
            self.fail(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }

    fn run(mut self) -> Self {
        let source = self.variant.source();
        let module = match naga::front::wgsl::parse_str(&source) {
            Ok(module) => module,
            Err(error) => {
                self.fail(error.emit_to_string(&source));
                return self;
            }
        };
        match Validator::new(ValidationFlags::all(), self.allowed).validate(&module) {
            Ok(info) => {
                self.bindings(&module);
                self.params(&module);
                self.specialised(&module, &info);
            }
            Err(error) => self.fail(error.emit_to_string(&source)),
        }
        self
    }

    /// Group 0, bindings from 1 on, as the record lists them.
    fn bindings(&mut self, module: &Module) {
        let storage: Vec<_> = module
            .global_variables
            .iter()
            .map(|(_, variable)| variable)
            .filter(|variable| matches!(variable.space, AddressSpace::Storage { .. }))
            .collect();
        self.expect(
            "storage bindings",
            self.kernel.bindings.len(),
            storage.len(),
        );
        if storage.len() > MAX_STORAGE_BINDINGS {
            self.fail(format!("{} storage bindings", storage.len()));
        }
        for (i, binding) in self.kernel.bindings.iter().enumerate() {
            let Some(variable) = storage
                .iter()
                .find(|variable| variable.name.as_deref() == Some(binding.name))
            else {
                self.fail(format!("no storage variable named {}", binding.name));
                continue;
            };
            let name = binding.name;
            let place = variable.binding.as_ref().map(|b| (b.group, b.binding));
            self.expect(&format!("{name}: binding"), Some((0, i as u32 + 1)), place);
            let mut access = StorageAccess::LOAD;
            if binding.access != Access::Read {
                access |= StorageAccess::STORE;
            }
            let space = AddressSpace::Storage { access };
            self.expect(&format!("{name}: access"), space, variable.space);
            let kind = match binding.element {
                Element::Float => ScalarKind::Float,
                Element::Word => ScalarKind::Uint,
            };
            let found = element(module, &module.types[variable.ty].inner);
            self.expect(&format!("{name}: element"), Some((kind, 4)), found);
        }
    }

    /// The uniform struct at binding 0: members as the record's fields, within the call's bytes.
    fn params(&mut self, module: &Module) {
        let uniform = module
            .global_variables
            .iter()
            .map(|(_, variable)| variable)
            .find(|variable| variable.space == AddressSpace::Uniform);
        let Some(uniform) = uniform else {
            return self.fail("no uniform variable");
        };
        let place = uniform.binding.as_ref().map(|b| (b.group, b.binding));
        self.expect("params: binding", Some((0, 0)), place);
        let TypeInner::Struct { members, span } = &module.types[uniform.ty].inner else {
            return self.fail("params is no struct");
        };
        let found: Vec<_> = members
            .iter()
            .map(|member| {
                let name = member.name.as_deref().unwrap_or("");
                let scalar = match module.types[member.ty].inner {
                    TypeInner::Scalar(naga::Scalar::F32) => Some(Element::Float),
                    TypeInner::Scalar(naga::Scalar::U32) => Some(Element::Word),
                    _ => None,
                };
                (name, member.offset as usize, scalar)
            })
            .collect();
        let fields = self.kernel.fields.iter();
        let fields = fields.map(
            |&Field {
                 name,
                 offset,
                 scalar,
             }| (name, offset, Some(scalar)),
        );
        self.expect("params: members", fields.collect(), found);
        // The executor pads a call's bytes to a multiple of 16.
        let bytes = self.call.params.len().next_multiple_of(16);
        if *span as usize > bytes {
            self.fail(format!("params: {span} bytes, the call has {bytes}"));
        }
    }

    /// With the constants that a pipeline would set.
    fn specialised(&mut self, module: &Module, info: &ModuleInfo) {
        let declared: HashSet<&str> = module
            .overrides
            .iter()
            .filter_map(|(_, constant)| constant.name.as_deref())
            .collect();
        let mut constants = PipelineConstants::default();
        for (name, value) in self.variant.constants.iter().chain(&self.call.selectors) {
            if declared.contains(name) {
                constants.insert((*name).to_owned(), f64::from(*value));
            } else {
                self.fail(format!("no override {name}"));
            }
        }
        let entry = Some((ShaderStage::Compute, ENTRY));
        match pipeline_constants::process_overrides(module, info, entry, &constants) {
            Ok((module, info)) => {
                self.limits(&module);
                let needs_features = !self.allowed.is_empty();
                match Translated::make(&module, &info, &self.variant.source(), needs_features) {
                    Ok(translated) => self.translated = Some(translated),
                    Err(error) => self.fail(error),
                }
            }
            Err(error) => self.fail(format!("constants {constants:?}: {error}")),
        }
    }

    fn limits(&mut self, module: &Module) {
        let Some(entry) = module.entry_points.iter().find(|e| e.name == ENTRY) else {
            return self.fail("no entry point");
        };
        let invocations: u32 = entry.workgroup_size.iter().product();
        if !(1..=MAX_INVOCATIONS).contains(&invocations) {
            self.fail(format!("{invocations} invocations a workgroup"));
        }
        let mut layouter = naga::proc::Layouter::default();
        if let Err(error) = layouter.update(module.to_ctx()) {
            return self.fail(format!("layout: {error}"));
        }
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
            .map(|(_, variable)| layouter[variable.ty].size.next_multiple_of(16))
            .sum();
        if bytes > MAX_WORKGROUP_BYTES {
            self.fail(format!("{bytes} bytes of workgroup memory"));
        }
        let [x, y, z] = self.variant.workgroups;
        if x == 0 || y == 0 || z == 0 || x.max(y).max(z) > elbo::kernel::MAX_WORKGROUPS {
            self.fail(format!("dispatch of {x}×{y}×{z}"));
        }
    }
}

/// What is wrong with a variant of a call on a device.
pub(crate) fn check(
    kernel: &Kernel,
    call: &Call,
    variant: &Variant,
    device: &Capabilities,
    what: String,
) -> Vec<String> {
    checked(kernel, call, variant, device, what).errors
}

fn checked<'a>(
    kernel: &'a Kernel,
    call: &'a Call,
    variant: &'a Variant,
    device: &Capabilities,
    what: String,
) -> Checker<'a> {
    let checker = Checker {
        kernel,
        call,
        variant,
        allowed: allowed(device),
        what,
        errors: Vec::new(),
        translated: None,
    };
    checker.run()
}

/// The scalar that a runtime-sized array, or one of vec4, consists of: kind and width. A vec2 of long
/// integers stands for four floats (`shaders/lib/four_longs.wgsl`).
fn element(module: &Module, array: &TypeInner) -> Option<(ScalarKind, u8)> {
    let TypeInner::Array { base, .. } = array else {
        return None;
    };
    match module.types[*base].inner {
        TypeInner::Scalar(scalar) => Some((scalar.kind, scalar.width)),
        TypeInner::Vector {
            size: naga::VectorSize::Quad,
            scalar,
        } => Some((scalar.kind, scalar.width)),
        TypeInner::Vector {
            size: naga::VectorSize::Bi,
            scalar: naga::Scalar::U64,
        } => Some((ScalarKind::Float, 4)),
        _ => None,
    }
}

#[test]
fn shaders_agree_with_their_records_and_translate_to_every_backend() {
    let (mut seen, mut sources) = (HashSet::new(), HashSet::new());
    let (mut errors, mut translated) = (Vec::new(), Vec::new());
    for case in ops::cases() {
        for (device, capabilities) in DEVICES {
            if case.call.precision == Precision::F16 && !capabilities.half {
                continue;
            }
            let variants = (case.kernel.variants)(&case.call, &capabilities);
            let mut names = HashSet::new();
            if variants.is_empty() {
                errors.push(format!("{}: no variant: {device}", case.kernel.name));
            }
            for variant in variants {
                let what = format!("{}: {}: {}", case.kernel.name, case.name, variant.name);
                if !names.insert(variant.name.clone()) {
                    errors.push(format!("{what}: two variants of this name: {device}"));
                }
                let key = (
                    variant.source(),
                    variant.constants.clone(),
                    case.call.selectors.clone(),
                    allowed(&capabilities).bits(),
                );
                if !seen.insert(key) {
                    continue;
                }
                let what = format!("{what}: {device}");
                let found = checked(case.kernel, &case.call, &variant, &capabilities, what);
                errors.extend(found.errors);
                // Constants make no other instructions: a source is validated once.
                if sources.insert(variant.source()) {
                    translated.extend(found.translated.map(|texts| (found.what, texts)));
                }
            }
        }
    }
    println!(
        "{} shaders checked, {} translated",
        seen.len(),
        translated.len()
    );
    errors.extend(translated::validate(&translated));
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}
