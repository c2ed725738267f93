//! Calls that make something and fail: the program ends with exit code 4 and names what could not be made.

use std::fs;

use crate::support::{Faults, TRAIN, each, is_long};

/// Every call of a command that can fail but those of losses, from the first of each name on.
fn failures(faults: &Faults, command: &str) -> Vec<String> {
    let most = |call: &str| match (is_long(), command == TRAIN) {
        // It makes thousands of buffers.
        (true, _) if command.starts_with("devices") => 100,
        // Command buffers are begun and ended thousands of times.
        (true, _) if call.contains("Command") => 100,
        (true, _) => usize::MAX,
        (false, true) => 3,
        (false, false) => 1,
    };
    let counts = faults.calls(command);
    let counts = counts.into_iter().filter(|(call, _)| {
        let is_loss = ["vkQueueSubmit", "vkWait", "vkGetSemaphore"];
        !is_loss.iter().any(|loss| call.starts_with(loss))
    });
    counts
        .flat_map(|(call, count)| {
            let all = 1..=count.min(most(&call));
            all.map(move |n| format!("{call}:{n}"))
        })
        .collect()
}

#[test]
fn no_failed_call_ends_in_a_panic_or_other_bits() {
    let Some(faults) = Faults::get() else { return };
    let conv = format!("{TRAIN} --net conv --width 4").replace("--hidden 16", "");
    for command in [
        TRAIN,
        &conv,
        "sample trained --device gpu --out out.png",
        "encode trained --device gpu --out out.npy",
        "evaluate trained --device gpu",
        "bench --device gpu --hidden 16 --latent 4 --values 64 --tune off",
        "devices --check",
    ] {
        let undisturbed = faults.run("", command).hash();
        println!("{command}");
        each(&failures(faults, command), |fault| {
            let outcome = faults.run(fault, command);
            outcome.must_be_orderly(fault, command);
            if outcome.code == Some(0) {
                assert!(outcome.hash() == undisturbed, "{fault}: {command}");
            }
        });
    }
}

#[test]
fn a_start_that_failed_leaves_its_name_free() {
    let Some(faults) = Faults::get() else { return };
    for fault in ["vkCreateDevice:1", "vkCreateComputePipelines:3"] {
        let outcome = faults.run(fault, TRAIN);
        assert_eq!(outcome.code, Some(4), "{fault}: {}", outcome.stderr);
        assert!(!outcome.folder.path().join("run").exists(), "{fault}");
    }
}

#[test]
fn what_could_not_be_made_is_named() {
    let Some(faults) = Faults::get() else { return };
    let last = |call: &str| format!("{call}:{}", faults.calls(TRAIN)[call]);
    for (fault, words) in [
        ("vkCreateDevice:1".to_owned(), &["cannot be opened"][..]),
        ("vkCreateComputePipelines:5+".to_owned(), &["shader "]),
        ("vkCreateShaderModule:5+".to_owned(), &["shader "]),
        (last("vkCreateBuffer"), &["MiB", "--batch-size"]),
        (
            "vkAllocateDescriptorSets:4+".to_owned(),
            &["the bindings of "],
        ),
    ] {
        let outcome = faults.run(&fault, TRAIN);
        assert_eq!(outcome.code, Some(4), "{fault}: {}", outcome.stderr);
        for word in words {
            assert!(
                outcome.stderr.contains(word),
                "{fault}: no {word:?} in {}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn a_core_that_the_driver_does_not_take_is_remembered() {
    let Some(faults) = Faults::get() else { return };
    let cache = tempfile::tempdir().expect("a temporary folder");
    let command = TRAIN.replace("--tune off", "");
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    faults.run_with("", &command, elsewhere.path());
    let chosen = faults.run_with("", "devices --tuning", elsewhere.path());
    if chosen.stdout.contains("no choice yet") {
        return println!("this driver has one core for every product");
    }
    let run = |fault: &str, command: &str| faults.run_with(fault, command, cache.path());
    // The first behind wgpu's own: a product, as the longest come first.
    let failing = (1..10).map(|n| run(&format!("vkCreateComputePipelines:{n}+"), &command));
    let failed = failing
        .into_iter()
        .find(|failed| failed.stderr.contains("shader "));
    let failed = failed.expect("a shader that fails");
    assert_eq!(failed.code, Some(4), "{}", failed.stderr);
    let remembered = run("", "devices --tuning").stdout;
    assert!(remembered.contains("FAILED"), "{remembered}");
    let next = run("", &command);
    assert_eq!(next.code, Some(0), "{}", next.stderr);
}

#[test]
fn a_driver_that_cannot_list_its_adapters_is_left_out() {
    let Some(faults) = Faults::get() else { return };
    let fault = "vkEnumerateDeviceExtensionProperties:1+";
    let listed = faults.run(fault, "devices");
    let text = format!("{}{}", listed.stdout, listed.stderr);
    assert_eq!(listed.code, Some(0), "{text}");
    assert!(
        text.contains("cpu ") && text.contains("its driver failed"),
        "{text}"
    );
    let auto = TRAIN.replace("--device gpu", "--device auto");
    let trained = faults.run(fault, &auto);
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    assert!(trained.stderr.contains("device: CPU"), "{}", trained.stderr);
    // For a moment only.
    let once = faults.run("vkEnumerateDeviceExtensionProperties:1", TRAIN);
    assert_eq!(once.code, Some(0), "{}", once.stderr);
}

#[test]
fn a_run_that_the_device_refuses_to_go_on_with_is_left_as_it_is() {
    let Some(faults) = Faults::get() else { return };
    let stopped = faults.run("", &format!("{TRAIN} --stop-after 8steps"));
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    let run = stopped.folder.path().join("run");
    let files =
        || ["config.toml", "metrics.jsonl"].map(|name| fs::read(run.join(name)).expect("a file"));
    let before = files();
    let command = format!("train --resume {}", run.display());
    let refused = faults.run("vkCreateBuffer:10+", &command);
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(files() == before, "{}", refused.stderr);
    let resumed = faults.run("", &command);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    assert!(files() != before);
}
