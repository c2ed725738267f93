//! Which core of the matrix product runs is chosen once, and is the same from then on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use elbo::data::{Expected, digits};
use elbo::kernel::{Call, Capabilities, Kernel, Variant};
use elbo::model::ModelOptions;
use elbo::ops::matmul;
use elbo::plan::{Basis, Builder, Choice, GpuRuntime, Memory, Runtime, Shared, Tuning};
use elbo::train::{TrainOptions, warm_up};

use crate::reproducibility::{epoch, trainer};
use crate::support::{digest, digit_model, gpu};

/// The cores of an epoch's products, (step, core), and the hash of its weights.
fn run(folder: &Path, choice: Choice, budget: Duration) -> Option<(Vec<(String, String)>, String)> {
    let tuning = Tuning {
        choice,
        budget,
        folder: Some(folder.to_owned()),
    };
    let options = TrainOptions {
        batch_size: 64,
        ..TrainOptions::default()
    };
    let runtime = Box::new(GpuRuntime::new(gpu()?, tuning));
    let dataset = digits::generate(200, 64, 1);
    let mut trainer = trainer(runtime, &digit_model(), &options, &dataset);
    epoch(&mut trainer);
    let weights = trainer.weights().expect("weights");
    Some((trainer.choices(), digest(&weights)))
}

#[test]
fn the_second_run_of_a_seed_has_the_cores_and_the_bits_of_the_first() {
    for budget in [Duration::ZERO, Duration::from_secs(1)] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let Some(first) = run(folder.path(), Choice::Quick, budget) else {
            return;
        };
        assert!(first.0.len() > 10, "{:?}", first.0);
        // With time to measure more, nothing is measured again.
        let second = run(folder.path(), Choice::Quick, Duration::from_secs(60));
        assert_eq!(second.as_ref(), Some(&first), "{budget:?}");
    }
}

#[test]
fn warming_up_changes_neither_cores_nor_bits() {
    let (dataset, options) = (digits::generate(200, 64, 1), TrainOptions::default());
    let expected = Expected {
        images: 200,
        shape: digits::SHAPE,
    };
    for choice in [Choice::Quick, Choice::Fixed(1)] {
        let outcomes = [None, Some(expected)].map(|expected| {
            let mut runtime = Box::new(GpuRuntime::new(
                gpu()?,
                Tuning {
                    choice,
                    budget: Duration::ZERO,
                    folder: None,
                },
            ));
            if let Some(expected) = expected {
                warm_up(
                    runtime.as_mut(),
                    &ModelOptions::from(&digit_model()),
                    &options,
                    expected,
                )
                .expect("a device that works");
            }
            let mut trainer = trainer(runtime, &digit_model(), &options, &dataset);
            epoch(&mut trainer);
            let weights = trainer.weights().expect("weights");
            Some((trainer.choices(), digest(&weights)))
        });
        assert_eq!(outcomes[0], outcomes[1], "{choice:?}");
    }
}

#[test]
fn a_remembered_core_is_taken_and_an_unknown_one_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((first, _)) = run(folder.path(), Choice::Quick, Duration::ZERO) else {
        return;
    };
    let files = fs::read_dir(folder.path()).expect("the folder");
    let path = files.last().expect("a file").expect("a file").path();
    let text = fs::read_to_string(&path).expect("choices");
    let rewrite = |core: &str| {
        let lines = text.lines().map(|line| {
            let (class, _) = line.split_once('\t').expect("class and core");
            format!("{class}\t{core}\tguess\n")
        });
        fs::write(&path, lines.collect::<String>()).expect("choices");
        run(folder.path(), Choice::Quick, Duration::ZERO)
            .expect("a run")
            .0
    };
    let other = rewrite("registers 16x8");
    assert!(other.iter().all(|(_, core)| core == "registers 16x8"));
    assert_ne!(other, first, "the guess is another core");
    assert_eq!(rewrite("no such core"), first);
}

/// What a folder remembers of the GPU of these tests.
fn remembered(folder: &Path) -> Memory {
    let identity = gpu().expect("the GPU that has run").identity();
    Memory::open(Some(folder), &identity)
}

#[test]
fn a_full_search_measures_what_a_quick_one_has_guessed_and_nothing_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    if run(folder.path(), Choice::Quick, Duration::ZERO).is_none() {
        return;
    }
    let memory = remembered(folder.path());
    assert!(memory.choices().count() > 5);
    assert!(memory.choices().all(|(_, _, basis)| basis == Basis::Guess));
    let full = run(folder.path(), Choice::Full, Duration::ZERO);
    let measured = fs::read(remembered(folder.path()).path().expect("a file")).expect("choices");
    for (class, core, basis) in remembered(folder.path()).choices() {
        assert!(matches!(basis, Basis::Full(_)), "{class}: {core}: {basis}");
    }
    for choice in [Choice::Full, Choice::Quick] {
        let again = run(folder.path(), choice, Duration::from_secs(60));
        assert_eq!(again, full, "{choice:?}");
        let kept = fs::read(remembered(folder.path()).path().expect("a file")).expect("choices");
        assert_eq!(kept, measured, "{choice:?}");
    }
}

#[test]
fn without_tuning_the_first_guess_runs_whatever_is_remembered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((guess, _)) = run(folder.path(), Choice::Guess, Duration::ZERO) else {
        return;
    };
    let entries = |folder: &Path| fs::read_dir(folder).expect("the folder").count();
    assert_eq!(entries(folder.path()), 0, "nothing to remember");
    run(folder.path(), Choice::Quick, Duration::ZERO);
    let path = remembered(folder.path()).path().expect("a file").to_owned();
    let text = fs::read_to_string(&path).expect("choices");
    let others = text.lines().map(|line| {
        let (class, _) = line.split_once('\t').expect("class and core");
        format!("{class}\tregisters 16x8\tguess\n")
    });
    fs::write(&path, others.collect::<String>()).expect("choices");
    let (off, _) = run(folder.path(), Choice::Guess, Duration::ZERO).expect("a run");
    assert_eq!(off, guess);
}

/// The products of the program, with a core in front that adds a little to one value of each four.
fn with_a_wrong_core(call: &Call, device: &Capabilities) -> Vec<Variant> {
    let mut variants = (matmul::MATMUL.variants)(call, device);
    let mut wrong = variants[0].clone();
    wrong.name = "wrong".into();
    for part in &mut wrong.parts {
        let text = part.replace(
            "four(value)",
            "four(value + vec4<f32>(0.0, 0.0, 0.001, 0.0))",
        );
        *part = Box::leak(text.into_boxed_str());
    }
    assert_ne!(wrong.source(), variants[0].source());
    variants.insert(0, wrong);
    variants
}

static SEEDED: Kernel = Kernel {
    variants: with_a_wrong_core,
    ..matmul::MATMUL
};

#[test]
fn a_core_that_computes_wrong_values_is_discarded_and_remembered_as_failed() {
    const A: Shared = Shared::floats("a");
    const B: Shared = Shared::floats("b");
    const C: Shared = Shared::floats("c");
    let sizes @ [m, n, k] = [36, 68, 20];
    for choice in [Choice::Quick, Choice::Full] {
        let Some(gpu) = gpu() else { return };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tuning = Tuning {
            choice,
            budget: Duration::from_secs(60),
            folder: Some(folder.path().to_owned()),
        };
        let mut runtime = GpuRuntime::new(gpu, tuning);
        let mut builder = Builder::new("seeded");
        let slices = [(A, m * k), (B, k * n), (C, m * n)].map(|(buffer, len)| {
            runtime.allocate(buffer, len).expect("memory");
            builder.shared(buffer, len)
        });
        // The live buffers hold what the step is to keep: the search must not touch them.
        runtime.write(C, 0, &vec![7.0; m * n]).expect("a write");
        builder.step(
            "product",
            &SEEDED,
            matmul::matmul(sizes, false, false),
            &slices,
        );
        runtime.prepare(builder.finish()).expect("a right core");
        let kept = runtime.read(C, 0, m * n).expect("a read");
        assert!(kept.iter().all(|&value| value == 7.0));
        let choices = runtime.choices();
        assert!(
            choices.iter().all(|(_, core)| core != "wrong"),
            "{choices:?}"
        );
        let memory = remembered(folder.path());
        let failures: Vec<_> = memory.failures().map(|(_, core)| core).collect();
        assert_eq!(failures, ["wrong"], "{choice:?}");
        let chosen: Vec<_> = memory.choices().map(|(_, core, _)| core).collect();
        assert_eq!(chosen, [choices[0].1.as_str()]);
    }
}
