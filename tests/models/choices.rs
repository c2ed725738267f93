//! Which core of the matrix product runs is chosen once, and is the same from then on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use elbo::data::digits;
use elbo::plan::{Choice, GpuRuntime, Tuning};
use elbo::train::TrainOptions;

use crate::reproducibility::{epoch, trainer};
use crate::support::{digest, digit_model, gpu};

/// The cores of an epoch's products, (step, core), and the hash of its weights.
fn run(folder: &Path, budget: Duration) -> Option<(Vec<(String, String)>, String)> {
    let tuning = Tuning {
        choice: Choice::Measure,
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
        let Some(first) = run(folder.path(), budget) else {
            return;
        };
        assert!(first.0.len() > 10, "{:?}", first.0);
        // With time to measure more, nothing is measured again.
        let second = run(folder.path(), Duration::from_secs(60));
        assert_eq!(second.as_ref(), Some(&first), "{budget:?}");
    }
}

#[test]
fn a_remembered_core_is_taken_and_an_unknown_one_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((first, _)) = run(folder.path(), Duration::ZERO) else {
        return;
    };
    let files = fs::read_dir(folder.path()).expect("the folder");
    let path = files.last().expect("a file").expect("a file").path();
    let text = fs::read_to_string(&path).expect("choices");
    let rewrite = |core: &str| {
        let lines = text.lines().map(|line| {
            let (class, _) = line.split_once('\t').expect("class and core");
            format!("{class}\t{core}\n")
        });
        fs::write(&path, lines.collect::<String>()).expect("choices");
        run(folder.path(), Duration::ZERO).expect("a run").0
    };
    let other = rewrite("registers 16x8");
    assert!(other.iter().all(|(_, core)| core == "registers 16x8"));
    assert_ne!(other, first, "the guess is another core");
    assert_eq!(rewrite("no such core"), first);
}
