//! Runs a case: on the oracle, on the twin, and on the GPU that all tests of this binary share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use elbo::device::{Device, Selection};

use elbo::kernel::{Access, Call, Capabilities, Element, Kernel, Precision, Variant};
use elbo::plan::{Builder, Choice, CpuRuntime, GpuRuntime, Plan, Runtime, Shared};

use crate::harness::{self, Case, Comparison, Data, GUARD, Operand, POISON, POISON_WORD};
use crate::skipped::skipped;

/// How the twin is called in reports.
pub(crate) const TWIN: &str = "twin at f32";

/// A buffer's whole content.
#[derive(Clone, Debug)]
pub(crate) enum Contents {
    Floats(Vec<f64>),
    Single(Vec<f32>),
    Words(Vec<u32>),
}

impl Contents {
    /// What an operand's buffer holds before a run. Guards of inputs are NaN, which no mask by
    /// multiplication hides.
    pub(crate) fn before(operand: &Operand, written: bool) -> Self {
        let padding = operand.len().next_multiple_of(4) - operand.len();
        if let Data::Words(values) = &operand.data {
            let guard = [POISON_WORD; GUARD];
            return Self::Words([&guard, &values[..], &guard[..padding], &guard].concat());
        }
        let guard = [if written { POISON } else { f32::NAN }; GUARD];
        let output;
        let values = match &operand.data {
            Data::Floats(values) => &values[..],
            _ => {
                output = vec![POISON; operand.len()];
                &output
            }
        };
        let zeros = [0.0; 4];
        let padding = if operand.zero_padding {
            &zeros[..padding]
        } else {
            &guard[..padding]
        };
        Self::Single([&guard, values, padding, &guard].concat())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Single(values) => values.len(),
            Self::Words(values) => values.len(),
        }
    }

    fn at(&self, index: usize) -> f64 {
        match self {
            Self::Floats(values) => values[index],
            Self::Single(values) => f64::from(values[index]),
            Self::Words(values) => f64::from(values[index]),
        }
    }

    /// Whether an element is the same in both.
    pub(crate) fn same(&self, other: &Self, index: usize) -> bool {
        let (a, b) = (self.at(index), other.at(index));
        a == b || a.is_nan() && b.is_nan()
    }

    /// An element, for people.
    pub(crate) fn show(&self, index: usize) -> String {
        format!("{:e}", self.at(index))
    }

    /// Elements at double precision.
    pub(crate) fn wide(&self, range: Range<usize>) -> Vec<f64> {
        range.map(|i| self.at(i)).collect()
    }
}

/// An operand's buffer; cases run one after the other and share them by element type.
fn buffer(index: usize, operand: &Operand) -> Shared {
    const OPERANDS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];
    match operand.element() {
        Element::Float => Shared::floats(OPERANDS[index]),
        Element::Word => Shared::words(OPERANDS[index]),
    }
}

fn fill(runtime: &mut dyn Runtime, case: &Case) {
    for (i, (operand, binding)) in case.operands.iter().zip(case.kernel.bindings).enumerate() {
        let buffer = buffer(i, operand);
        let before = Contents::before(operand, binding.access != Access::Read);
        runtime.allocate(buffer, before.len()).unwrap();
        match before {
            Contents::Single(values) => runtime.write(buffer, 0, &values).unwrap(),
            Contents::Words(values) => runtime.write_words(buffer, 0, &values).unwrap(),
            Contents::Floats(_) => unreachable!("hosts write f32"),
        }
    }
}

/// A plan of one step. `slack`: elements that a slice goes on beyond the padding; a GPU clamps accesses
/// to the binding, so the guard has to lie inside it to show a write past the end.
fn plan(case: &Case, kernel: &'static Kernel, slack: Option<usize>) -> Plan {
    let mut builder = Builder::new(case.name.clone());
    let mut slices = Vec::new();
    for (i, operand) in case.operands.iter().enumerate() {
        let padded = operand.len().next_multiple_of(4);
        let whole = 2 * GUARD + padded;
        let mut slice = builder.shared(buffer(i, operand), whole);
        slice.offset = GUARD;
        slice.len = slack.map_or(operand.len(), |slack| padded + slack);
        slices.push(slice);
    }
    builder.step(case.name.clone(), kernel, case.call.clone(), &slices);
    builder.finish()
}

/// Runs a case; `floats` reads a whole buffer.
fn run<R: Runtime>(
    case: &Case,
    runtime: &mut R,
    plan: Plan,
    floats: impl Fn(&mut R, Shared, usize) -> Contents,
) -> Vec<Contents> {
    fill(runtime, case);
    let id = runtime.prepare(plan).unwrap();
    runtime.run(id, 1).unwrap();
    let mut contents = Vec::new();
    for (i, operand) in case.operands.iter().enumerate() {
        let (buffer, len) = (
            buffer(i, operand),
            operand.len().next_multiple_of(4) + 2 * GUARD,
        );
        contents.push(match operand.element() {
            Element::Float => floats(runtime, buffer, len),
            Element::Word => Contents::Words(runtime.read_words(buffer, 0, len).unwrap()),
        });
    }
    runtime.release(id);
    contents
}

/// What the f64 oracle leaves in the buffers.
pub(crate) fn oracle(case: &Case) -> Vec<Contents> {
    let mut runtime = CpuRuntime::<f64>::new();
    let plan = plan(case, case.kernel, None);
    run(case, &mut runtime, plan, |runtime, buffer, _| {
        Contents::Floats(std::mem::take(runtime.floats(buffer)))
    })
}

/// The f32 twin beside the oracle.
pub(crate) fn on_twin(case: &Case, oracle: &[Contents]) -> Comparison {
    let exact = vec![false; case.operands.len()];
    harness::compare(case, TWIN, oracle, &left_by_twin(case), &exact)
}

/// What the f32 twin leaves in the buffers.
pub(crate) fn left_by_twin(case: &Case) -> Vec<Contents> {
    let mut runtime = CpuRuntime::<f32>::new();
    let plan = plan(case, case.kernel, None);
    run(case, &mut runtime, plan, |runtime, buffer, _| {
        Contents::Single(std::mem::take(runtime.floats(buffer)))
    })
}

thread_local! {
    /// The variant that [`forced`] offers.
    static FORCED: RefCell<Option<Variant>> = const { RefCell::new(None) };
}

fn forced(_: &Call, _: &Capabilities) -> Vec<Variant> {
    FORCED.with_borrow(|variant| variant.iter().cloned().collect())
}

struct OnGpu {
    runtime: GpuRuntime,
    /// Copies of the registry's kernels that offer the forced variant only.
    kernels: HashMap<&'static str, &'static Kernel>,
}

/// The GPU, opened once; `None` where the environment says to leave it out.
fn gpu() -> Option<MutexGuard<'static, OnGpu>> {
    static GPU: OnceLock<Option<Mutex<OnGpu>>> = OnceLock::new();
    let gpu = GPU.get_or_init(|| {
        if std::env::var("ELBO_TEST_GPU").is_ok_and(|value| value == "skip") {
            skipped("gpu", "the kernels' GPU variants (ELBO_TEST_GPU=skip)");
            return None;
        }
        match open() {
            Ok(Device::Gpu(gpu)) => {
                // Straight to stderr, because the test runner hides what passing tests print.
                let mut stderr = std::io::stderr();
                writeln!(
                    stderr,
                    "kernels on {} ({})",
                    gpu.info.name, gpu.info.backend
                )
                .unwrap();
                if !gpu.half {
                    skipped("f16", "kernels in f16, which this adapter lacks");
                }
                Some(Mutex::new(OnGpu {
                    runtime: GpuRuntime::new(*gpu, Choice::Guess),
                    kernels: HashMap::new(),
                }))
            }
            Ok(Device::Cpu) => panic!("--device gpu gave the CPU"),
            Err(error) => panic!("{error}\nELBO_TEST_GPU=skip leaves the GPU out of these tests"),
        }
    });
    gpu.as_ref()
        .map(|gpu| gpu.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The best GPU, with f16 where it has that.
fn open() -> elbo::Result<Device> {
    let device = Device::open(&Selection::Gpu)?;
    match device.offers_half() {
        true => Device::open_half(&Selection::Gpu),
        false => Ok(device),
    }
}

/// Whether there is a GPU, and its driver is software.
pub(crate) fn is_software() -> bool {
    gpu().is_some_and(|gpu| gpu.runtime.capabilities().software)
}

/// The variants of a case that the GPU can run; none where it is left out.
pub(crate) fn variants(case: &Case) -> Vec<Variant> {
    let Some(gpu) = gpu() else {
        return Vec::new();
    };
    let capabilities = gpu.runtime.capabilities();
    if case.call.precision == Precision::F16 && !capabilities.half {
        return Vec::new();
    }
    // Every core, also those that training never tries on a software driver, and those that are for one alone.
    let on = |software| {
        let device = Capabilities {
            software,
            ..capabilities
        };
        (case.kernel.variants)(&case.call, &device)
    };
    let mut variants = on(false);
    for other in on(true) {
        if variants.iter().all(|known| known.name != other.name) {
            variants.push(other);
        }
    }
    if case.one_core && capabilities.software {
        // The core in workgroup memory compiles fastest.
        variants.truncate(1);
    }
    variants
}

/// A variant on the GPU beside the oracle.
///
/// # Panics
/// Where it does not compile or the GPU is left out.
pub(crate) fn on_gpu(case: &Case, oracle: &[Contents], variant: Variant) -> Comparison {
    let source = variant.source();
    let vectors: Vec<bool> = case
        .kernel
        .bindings
        .iter()
        .map(|binding| {
            let whole = |ty| source.contains(&format!("read_write> {}: array<{ty}", binding.name));
            whole("vec4") || whole("Four")
        })
        .collect();
    let device = format!("GPU, {}", variant.name);
    let found = left_by_gpu(case, variant);
    harness::compare(case, &device, oracle, &found, &vectors)
}

/// What a variant on the GPU leaves in the buffers.
///
/// # Panics
/// Where it does not compile or the GPU is left out.
pub(crate) fn left_by_gpu(case: &Case, variant: Variant) -> Vec<Contents> {
    let mut gpu = gpu().unwrap();
    let OnGpu { runtime, kernels } = &mut *gpu;
    let kernel = *kernels.entry(case.kernel.name).or_insert_with(|| {
        Box::leak(Box::new(Kernel {
            variants: forced,
            ..*case.kernel
        }))
    });
    FORCED.set(Some(variant));
    let plan = plan(case, kernel, Some(GUARD));
    run(case, runtime, plan, |runtime, buffer, len| {
        Contents::Single(runtime.read(buffer, 0, len).unwrap())
    })
}
