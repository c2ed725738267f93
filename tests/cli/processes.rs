//! Training in several processes, which the launchers of MPI start.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::faults::{Disk, OFTEN};
use crate::skipped::skipped;
use crate::support::{
    CONFIG, DEVICE, INPUT_OUTPUT, accepted, adapter, assert_refused, contents, few, few_images,
    metrics, model, newest, program, stderr, stdout, temporary,
};

/// An MPI with its launcher.
struct Mpi {
    name: &'static str,
    launcher: PathBuf,
    arguments: &'static [&'static str],
    /// Folders of its library where these are none of the system's.
    libraries: Vec<PathBuf>,
    /// Variable with the rank of a process.
    rank: &'static str,
}

/// Root may start as many processes as it likes.
const OF_OPEN_MPI: &[&str] = &["--allow-run-as-root", "--oversubscribe"];

/// Every MPI of this machine: Open MPI, MPICH, and one with the standard interface among Python's packages.
fn every_mpi() -> Vec<Mpi> {
    let mut found: Vec<Mpi> = Vec::new();
    for launcher in ["mpirun.openmpi", "mpirun.mpich", "mpirun"] {
        let Ok(output) = Command::new(launcher).arg("--version").output() else {
            continue;
        };
        let text = stdout(&output);
        let of_open_mpi = ["Open MPI", "OpenRTE"].iter().any(|it| text.contains(it));
        let (name, arguments, rank) = match of_open_mpi {
            true => ("Open MPI", OF_OPEN_MPI, "OMPI_COMM_WORLD_RANK"),
            false if text.contains("HYDRA") => ("MPICH", &[][..], "PMI_RANK"),
            false => continue,
        };
        if found.iter().all(|known| known.name != name) {
            found.push(Mpi {
                name,
                launcher: launcher.into(),
                arguments,
                libraries: Vec::new(),
                rank,
            });
        }
    }
    let python = env::var_os("ELBO_PYTHON").map(PathBuf::from);
    let above = |path: &Path| path.parent().map(Path::to_owned);
    let place = python.and_then(|python| above(&above(&python)?));
    if let Some(place) = place.filter(|place| place.join("lib/libmpi_abi.so.1").exists()) {
        found.push(Mpi {
            name: "MPI 5",
            launcher: place.join("bin/mpiexec"),
            arguments: &[],
            libraries: vec![place.join("lib"), place.join("lib/mpich")],
            rank: "PMI_RANK",
        });
    }
    for name in ["Open MPI", "MPICH", "MPI 5"] {
        if found.iter().all(|known| known.name != name) {
            skipped("mpi", format_args!("{name} is not installed here"));
        }
    }
    found
}

impl Mpi {
    /// Starts programs with their arguments, so many processes of each.
    fn command(&self, folder: &Path, programs: &[(usize, &Path, &[&str])]) -> Command {
        let mut command = Command::new(&self.launcher);
        command.args(self.arguments);
        for (i, (count, program, arguments)) in programs.iter().enumerate() {
            command.args((i > 0).then_some(":"));
            command.args(["-n", &count.to_string()]);
            command.arg(program).args(*arguments);
        }
        if !self.libraries.is_empty() {
            let path = env::join_paths(&self.libraries).expect("folders");
            command.env("LD_LIBRARY_PATH", path);
        }
        command.current_dir(folder).env_remove("RUST_LOG");
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, folder: &Path, count: usize, arguments: &[&str]) -> Output {
        let elbo = Path::new(env!("CARGO_BIN_EXE_elbo"));
        let mut command = self.command(folder, &[(count, elbo, arguments)]);
        command.output().expect("the launcher starts")
    }

    fn accepted(&self, folder: &Path, count: usize, arguments: &[&str]) -> Output {
        let output = self.run(folder, count, arguments);
        let (name, text) = (self.name, stderr(&output));
        assert!(output.status.success(), "{name}: {arguments:?}: {text}");
        output
    }

    /// Two processes with arguments of their own, which have to leave nothing behind.
    fn refused(&self, both: [&[&str]; 2], code: i32, words: &[&str]) {
        let elbo = Path::new(env!("CARGO_BIN_EXE_elbo"));
        self.refused_of([elbo; 2], both, code, words);
    }

    fn refused_of(&self, elbo: [&Path; 2], both: [&[&str]; 2], code: i32, words: &[&str]) {
        let folder = temporary();
        few_images(folder.path());
        let mut others = fs::read(folder.path().join("few.npy")).expect("images");
        others.last_mut().into_iter().for_each(|byte| *byte ^= 1);
        fs::write(folder.path().join("others.npy"), others).expect("a file");
        let before = contents(folder.path());
        let programs = [(1, elbo[0], both[0]), (1, elbo[1], both[1])];
        let mut command = self.command(folder.path(), &programs);
        let output = command.output().expect("the launcher starts");
        assert_refused(&output, both[1], code, words);
        let said = stderr(&output).matches("error: ").count();
        assert_eq!(said, 1, "{}: {}", self.name, stderr(&output));
        assert!(contents(folder.path()) == before, "{}: files", self.name);
    }
}

/// Two epochs of four shards, whose last batch is short.
fn two_epochs<'a>(more: &[&'a str]) -> Vec<&'a str> {
    few(&[&["--epochs", "2", "--shards", "4", "--tune", "off"], more].concat())
}

#[test]
fn any_number_of_processes_trains_the_same_model() {
    let mpis = every_mpi();
    let gpu = (!mpis.is_empty()).then(adapter).flatten();
    let more = [
        "--grad-clip",
        "1",
        "--lr-schedule",
        "cosine",
        "--binarize",
        "dynamic",
        "--ema",
        "0.9",
    ];
    for device in ["cpu", "gpu"] {
        if device == "gpu" && gpu.is_none() {
            continue;
        }
        fn of<'a>(more: &[&'a str], device: &'a str, out: &'a str) -> Vec<&'a str> {
            two_epochs(&[more, &["--device", device, "--out", out]].concat())
        }
        let folder = temporary();
        let at = folder.path();
        few_images(at);
        accepted(at, &of(&more, device, "alone"));
        let (whole, lines) = (model(&at.join("alone")), metrics(&at.join("alone")));
        for mpi in &mpis {
            // The third one is of the second one's kind.
            let counts: &[usize] = if mpi.name == "MPI 5" { &[2] } else { &[2, 4] };
            for &count in counts {
                let out = format!("{}-{count}", mpi.name);
                let output = mpi.accepted(at, count, &of(&more, device, &out));
                let says = format!("processes: {count}, ");
                assert_eq!(stderr(&output).matches(&says).count(), 1);
                assert_eq!(stdout(&output).matches("run: ").count(), 1);
                let name = format!("{}: {count} processes, {device}", mpi.name);
                assert!(model(&at.join(&out)) == whole, "{name}: another model");
                assert_eq!(metrics(&at.join(&out)), lines, "{name}");
            }
        }
    }
}

#[test]
fn a_run_goes_on_in_another_number_of_processes() {
    for mpi in every_mpi() {
        let folder = temporary();
        let at = folder.path();
        few_images(at);
        let cpu = ["--device", "cpu"];
        accepted(at, &two_epochs(&[&cpu[..], &["--out", "whole"]].concat()));
        let begun = two_epochs(&[&cpu[..], &["--out", "run", "--stop-after", "5steps"]].concat());
        mpi.accepted(at, 4, &begun);
        assert_eq!(newest(&at.join("run")), 5);
        accepted(at, &["train", "--resume", "run", "--stop-after", "4steps"]);
        assert_eq!(newest(&at.join("run")), 9);
        let output = mpi.accepted(at, 2, &["train", "--resume", "run"]);
        let text = stderr(&output);
        assert!(!text.contains("up to rounding"), "{text}");
        assert!(model(&at.join("run")) == model(&at.join("whole")));
        assert_eq!(metrics(&at.join("run")), metrics(&at.join("whole")));
        // It is over, which one of them says.
        let output = mpi.accepted(at, 2, &["train", "--resume", "run"]);
        assert_eq!(stderr(&output).matches("finished already").count(), 1);
    }
}

/// Two processes that train on and on, once they have a checkpoint.
fn endless(mpi: &Mpi, at: &Path) -> Child {
    few_images(at);
    let often = ["--device", "cpu", "--shards", "2", "--epochs", "1000000"];
    let arguments = few(&[&often[..], &OFTEN, &["--out", "run"]].concat());
    let elbo = Path::new(env!("CARGO_BIN_EXE_elbo"));
    let mut command = mpi.command(at, &[(2, elbo, &arguments)]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the launcher starts");
    let patience = Instant::now() + Duration::from_secs(60);
    while newest(&at.join("run")) < 20 {
        assert!(Instant::now() < patience, "{}: no checkpoint", mpi.name);
        thread::sleep(Duration::from_millis(10));
    }
    child
}

/// The process of a rank among those that run in a folder.
fn process(mpi: &Mpi, at: &Path, rank: usize) -> Option<String> {
    let at = at.canonicalize().expect("a folder");
    let wanted = format!("{}={rank}", mpi.rank);
    let all = fs::read_dir("/proc").expect("processes").flatten();
    let is_it = |path: &Path| {
        let in_folder = fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == at);
        let variables = fs::read(path.join("environ")).unwrap_or_default();
        let mut variables = variables.split(|byte| *byte == 0);
        in_folder && variables.any(|variable| variable == wanted.as_bytes())
    };
    let mut found = all.filter(|entry| is_it(&entry.path()));
    found
        .next()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn kill(signal: &str, process: &str) {
    let status = Command::new("kill").args([signal, process]).status();
    assert!(status.expect("kill").success());
}

/// Waits until a launcher has ended.
fn end(mpi: &Mpi, child: Child, what: &str) -> Output {
    let (id, began) = (child.id(), Instant::now());
    let waiting = thread::spawn(move || child.wait_with_output().expect("its end"));
    while !waiting.is_finished() {
        if began.elapsed() > Duration::from_secs(30) {
            kill("-9", &id.to_string());
            panic!("{}: it goes on, {what}", mpi.name);
        }
        thread::sleep(Duration::from_millis(10));
    }
    waiting.join().expect("no panic")
}

/// Sends a signal to each of two processes in turn, of every MPI, and gives what came of it to `check`, with the folder and
/// what happened.
fn after_a_signal(signal: &str, check: impl Fn(&Mpi, &Path, &Output, &str)) {
    for mpi in every_mpi() {
        for rank in 0..2 {
            let what = format!("{}: {signal} to process {rank}", mpi.name);
            let folder = temporary();
            let at = folder.path();
            let child = endless(&mpi, at);
            kill(signal, &process(&mpi, at, rank).expect(&what));
            let output = end(&mpi, child, &what);
            check(&mpi, at, &output, &what);
        }
    }
}

#[test]
fn a_process_that_dies_ends_all_others_and_no_checkpoint() {
    after_a_signal("-KILL", |mpi, at, output, what| {
        assert!(!output.status.success(), "{what}");
        let said = stderr(output) + &stdout(output);
        assert!(said.to_lowercase().contains("kill"), "{what}: {said}");
        let patience = Instant::now() + Duration::from_secs(10);
        while (0..2).any(|rank| process(mpi, at, rank).is_some()) {
            assert!(Instant::now() < patience, "{what}, and others live on");
            thread::sleep(Duration::from_millis(10));
        }
        let last = newest(&at.join("run"));
        accepted(at, &["train", "--resume", "run", "--stop-after", "1step"]);
        assert_eq!(newest(&at.join("run")), last + 1, "{what}");
    });
}

#[test]
fn a_signal_to_any_process_stops_all_with_a_checkpoint() {
    after_a_signal("-TERM", |_, at, output, what| {
        let text = stderr(output);
        let goes_on = "elbo train --resume run` goes on";
        assert!(text.contains(goes_on), "{what}: {text}");
        let last = newest(&at.join("run"));
        assert!(text.contains(&format!("at step {last}")), "{what}: {text}");
    });
}

#[test]
fn a_full_disk_ends_all_processes() {
    for mpi in every_mpi() {
        let folder = temporary();
        let Some(disk) = Disk::mount(folder.path().join("disk"), "2m") else {
            return;
        };
        let at = disk.0.as_path();
        few_images(at);
        let many = ["--device", "cpu", "--epochs", "1000000", "--shards", "2"];
        let arguments = few(&[&many[..], &OFTEN, &["--out", "run"]].concat());
        let output = mpi.run(at, 2, &arguments);
        let what = ["process 0 of 2: ", "No space left on device"];
        assert_refused(&output, &arguments, INPUT_OUTPUT, &what);
        assert!(newest(&at.join("run")) > 0);
    }
}

#[test]
fn processes_that_are_about_to_train_something_else_are_named() {
    let at_once = [
        "--device", "cpu", "--epochs", "1", "--shards", "2", "--out", "run",
    ];
    let same = few(&at_once);
    let with = |more: &[&'static str]| [&same[..], more].concat();
    let changed = |from: &str, to: &'static str| -> Vec<&str> {
        let words = same
            .iter()
            .map(|&word| if word == from { to } else { word });
        words.collect()
    };
    for mpi in every_mpi() {
        let other = with(&["--lr", "0.5"]);
        let words = ["process 1: lr: 0.5, and 0.001 in process 0"];
        mpi.refused([&same, &other], CONFIG, &words);
        let other = with(&["--split-seed", "3"]);
        mpi.refused([&same, &other], CONFIG, &["process 1: ", "split-seed: 3"]);
        let nowhere = changed("few.npy", "nowhere.npy");
        let words = ["error: process 1: ", "nowhere.npy"];
        mpi.refused([&same, &nowhere], CONFIG, &words);
        mpi.refused([&nowhere, &same], CONFIG, &["error: ", "nowhere.npy"]);
        let others = changed("few.npy", "others.npy");
        let words = ["error: process 1: its images are others"];
        mpi.refused([&same, &others], CONFIG, &words);
        for (shards, words) in [
            ("1", &["`--shards 1`", "try: `--shards 2`"][..]),
            ("3", &["`--shards 3`", "a power of two"]),
            ("32", &["`--shards 32`", "a batch of 16"]),
        ] {
            let all = changed("2", shards);
            mpi.refused([&all, &all], CONFIG, words);
        }
    }
}

#[test]
fn processes_of_another_version_are_named() {
    let arguments = few(&["--device", "cpu", "--shards", "2", "--out", "run"]);
    let folder = temporary();
    let other = folder.path().join("elbo");
    let own = Path::new(env!("CARGO_BIN_EXE_elbo"));
    fs::copy(own, &other).expect("a copy");
    let mut bytes = fs::read(&other).expect("the program");
    let version = format!("elbo {} for ", env!("CARGO_PKG_VERSION"));
    let found = |bytes: &[u8]| {
        let mut places = bytes.windows(version.len());
        places.position(|text| text == version.as_bytes())
    };
    let place = found(&bytes).expect("the version in the program");
    bytes[place + "elbo ".len()] = b'9';
    fs::write(&other, bytes).expect("another version");
    for mpi in every_mpi() {
        let words = ["process 1: it is elbo 9.", "process 0 is elbo "];
        mpi.refused_of([own, &other], [&arguments; 2], CONFIG, &words);
    }
}

#[test]
fn two_launches_cannot_go_on_with_one_run() {
    for mpi in every_mpi() {
        let folder = temporary();
        let at = folder.path();
        let child = endless(&mpi, at);
        let output = mpi.run(at, 2, &["train", "--resume", "run"]);
        let words = ["in use: another process trains in it"];
        assert_refused(&output, &["--resume"], CONFIG, &words);
        kill("-9", &process(&mpi, at, 0).expect("a process"));
        end(&mpi, child, "the first launch");
    }
}

/// The program alone, with variables of a launcher.
fn alone(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = temporary();
    few_images(folder.path());
    let mut command = program(folder.path(), arguments);
    command.envs(variables.iter().copied());
    let output = command.output().expect("the program starts");
    assert_eq!(
        folder.path().join("run").exists(),
        output.status.success(),
        "{}",
        stderr(&output)
    );
    output
}

#[test]
fn variables_of_launchers_are_believed_only_where_they_agree() {
    let arguments = few(&["--device", "cpu", "--epochs", "1", "--out", "run"]);
    // A process of a batch script, which is alone.
    let output = alone(
        &[("SLURM_NTASKS", "4"), ("SLURM_STEP_NUM_TASKS", "1")],
        &arguments,
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let two = [("OMPI_COMM_WORLD_SIZE", "4"), ("PMI_SIZE", "2")];
    let words = ["OMPI_COMM_WORLD_SIZE=4", "PMI_SIZE=2", "unset PMI_SIZE"];
    assert_refused(&alone(&two, &arguments), &arguments, CONFIG, &words);
    let none = [("PMI_SIZE", "two")];
    assert_refused(
        &alone(&none, &arguments),
        &arguments,
        CONFIG,
        &["PMI_SIZE=two"],
    );
    if !every_mpi().is_empty() {
        // As where `srun` knows nothing of the MPI that is there.
        let left = [("SLURM_STEP_NUM_TASKS", "2")];
        let words = [
            "SLURM_STEP_NUM_TASKS=2, but ",
            " knows of 1",
            "the option `mpi` of srun",
        ];
        assert_refused(&alone(&left, &arguments), &arguments, CONFIG, &words);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn libraries_that_cannot_be_used_are_named() {
    const NAMES: [&str; 5] = [
        "libmpi_abi.so.1",
        "libmpi_abi.so.0",
        "libmpi.so.12",
        "libmpich.so.12",
        "libmpi.so.40",
    ];
    let arguments = few(&["--device", "cpu", "--out", "run"]);
    let folder = temporary();
    let path = folder.path().to_str().expect("UTF-8").to_owned();
    let launch = [("PMI_SIZE", "2"), ("LD_LIBRARY_PATH", path.as_str())];
    for name in NAMES {
        fs::write(folder.path().join(name), "no library").expect("a file");
    }
    let words = [
        "no MPI library can be opened",
        "libmpi.so.40",
        "apt install openmpi-bin",
    ];
    assert_refused(&alone(&launch, &arguments), &arguments, DEVICE, &words);
    let source = folder.path().join("mpi.c");
    let text = "int MPI_Get_library_version(char *text, int *len) {
        const char *name = \"Some MPI 1.0, built somewhere\";
        for (*len = 0; name[*len]; ++*len) text[*len] = name[*len];
        return 0;
    }";
    fs::write(&source, text).expect("a file");
    let library = folder.path().join("libmpi.so.12");
    fs::remove_file(&library).expect("a file");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    if !built.is_ok_and(|status| status.success()) {
        return skipped("mpi", "there is no C compiler");
    }
    let words = ["calls itself `Some MPI 1.0`"];
    assert_refused(&alone(&launch, &arguments), &arguments, DEVICE, &words);
}
