//! Every kernel by a browser's WebGPU, those of training too: Tint, which reads the shaders there, takes all variants
//! that need no feature, and what runs of them computes what the CPU does.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use elbo::data::Augment;
use elbo::kernel::{Access, Capabilities, Element};
use elbo::model::objectives::OBJECTIVES;
use elbo::model::plans::{self, Mode, Update};
use elbo::model::{Activation, Condition, Likelihood, Model, ModelSpec, Sigma};
use elbo::ops::{KERNELS, activation, activation_backward, add, copy, fma, fsq};
use elbo::plan::{Builder, CpuRuntime, Difference, Plan, Runtime, Shared, Step};
use elbo::shape::ImageShape;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::filled::{fill, source};

/// A device, made once.
const DEVICE: &str = "
    globalThis.device ??= await (await navigator.gpu.requestAdapter()).requestDevice();";

/// Errors that Tint finds in some modules.
const CHECK: &str = "
    const errors = [];
    for (const { label, code } of sources) {
      device.pushErrorScope('validation');
      const info = await device.createShaderModule({ code }).getCompilationInfo();
      const error = await device.popErrorScope();
      const wrong = info.messages.filter((m) => m.type === 'error').map((m) => `${m.lineNum}: ${m.message}`);
      if (error || wrong.length) errors.push(`${label}: ${wrong.join('; ') || error.message}`);
    }
    return errors;";

/// Runs one step on slices that are given as words, and gives them back.
const STEP: &str = "
    device.pushErrorScope('validation');
    const { code, constants, workgroups, params, slices, types } = step;
    const make = (words, usage) => {
      const size = 16 * Math.max(1, Math.ceil(words.length / 4));
      const buffer = device.createBuffer({ size, usage: usage | GPUBufferUsage.COPY_DST });
      device.queue.writeBuffer(buffer, 0, new Uint32Array(words));
      return buffer;
    };
    const bindings = ['uniform', ...types].map((type, binding) =>
      ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
    const layout = device.createBindGroupLayout({ entries: bindings });
    const pipeline = await device.createComputePipelineAsync({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: device.createShaderModule({ code }), entryPoint: 'main', constants },
    });
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
    const buffers = [make(params, GPUBufferUsage.UNIFORM), ...slices.map((words) => make(words, storage))];
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const bindGroup = device.createBindGroup({ layout, entries });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(...workgroups);
    pass.end();
    const read = buffers.slice(1).map((buffer) => {
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      const copy = device.createBuffer({ size: buffer.size, usage });
      encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
      return copy;
    });
    device.queue.submit([encoder.finish()]);
    const results = [];
    for (const [i, copy] of read.entries()) {
      await copy.mapAsync(GPUMapMode.READ);
      results.push(Array.from(new Uint32Array(copy.getMappedRange(), 0, slices[i].length)));
    }
    [...buffers, ...read].forEach((buffer) => buffer.destroy());
    const error = await device.popErrorScope();
    if (error) throw error;
    return results;";

/// Bits of an output before a step: a NaN, which no kernel makes.
const POISON: u32 = 0x7FC0_DEAD;

/// A page with WebGPU.
struct Page {
    browser: Browser,
    _folder: TempDir,
}

impl Page {
    fn open() -> Option<Self> {
        let browser = Browser::open(true)?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("kernels.html");
        fs::write(&file, "<!doctype html><title>kernels</title>").expect("a page");
        browser.open_file(&file);
        Some(Self {
            browser,
            _folder: folder,
        })
    }

    /// Runs a script with a device and one argument of a name.
    fn run(&self, name: &str, argument: &Value, script: &str) -> Value {
        let function = format!("return (async ({name}) => {{ {DEVICE} {script} }})(arguments[0])");
        self.browser.run_with(&function, &json!([argument]))
    }

    /// What Tint finds wrong in modules, by their label.
    fn errors(&self, sources: &[(String, String)]) -> Vec<Value> {
        let sources: Vec<Value> = sources
            .iter()
            .map(|(label, code)| json!({ "label": label, "code": code }))
            .collect();
        let found = self.run("sources", &json!(sources), CHECK);
        found.as_array().expect("errors").clone()
    }

    /// What a step leaves in its slices.
    fn step(&self, step: &Step, slices: &[Vec<u32>], spoil: Spoil) -> Vec<Vec<u32>> {
        // The first one, as a page of a model has it.
        let variant = (step.kernel.variants)(&step.call, &Capabilities::BASELINE).swap_remove(0);
        let mut source = variant.source();
        if let Some([kernel, right, wrong]) = spoil
            && kernel == step.kernel.name
        {
            assert!(source.contains(right), "{kernel}: {right}");
            source = source.replace(right, wrong);
        }
        let constants: HashMap<_, _> = variant
            .constants_of(&step.call, &source)
            .into_iter()
            .collect();
        let types = step
            .kernel
            .bindings
            .iter()
            .map(|binding| match binding.access {
                Access::Read => "read-only-storage",
                _ => "storage",
            });
        let params: Vec<u32> = bytemuck::pod_collect_to_vec(&step.call.params);
        let argument = json!({
            "code": source, "constants": constants, "workgroups": variant.workgroups,
            "params": params, "slices": slices, "types": types.collect::<Vec<_>>(),
        });
        let found = self.run("step", &argument, STEP);
        serde_json::from_value(found).expect("words")
    }
}

/// A kernel, and a wrong text in it in place of a right one.
type Spoil = Option<[&'static str; 3]>;

/// How far the results of each step in the page are from the CPU's, as a share of the result's largest value: NaN where
/// one of them is. Each step starts from what the CPU computed, but for partial sums, which every device shares out as it
/// likes.
fn differences(
    page: &Page,
    plan: &Plan,
    runtime: &mut CpuRuntime<f32>,
    spoil: Spoil,
) -> Vec<(String, f64)> {
    let id = runtime.prepare(plan.clone()).expect("a plan");
    let mut partials = HashMap::new();
    let mut all = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let mut before = Vec::new();
        for (slice, binding) in step.slices.iter().zip(step.kernel.bindings) {
            before.push(match (binding.access, partials.get(&slice.buffer)) {
                (Access::Write | Access::Partial, _) => vec![POISON; slice.len],
                (_, Some(partial)) => Vec::clone(partial),
                _ => runtime.read_slice(id, *slice).expect("a slice"),
            });
        }
        let found = page.step(step, &before, spoil);
        runtime.run_step(id, index, 1).expect("a step");
        let bindings = step.slices.iter().zip(step.kernel.bindings);
        for ((slice, binding), (found, before)) in bindings.zip(found.into_iter().zip(before)) {
            let label = format!("{}: {}: {}", plan.name, step.label, binding.name);
            match binding.access {
                Access::Read => assert!(found == before, "{label} is an input, and was written"),
                _ if !binding.is_touched(&step.call) => {
                    assert!(found == before, "{label} is left alone, and was written");
                }
                Access::Partial => {
                    partials.insert(slice.buffer, found);
                }
                Access::Write | Access::Update => {
                    let expected = runtime.read_slice(id, *slice).expect("a slice");
                    all.push((label, difference(binding.element, &expected, &found)));
                }
            }
        }
    }
    all
}

fn difference(element: Element, expected: &[u32], found: &[u32]) -> f64 {
    assert_eq!(expected.len(), found.len());
    let value = |bits: u32| match element {
        Element::Float => f64::from(f32::from_bits(bits)),
        Element::Word => f64::from(bits),
    };
    let largest = expected.iter().map(|&bits| value(bits).abs());
    // Words are equal or not; results of zeros only are held against the least normal value.
    let unit = match element {
        Element::Float => largest.fold(f64::from(f32::MIN_POSITIVE), f64::max),
        Element::Word => f64::MIN_POSITIVE,
    };
    let pairs = expected.iter().zip(found);
    let shares = pairs.map(|(&a, &b)| {
        if a == b {
            0.0
        } else {
            (value(b) - value(a)).abs() / unit
        }
    });
    // total_cmp puts a NaN above every number.
    shares.max_by(f64::total_cmp).unwrap_or(0.0)
}

/// Whether rounding explains a difference; a NaN it does not.
fn is_rounding((_, share): &(String, f64)) -> bool {
    *share <= Difference::ROUNDING
}

/// A plan of the kernels that no model of [`plans`] has.
fn others() -> Plan {
    let mut builder = Builder::new("others");
    let input = builder.shared(Shared::floats("input"), 21);
    let copied = builder.transient("copied", 21);
    let multiplied = builder.transient("multiplied", 21);
    builder.step("copy", &copy::KERNEL, copy::call(21), &[input, copied]);
    builder.step("fma", &fma::KERNEL, fma::call(21, 3), &[copied, multiplied]);
    let summed = builder.transient("summed", 21);
    builder.step(
        "add",
        &add::KERNEL,
        add::call(21),
        &[copied, multiplied, summed],
    );
    let through = builder.transient("through", 21);
    builder.step(
        "activation_backward",
        &activation_backward::KERNEL,
        activation_backward::call(activation::GELU, 21),
        &[summed, copied, through],
    );
    let levels = [8, 5, 5];
    let rounded = builder.transient("rounded", 21);
    let back = builder.transient("gradient of levels", 21);
    let call = fsq::call(21, &levels, true);
    builder.step("fsq", &fsq::KERNEL, call, &[through, rounded]);
    let call = fsq::backward_call(21, &levels);
    builder.step(
        "fsq_backward",
        &fsq::BACKWARD,
        call,
        &[rounded, through, back],
    );
    builder.finish()
}

/// A model of maps there and back, whose channels are a multiple of four or are not, with norms.
fn maps() -> ModelSpec {
    let layers = |text: &str| text.parse().expect("layers");
    let decoder = "linear 2x2x6, norm 2, up 8 to 4x3, deconv 4 k4 *2, residual(norm 2, conv 4 k3)";
    ModelSpec {
        image: ImageShape::new(8, 6, 4),
        encoder: layers("conv 8 k4 /2, norm 2, conv 5 k3 /2, linear 12"),
        decoder: Some(layers(decoder)),
        latent: 3.into(),
        activation: Activation::Tanh,
        ..ModelSpec::reference()
    }
}

/// Plans that have every kernel between them, and their buffers.
fn plans() -> Vec<(Plan, CpuRuntime<f32>)> {
    let spec = |values, hidden, latent: usize, activation, likelihood| ModelSpec {
        image: ImageShape::new(1, values, 1),
        encoder: [hidden].into(),
        latent: latent.into(),
        activation,
        likelihood,
        ..ModelSpec::reference()
    };
    let gaussian = |sigma| Likelihood::Gaussian { sigma };
    let learned = gaussian(Sigma::Learned(0.5));
    // Rows of a multiple of four, and of none.
    let wide = spec(36, 40, 8, Activation::Relu, Likelihood::Bernoulli);
    let narrow = spec(35, 33, 5, Activation::Silu, learned);
    let optimal = spec(35, 33, 5, Activation::Tanh, gaussian(Sigma::Optimal));
    let minimising = |name| ModelSpec {
        objective: OBJECTIVES.iter().find(|known| known.name == name).copied(),
        ..narrow.clone()
    };
    let weighed = ModelSpec {
        importance: 3,
        ..minimising("iwae")
    };
    let rows = 37;
    let of = |spec: &ModelSpec, make: &dyn Fn(&Model, &plans::Source) -> Plan| {
        let source = source(spec, 3 * rows);
        let plan = make(&Model::new(spec).expect("a model"), &source);
        let mut runtime = CpuRuntime::new();
        fill(&mut runtime, &plan, &source);
        (plan, runtime)
    };
    let train = |spec: &ModelSpec, update: Update| {
        of(spec, &|model, source| model.train(rows, source, update))
    };
    let usual = Update::default();
    let scheduled = Update {
        schedule: Some(3),
        kl_share: true,
        free_bits: 1e-4,
        ema: 0.9,
        ..usual
    };
    let clipped = Update {
        grad_clip: 1e-3,
        ..usual
    };
    let fused = Update {
        fused: true,
        ..usual
    };
    let moved = Update {
        augment: Augment {
            flip: true,
            crop: 2,
        },
        ..usual
    };
    let told = ModelSpec {
        condition: Some(Condition::new(vec!["cat".to_owned(), "dog".to_owned()])),
        ..narrow.clone()
    };
    let others = others();
    vec![
        train(&wide, scheduled),
        train(&narrow, clipped),
        train(&wide, fused),
        train(&narrow, fused),
        of(&narrow, &|model, source| {
            model.plan(&plans::LOG_WEIGHTS, Mode::Run, [rows, 3], Some(source))
        }),
        of(&wide, &|_, _| others.clone()),
        train(&optimal, usual),
        train(&weighed, usual),
        train(&minimising("beta-tc"), usual),
        train(&minimising("mmd"), usual),
        train(&maps(), moved),
        train(&told, usual),
    ]
}

#[test]
fn every_kernel_computes_in_a_browser_what_it_does_on_the_cpu() {
    let Some(page) = Page::open() else {
        return;
    };
    let mut ran = BTreeSet::new();
    let mut sources = BTreeSet::new();
    let mut all = Vec::new();
    for (plan, mut runtime) in plans() {
        for step in &plan.steps {
            ran.insert(step.kernel.name);
            for variant in (step.kernel.variants)(&step.call, &Capabilities::BASELINE) {
                let label = format!("{}, {}", step.kernel.name, variant.name);
                sources.insert((label, variant.source()));
            }
        }
        all.extend(differences(&page, &plan, &mut runtime, None));
    }
    let every: BTreeSet<_> = KERNELS.iter().map(|kernel| kernel.name).collect();
    assert_eq!(ran, every);
    let worst = all.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    println!(
        "{} results, worst {worst:?}; {} modules",
        all.len(),
        sources.len()
    );
    let wrong: Vec<_> = all.iter().filter(|result| !is_rounding(result)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let sources: Vec<_> = sources.into_iter().collect();
    let errors = page.errors(&sources);
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn a_kernel_that_is_wrong_in_a_browser_is_found() {
    let Some(page) = Page::open() else {
        return;
    };
    for (plan, spoil, result) in [
        // The second moment of g; one value of four unwritten; a term of the loss.
        (1, ["adam", "g * g - before.v", "g - before.v"], "second"),
        (
            1,
            [
                "activation",
                "out[at] = activate(input[at])",
                "out[at].x = 0.0",
            ],
            "out",
        ),
        (
            0,
            ["elbo", "log1p_unit(e) - x * output", "log1p_unit(e)"],
            "log",
        ),
    ] {
        let (plan, mut runtime) = plans().swap_remove(plan);
        let all = differences(&page, &plan, &mut runtime, Some(spoil));
        let found = |(label, share): &(String, f64)| {
            label.ends_with(&format!(": {result}")) && !is_rounding(&(label.clone(), *share))
        };
        assert!(all.iter().any(found), "{spoil:?}: {all:#?}");
    }
    let module = include_str!("../../shaders/copy.wgsl").replace("input[at]", "input[unknown]");
    let module = format!("{}{module}", include_str!("../../shaders/lib/grid.wgsl"));
    let errors = page.errors(&[("copy".to_owned(), module)]);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].to_string().contains("unknown"), "{errors:#?}");
}
