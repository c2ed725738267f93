//! A case, and the comparison of what a device made of it with the oracle.
//!
//! Each operand lies in a buffer of its own between guards:
//! `[GUARD of poison | values | poison up to a multiple of four | GUARD of poison]`.
//! Outputs are poisoned as well, so that "wrote 0" differs from "did not write".

use std::collections::BTreeMap;

use elbo::kernel::{Access, Call, Element, Kernel, Precision};
use elbo::rng::{Purpose, Stream};

use crate::run::{self, Contents, TWIN};
use crate::tolerance::Tolerance;

/// Elements of a guard; also the offset of the values, hence a multiple of `plan::ALIGNMENT`.
pub(crate) const GUARD: usize = 64;

/// What outputs and their guards hold before a run: finite, and no kernel's result.
pub(crate) const POISON: f32 = -7.125e33;

/// The same for words.
pub(crate) const POISON_WORD: u32 = 0xDEAD_BEEF;

/// What an operand holds before a run.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// Floats of an input or of an output that is updated.
    Floats(Vec<f32>),
    /// Words.
    Words(Vec<u32>),
    /// An output of this many floats, poisoned.
    Output(usize),
}

/// How an output is compared.
#[derive(Clone, Debug)]
pub(crate) enum Compare {
    /// Value by value.
    Values(Tolerance),
    /// `[rows, columns]` of partial sums, of which only the sum of each column is defined.
    ColumnSums(usize, Tolerance),
}

/// One operand of a case.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) data: Data,
    compare: Compare,
    /// What lies beyond the values, where the kernel's header demands zeros up to a multiple of four.
    pub(crate) zero_padding: bool,
}

impl Operand {
    fn new(data: Data, compare: Compare) -> Self {
        Self {
            data,
            compare,
            zero_padding: false,
        }
    }

    /// Floats that are read.
    pub(crate) fn input(values: Vec<f32>) -> Self {
        Self::new(Data::Floats(values), Compare::Values(Tolerance::exact()))
    }

    /// Words, which are always compared exactly.
    pub(crate) fn words(values: Vec<u32>) -> Self {
        Self::new(Data::Words(values), Compare::Values(Tolerance::exact()))
    }

    /// Floats that are updated.
    pub(crate) fn update(values: Vec<f32>, tolerance: Tolerance) -> Self {
        Self::new(Data::Floats(values), Compare::Values(tolerance))
    }

    /// Floats that are written.
    pub(crate) fn output(len: usize, tolerance: Tolerance) -> Self {
        Self::new(Data::Output(len), Compare::Values(tolerance))
    }

    /// `[rows, columns]` of partial sums that are written.
    pub(crate) fn partials(rows: usize, columns: usize, tolerance: Tolerance) -> Self {
        Self::new(
            Data::Output(rows * columns),
            Compare::ColumnSums(columns, tolerance),
        )
    }

    /// Zeros from the values' end to the next multiple of four.
    pub(crate) fn padded_with_zeros(mut self) -> Self {
        self.zero_padding = true;
        self
    }

    pub(crate) fn element(&self) -> Element {
        match self.data {
            Data::Floats(_) | Data::Output(_) => Element::Float,
            Data::Words(_) => Element::Word,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.data {
            Data::Floats(values) => values.len(),
            Data::Words(values) => values.len(),
            Data::Output(len) => *len,
        }
    }
}

/// One call of a kernel with its operands.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What is special about it, and why it was chosen.
    pub(crate) name: String,
    pub(crate) kernel: &'static Kernel,
    pub(crate) call: Call,
    /// In the order of the kernel's bindings.
    pub(crate) operands: Vec<Operand>,
    /// Whether a software driver runs one variant of it only.
    pub(crate) one_core: bool,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        kernel: &'static Kernel,
        call: Call,
        operands: Vec<Operand>,
    ) -> Self {
        let name = name.into();
        assert_eq!(operands.len(), kernel.bindings.len(), "{name}");
        Self {
            name,
            kernel,
            call,
            operands,
            one_core: false,
        }
    }

    /// The same with operands of a product rounded to f16. Sums and their errors are those of the rounded operands: a
    /// 2000th more at most, for which the bounds of sums have room.
    pub(crate) fn in_half(mut self) -> Self {
        self.name += ", f16";
        self.call = self.call.rounded(Precision::F16);
        self
    }

    /// The same on one variant where the driver is software: it differs from others in parts that do
    /// not depend on the core, and compiling takes seconds there.
    pub(crate) fn on_one_core(mut self) -> Self {
        self.one_core = true;
        self
    }
}

/// `len` values of [low, high), the same for the same seed.
pub(crate) fn values(seed: u64, len: usize, low: f32, high: f32) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Prior, 0);
    (0..len)
        .map(|_| low + (high - low) * stream.uniform())
        .collect()
}

/// A tolerance is at most this many times the worst difference that was seen.
const MOST_SLACK: f64 = 10.0;

/// What a device's results differ in from the oracle's.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Lines for people; empty where everything agrees.
    pub(crate) faults: Vec<String>,
    /// Largest difference as a part of its limit, of each binding whose values are not exact.
    worst: BTreeMap<&'static str, f64>,
}

impl Comparison {
    fn value(
        &mut self,
        what: &str,
        worst: &mut Option<f64>,
        index: usize,
        [expected, found, limit]: [f64; 3],
    ) -> bool {
        let difference = (expected - found).abs();
        let agrees =
            difference <= limit || expected == found || (expected.is_nan() && found.is_nan());
        if limit > 0.0 && difference.is_finite() {
            *worst = Some(worst.unwrap_or(0.0).max(difference / limit));
        }
        if !agrees {
            self.faults.push(format!(
                "{what}[{index}]: expected {expected:e}, found {found:e}, difference \
                 {difference:.3e}, limit {limit:.3e}"
            ));
        }
        agrees
    }

    fn values(
        &mut self,
        what: &str,
        binding: &'static str,
        tolerance: &Tolerance,
        pairs: impl Iterator<Item = (f64, f64)>,
    ) {
        let mut wrong = 0;
        let before = self.faults.len();
        let mut worst = None;
        for (i, (expected, found)) in pairs.enumerate() {
            let limit = tolerance.limit(i, expected);
            wrong += usize::from(!self.value(what, &mut worst, i, [expected, found, limit]));
        }
        self.worst.extend(worst.map(|worst| (binding, worst)));
        // Three of many say enough.
        if wrong > 3 {
            self.faults.truncate(before + 3);
            self.faults
                .push(format!("{what}: {wrong} values are wrong"));
        }
    }
}

fn column_sums(values: &[f64], columns: usize) -> Vec<f64> {
    (0..columns)
        .map(|column| values.iter().skip(column).step_by(columns).sum())
        .collect()
}

/// Compares what a device left in the operands' buffers (`found`, guards included) with the oracle.
/// `vectors[i]`: whether operand i is written four values at a time, so that padding may change.
pub(crate) fn compare(
    case: &Case,
    device: &str,
    oracle: &[Contents],
    found: &[Contents],
    vectors: &[bool],
) -> Comparison {
    let mut result = Comparison::default();
    for (i, (operand, binding)) in case.operands.iter().zip(case.kernel.bindings).enumerate() {
        let what = format!(
            "{}: {}: {device}: {}",
            case.kernel.name, case.name, binding.name
        );
        let before = Contents::before(operand, binding.access != Access::Read);
        let values = GUARD..GUARD + operand.len();
        let first_guard = if vectors[i] {
            values.end.next_multiple_of(4)
        } else {
            values.end
        };
        let untouched = (0..GUARD).chain(first_guard..before.len());
        if let Some(at) = untouched
            .into_iter()
            .find(|&at| !before.same(&found[i], at))
        {
            result.faults.push(format!(
                "{what}: guard: element {} relative to the first of {} was written: {}",
                at as i64 - GUARD as i64,
                operand.len(),
                found[i].show(at)
            ));
        }
        if binding.access == Access::Read {
            if let Some(at) = values.into_iter().find(|&at| !before.same(&found[i], at)) {
                let changed = found[i].show(at);
                result.faults.push(format!(
                    "{what}: input element {} became {changed}",
                    at - GUARD
                ));
            }
            continue;
        }
        let expected = oracle[i].wide(values.clone());
        let got = found[i].wide(values);
        let writes = matches!(binding.access, Access::Write | Access::Partial);
        if writes && expected.contains(&f64::from(POISON)) {
            result
                .faults
                .push(format!("{what}: the oracle leaves values unwritten"));
        }
        match &operand.compare {
            Compare::Values(tolerance) => {
                result.values(
                    &what,
                    binding.name,
                    tolerance,
                    expected.into_iter().zip(got),
                );
            }
            Compare::ColumnSums(columns, tolerance) => {
                let expected = column_sums(&expected, *columns);
                let got = column_sums(&got, *columns);
                let what = format!("{what}: sum of column");
                result.values(
                    &what,
                    binding.name,
                    tolerance,
                    expected.into_iter().zip(got),
                );
            }
        }
    }
    result
}

/// The worst ratios of difference and limit of a kernel's bindings, and where they were.
#[derive(Default)]
struct Worst(BTreeMap<(&'static str, &'static str), (f64, String)>);

impl Worst {
    fn note(&mut self, case: &Case, device: &str, comparison: &Comparison) {
        for (&binding, &ratio) in &comparison.worst {
            let entry = self.0.entry((case.kernel.name, binding)).or_default();
            if entry.1.is_empty() || ratio > entry.0 {
                *entry = (ratio, format!("{}, {device}", case.name));
            }
        }
    }

    /// Prints the ratios, and gives those that are so small that the tolerance is too large.
    fn loose(&self) -> Vec<String> {
        let mut loose = Vec::new();
        for ((kernel, binding), (ratio, place)) in &self.0 {
            let line = format!("{kernel} {binding}: worst {ratio:.3} of the limit ({place})");
            println!("{line}");
            if ratio * MOST_SLACK < 1.0 {
                loose.push(line);
            }
        }
        loose
    }
}

/// Runs the cases on the twin and on every variant of the GPU.
fn run_all(cases: &[Case]) -> (Worst, Vec<String>) {
    let mut faults = Vec::new();
    let mut worst = Worst::default();
    for case in cases {
        let oracle = run::oracle(case);
        let mut keep = |device: &str, comparison: Comparison| {
            worst.note(case, device, &comparison);
            faults.extend(comparison.faults);
        };
        keep(run::TWIN, run::on_twin(case, &oracle));
        for variant in run::variants(case) {
            let device = format!("GPU, {}", variant.name);
            keep(&device, run::on_gpu(case, &oracle, variant));
        }
    }
    (worst, faults)
}

/// Runs all cases of a kernel on the twin and on every variant of the GPU; panics with everything that differs, and
/// with the tolerances that are looser than what was seen asks for.
///
/// How loose they are is judged by the twin together with a software driver. Other devices may be more exact.
pub(crate) fn verify(cases: &[Case]) {
    let (worst, mut faults) = run_all(cases);
    let loose = worst.loose();
    if run::is_software() {
        let line = |line| format!("a tolerance over {MOST_SLACK} times as large as needed: {line}");
        faults.extend(loose.into_iter().map(line));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The same for a few cases, whose tolerances are those of others.
pub(crate) fn agree(cases: &[Case]) {
    let (_, faults) = run_all(cases);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Requires that what an operand of `part` holds after a run is what it holds in `whole` from value `first` on, bit for
/// bit, on the twin and on every variant of the GPU.
pub(crate) fn same_rows(whole: &Case, part: &Case, operand: usize, first: usize) {
    let len = part.operands[operand].len();
    let values = |contents: &[Contents], first: usize| {
        let start = GUARD + first;
        let values = contents[operand].wide(start..start + len);
        values.into_iter().map(f64::to_bits).collect::<Vec<_>>()
    };
    let same = |device: &str, whole_left: &[Contents], part_left: &[Contents]| {
        let same = values(whole_left, first) == values(part_left, 0);
        assert!(same, "{}: {device}: operand {operand}", part.name);
    };
    same(TWIN, &run::left_by_twin(whole), &run::left_by_twin(part));
    let variants = run::variants(whole).into_iter().zip(run::variants(part));
    for (of_whole, of_part) in variants {
        let name = of_part.name.clone();
        let left = [
            run::left_by_gpu(whole, of_whole),
            run::left_by_gpu(part, of_part),
        ];
        same(&name, &left[0], &left[1]);
    }
}

#[test]
fn a_tolerance_over_ten_times_as_large_as_needed_is_found() {
    let ratio = |ratio| {
        let mut worst = Worst::default();
        let place = String::new();
        worst.0.insert(("kernel", "binding"), (ratio, place));
        worst.loose().len()
    };
    assert_eq!(
        [ratio(0.0), ratio(0.099), ratio(0.101), ratio(1.0)],
        [1, 1, 0, 0]
    );
    // By the whole way: exact copies against a tolerance, which nothing is off by.
    let mut case = crate::ops::cases()
        .into_iter()
        .find(|case| case.kernel.name == "copy")
        .unwrap();
    case.operands[1].compare = Compare::Values(Tolerance::ulps(1.0));
    let mut worst = Worst::default();
    worst.note(&case, run::TWIN, &run::on_twin(&case, &run::oracle(&case)));
    assert_eq!(worst.loose().len(), 1);
}
