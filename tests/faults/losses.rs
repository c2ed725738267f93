//! A lost device: training goes on from the last checkpoint to the same bits, and other commands begin again.

use std::fs;

use crate::support::{Faults, TRAIN, each, is_long};

/// Calls at which a device says that it is lost.
const CALLS: [&str; 3] = [
    "vkQueueSubmit",
    "vkWaitSemaphores",
    "vkGetSemaphoreCounterValue",
];

/// Losses at the calls of a command: the first hundred and fifty later ones, or a part of these.
fn losses(faults: &Faults, command: &str) -> Vec<String> {
    let counts = faults.calls(command);
    let mut all = Vec::new();
    for call in CALLS {
        let count = counts[call];
        let (first, later) = if is_long() { (100, 50) } else { (10, 5) };
        all.extend((1..=count.min(first)).map(|n| format!("{call}:{n}")));
        let rest = count.saturating_sub(first);
        let later = later.min(rest);
        all.extend((1..=later).map(|i| format!("{call}:{}", first + i * rest / later)));
    }
    all
}

/// The steps of the reports and epochs of a run.
fn lines(outcome: &crate::support::Outcome) -> Vec<(String, u64)> {
    let path = outcome.folder.path().join("run/metrics.jsonl");
    let text = fs::read_to_string(path).expect("the metrics");
    let lines = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let kind = line["kind"].as_str().expect("a kind").to_owned();
        (kind, line["step"].as_u64().expect("a step"))
    });
    lines.collect()
}

#[test]
fn training_survives_a_lost_device_to_the_same_bits() {
    let Some(faults) = Faults::get() else { return };
    let trains = [
        TRAIN.to_owned(),
        // Checkpoints in mid-epoch, and a schedule that must not begin again.
        format!("{TRAIN} --checkpoint-every 4steps --log-every 2 --lr-schedule cosine"),
        // The step at which to stop stays where it was.
        format!("{TRAIN} --checkpoint-every 5steps --stop-after 13steps"),
        format!("{TRAIN} --net conv --width 4 --ema 0.9 --checkpoint-every 1epoch")
            .replace("--hidden 16", ""),
    ];
    for command in &trains {
        let undisturbed = faults.run("", command);
        let (hash, lines_of) = (undisturbed.hash(), lines(&undisturbed));
        assert!(hash.is_some(), "{command}: {}", undisturbed.stderr);
        let all = losses(faults, command);
        // Each kind of network once, all places of a loss with the first.
        let step = if command == TRAIN || is_long() { 1 } else { 4 };
        let some: Vec<_> = all.iter().step_by(step).collect();
        each(&some, |fault| {
            let outcome = faults.run(fault, command);
            outcome.must_be_orderly(fault, command);
            let text = &outcome.stderr;
            assert_eq!(outcome.code, Some(0), "{fault}: {command}: {text}");
            assert!(
                outcome.hash() == hash,
                "{fault}: {command}: other bits: {text}"
            );
            assert_eq!(
                lines(&outcome),
                lines_of,
                "{fault}: {command}: other metrics"
            );
        });
    }
}

#[test]
fn a_loss_is_said_and_recorded() {
    let Some(faults) = Faults::get() else { return };
    let command = format!("{TRAIN} --checkpoint-every 2steps");
    let outcome = faults.run("vkQueueSubmit:50", &command);
    let text = &outcome.stderr;
    assert_eq!(outcome.code, Some(0), "{text}");
    for word in ["lost", "goes on from the checkpoint of step", "try 1 of 3"] {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    let config = fs::read_to_string(outcome.folder.path().join("run/config.toml"));
    assert!(config.expect("the configuration").contains("resumed"));
}

#[test]
fn a_device_that_stays_lost_ends_the_run_and_keeps_its_checkpoint() {
    let Some(faults) = Faults::get() else { return };
    let command = format!("{TRAIN} --checkpoint-every 2steps");
    let undisturbed = faults.run("", &command);
    for (retries, said) in [("", 3), ("--retries 1", 1), ("--retries 0", 0)] {
        let outcome = faults.run("vkQueueSubmit:50+", &format!("{command} {retries}"));
        let text = &outcome.stderr;
        assert_eq!(outcome.code, Some(4), "{text}");
        assert_eq!(text.matches("it is opened again").count(), said, "{text}");
        assert!(text.contains("--resume run"), "{text}");
        // What is left goes on to the same bits.
        let run = outcome.folder.path().join("run");
        let resumed = faults.run("", &format!("train --resume {}", run.display()));
        assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
        assert!(outcome.hash() == undisturbed.hash(), "{retries}");
    }
}

#[test]
fn other_commands_begin_again_where_they_have_written_nothing() {
    let Some(faults) = Faults::get() else { return };
    for command in [
        "sample trained --device gpu --out out.png",
        "encode trained --device gpu --out out.npy",
        "evaluate trained --device gpu",
        "score trained --device gpu --out scores.csv",
        "devices --check",
        "bench --device gpu --hidden 16 --latent 4 --values 64 --tune off",
    ] {
        let undisturbed = faults.run("", command);
        let all = losses(faults, command);
        let step = match (is_long(), command.starts_with("devices")) {
            (true, _) => 1,
            (false, true) => 20,
            (false, false) => 5,
        };
        let some: Vec<_> = all.iter().step_by(step).collect();
        each(&some, |fault| {
            let outcome = faults.run(fault, command);
            outcome.must_be_orderly(fault, command);
            if outcome.code == Some(0) && !command.starts_with("bench") {
                assert_eq!(outcome.stdout, undisturbed.stdout, "{fault}: {command}");
            }
            let begins_again = outcome.stderr.contains("once more, from the start");
            // A check goes on to the next device, and how often a device is asked for its progress is a matter of time.
            let is_checked = command.starts_with("devices");
            assert!(
                begins_again || is_checked || !outcome.reached(fault),
                "{fault}: {command}: {}",
                outcome.stderr
            );
        });
    }
}

#[test]
fn a_command_whose_input_is_gone_does_not_begin_again() {
    let Some(faults) = Faults::get() else { return };
    let command = "encode trained --device gpu --data - --out out.npy";
    let undisturbed = faults.run_fed("", command);
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.stderr);
    let outcome = faults.run_fed("vkQueueSubmit:2", command);
    assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
    let text = &outcome.stderr;
    assert!(!text.contains("once more, from the start"), "{text}");
}
