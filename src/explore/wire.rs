//! Plans as JSON: what a page needs to run them by WebGPU, or to read them as a script does.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::kernel::{Access, Capabilities};
use crate::plan::{Home, Plan, Step, buffer_bytes};

/// Several plans and the shader texts that they share.
#[derive(Serialize, Debug, Default)]
pub(super) struct Program {
    /// WGSL modules.
    sources: Vec<String>,
    plans: BTreeMap<&'static str, WirePlan>,
}

/// A plan. Slices name their buffer.
#[derive(Serialize, Debug)]
struct WirePlan {
    buffers: BTreeMap<String, WireBuffer>,
    /// Bytes of each memory that transient buffers live in.
    memories: Vec<u64>,
    steps: Vec<WireStep>,
}

#[derive(Serialize, Debug)]
struct WireBuffer {
    bytes: u64,
    /// Index of its memory; none for a buffer that the host fills or reads.
    memory: Option<usize>,
}

#[derive(Serialize, Debug)]
struct WireStep {
    label: String,
    kernel: &'static str,
    /// The parameter struct, word by word.
    params: Vec<u32>,
    selectors: BTreeMap<&'static str, u32>,
    slices: Vec<WireSlice>,
    /// Name of the variant.
    variant: String,
    /// Index of its module.
    source: usize,
    constants: BTreeMap<&'static str, u32>,
    workgroups: [u32; 3],
}

#[derive(Serialize, Debug)]
struct WireSlice {
    buffer: String,
    /// First element, of four bytes.
    offset: usize,
    /// Elements.
    len: usize,
    read_only: bool,
}

impl Program {
    /// Adds a plan under a name of the page's.
    pub(super) fn add(&mut self, name: &'static str, plan: &Plan) {
        let buffers = plan.buffers.iter().map(|buffer| {
            let memory = match buffer.home {
                Home::Shared(_) => None,
                Home::Transient(index) => Some(index),
            };
            let bytes = buffer_bytes(buffer.len);
            (buffer.name.clone(), WireBuffer { bytes, memory })
        });
        let plan = WirePlan {
            buffers: buffers.collect(),
            memories: plan.memories.iter().map(|m| buffer_bytes(m.1)).collect(),
            steps: plan
                .steps
                .iter()
                .map(|step| self.step(plan, step))
                .collect(),
        };
        self.plans.insert(name, plan);
    }

    fn step(&mut self, plan: &Plan, step: &Step) -> WireStep {
        // The best guess among what needs no feature.
        let variant = (step.kernel.variants)(&step.call, &Capabilities::BASELINE).swap_remove(0);
        let source = variant.source();
        let constants = variant.constants_of(&step.call, &source);
        let slices = step.slices.iter().zip(step.kernel.bindings);
        WireStep {
            label: step.label.clone(),
            kernel: step.kernel.name,
            params: bytemuck::pod_collect_to_vec(&step.call.params),
            selectors: step.call.selectors.iter().copied().collect(),
            slices: slices
                .map(|(slice, binding)| WireSlice {
                    buffer: plan.buffer(slice.buffer).name.clone(),
                    offset: slice.offset,
                    len: slice.len,
                    read_only: binding.access == Access::Read,
                })
                .collect(),
            variant: variant.name.into_owned(),
            source: self.source(source),
            constants: constants.into_iter().collect(),
            workgroups: variant.workgroups,
        }
    }

    /// The index of a module, each of which is written once.
    fn source(&mut self, source: String) -> usize {
        let known = self.sources.iter().position(|text| *text == source);
        known.unwrap_or_else(|| {
            self.sources.push(source);
            self.sources.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum;

    use super::*;
    use crate::model::plans::{self, Mode};
    use crate::model::{Activation, Condition, Levels, Likelihood, Model, ModelKind, ModelSpec};
    use crate::shape::ImageShape;

    fn programs() -> Vec<Program> {
        let activations = Activation::value_variants().iter();
        let specs = activations.flat_map(|&activation| {
            [Likelihood::Bernoulli, Likelihood::LinearSquaredError].map(|likelihood| ModelSpec {
                kind: ModelKind::Ae,
                encoder: [30, 7].into(),
                activation,
                likelihood,
                ..ModelSpec::reference()
            })
        });
        let program = |spec: ModelSpec| {
            let model = Model::new(&spec).expect("a model");
            let mut program = Program::default();
            for (name, task) in [("live", &plans::DECODE), ("encode", &plans::ENCODE_VALUES)] {
                program.add(name, &model.plan(task, Mode::Run, [1, 1], None));
            }
            program
        };
        // The sum of its last block is a posterior, and its code one that two read.
        let residual = ModelSpec {
            encoder: "linear 7, residual(linear 9, linear 7)"
                .parse()
                .expect("layers"),
            decoder: Some("residual(linear 9, linear 20)".parse().expect("layers")),
            ..ModelSpec::reference()
        };
        let levels = ModelSpec {
            kind: ModelKind::Ae,
            levels: Some(Levels::usual()),
            likelihood: Likelihood::SquaredError,
            ..ModelSpec::reference()
        };
        specs
            .chain([residual, levels])
            .chain(told())
            .map(program)
            .collect()
    }

    /// Models that are told a class: of values, and of maps, where it is one more channel of the image.
    fn told() -> [ModelSpec; 2] {
        let names = ["cat", "dog", "eel"].map(str::to_owned);
        let of_values = ModelSpec {
            condition: Some(Condition::new(names.to_vec())),
            ..ModelSpec::reference()
        };
        let decoder = "linear 2x2x6, norm 2, up 8 to 4x3, deconv 4 k4 *2";
        let of_maps = ModelSpec {
            image: ImageShape::new(8, 6, 4),
            encoder: "conv 8 k4 /2, norm 2, linear 12".parse().expect("layers"),
            decoder: Some(decoder.parse().expect("layers")),
            ..of_values.clone()
        };
        [of_values, of_maps]
    }

    #[test]
    fn a_page_needs_no_feature_beyond_webgpu() {
        for program in programs() {
            for text in &program.sources {
                let module = naga::front::wgsl::parse_str(text).expect("WGSL");
                let none = naga::valid::Capabilities::empty();
                naga::valid::Validator::new(naga::valid::ValidationFlags::all(), none)
                    .validate(&module)
                    .expect("valid without features");
            }
        }
    }

    #[test]
    fn plans_of_every_model_use_the_kernels_that_the_script_knows() {
        let mut used = BTreeSet::new();
        for program in programs() {
            let steps = program.plans.values().flat_map(|plan| &plan.steps);
            used.extend(steps.map(|step| step.kernel));
        }
        let expected = [
            "activation",
            "add",
            "convolution",
            "fsq",
            "group_norm",
            "join",
            "linear",
            "merge_taps",
            "one_hot",
            "transposed_convolution",
        ];
        assert_eq!(used, BTreeSet::from(expected));
        let script = include_str!("page/script.js");
        for kernel in used {
            assert!(script.contains(&format!("\n  {kernel}(")), "{kernel}");
        }
    }

    #[test]
    fn every_slice_lies_within_its_buffer() {
        for plan in programs().iter().flat_map(|program| program.plans.values()) {
            for slice in plan.steps.iter().flat_map(|step| &step.slices) {
                let buffer = &plan.buffers[&slice.buffer];
                let end = 4 * (slice.offset + slice.len.next_multiple_of(4)) as u64;
                assert!(end <= buffer.bytes, "{slice:?} of {buffer:?}");
                let memory = buffer.memory.map_or(buffer.bytes, |at| plan.memories[at]);
                assert!(buffer.bytes <= memory, "{buffer:?}");
            }
        }
    }
}
