//! `elbo devices`

use clap::Args;

use super::result;
use crate::device::{self, AdapterSummary, Device, Selection};
use crate::error::Error;
use crate::plan::{Basis, Difference, Memory, Tuning};
use crate::train::check;

/// List the devices there are
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elbo devices
  elbo devices --check             trains small models on each, step by step beside the CPU
  elbo devices --tuning            which cores of the matrix product were chosen for each
  elbo train --device gpu:0        by index
  elbo train --device gpu:radeon   by a part of the name")]
pub(super) struct DevicesArgs {
    /// Train two small models for a step on each GPU and on the CPU, one operation after another, and
    /// name the first result that differs; exit code 4 where one does [default: off]
    #[arg(long)]
    check: bool,
    /// Print which core of the matrix product is remembered for each kernel and class of sizes, how it was
    /// chosen, and the file that holds it [default: off]
    #[arg(long)]
    tuning: bool,
}

pub(super) fn run(args: &DevicesArgs) -> anyhow::Result<()> {
    let adapters = device::adapters();
    if adapters.is_empty() {
        for line in NO_ADAPTER {
            result(line)?;
        }
    }
    let mut wrong = None;
    for adapter in &adapters {
        for line in gpu(adapter) {
            result(line)?;
        }
        if args.tuning {
            let folder = Tuning::default().folder;
            for line in remembered(&Memory::open(folder.as_deref(), &adapter.identity)) {
                result(line)?;
            }
        }
        if args.check {
            let (line, fault) = match check(&Selection::Index(adapter.index)) {
                Ok(differences) => agreement(&differences),
                // The next one may work.
                Err(error) => failure(&error),
            };
            result(line)?;
            wrong = wrong.or(fault.map(|fault| format!("{}: {fault}", adapter.name)));
        }
    }
    let cpu = Device::open(&Selection::Cpu)?;
    result(format_args!("cpu    {}", cpu.name()))?;
    match wrong {
        None => Ok(()),
        Some(what) => Err(Error::device(what, "a newer driver, or --device cpu").into()),
    }
}

/// A line on how a device's results agree with the CPU's, and what is wrong where they do not.
fn agreement(differences: &[Difference]) -> (String, Option<String>) {
    let title = "         check    ";
    if let Some(wrong) = differences.iter().find(|d| !d.is_rounding()) {
        return (format!("{title} WRONG: {wrong}"), Some(wrong.to_string()));
    }
    let count = differences.len();
    let worst = differences
        .iter()
        .max_by(|a, b| a.share.total_cmp(&b.share));
    let worst = worst.map_or(String::new(), |d| {
        format!(
            "; the largest difference is {:.1e} of its range ({})",
            d.share, d.step
        )
    });
    (
        format!("{title} {count} results of training steps agree with the CPU's{worst}"),
        None,
    )
}

/// A line on a device that could not be checked, and what is wrong.
fn failure(error: &Error) -> (String, Option<String>) {
    let text = error.to_string();
    let what = text.lines().next().unwrap_or_default().to_owned();
    (format!("         check    FAILED: {what}"), Some(what))
}

/// What is remembered of an adapter: where, then a line for each class of products.
fn remembered(memory: &Memory) -> Vec<String> {
    let Some(path) = memory.path() else {
        return vec!["         tuning    nothing is remembered without a cache folder".to_owned()];
    };
    let mut lines = vec![format!("         tuning    {}", path.display())];
    for (class, core, basis) in memory.choices() {
        let basis = match basis {
            Basis::Guess => "first guess".to_owned(),
            Basis::Quick(seconds) => format!("{} (quick)", duration(seconds)),
            Basis::Full(seconds) => format!("{} (full)", duration(seconds)),
        };
        lines.push(format!("           {class}: {core}, {basis}"));
    }
    for (class, core) in memory.failures() {
        lines.push(format!("           {class}: {core} FAILED its check"));
    }
    if lines.len() == 1 {
        lines.push("           no choice yet: made by the first run".to_owned());
    }
    lines
}

/// A time of microseconds to seconds, in milliseconds.
fn duration(seconds: f64) -> String {
    format!("{:.3} ms", 1e3 * seconds)
}

const NO_ADAPTER: [&str; 6] = [
    "no GPU adapter found; a driver comes with",
    "  Debian, Ubuntu   mesa-vulkan-drivers (AMD, Intel, software), nvidia-driver (NVIDIA)",
    "  Fedora           mesa-vulkan-drivers, akmod-nvidia from RPM Fusion (NVIDIA)",
    "  Arch             vulkan-radeon, vulkan-intel, vulkan-swrast or nvidia-utils",
    "  Windows          the graphics driver of the card's maker",
    "  macOS            the system itself, on every Mac with Metal",
];

fn gpu(adapter: &AdapterSummary) -> Vec<String> {
    let label = format!("gpu:{}", adapter.index);
    let mut lines = vec![
        format!(
            "{label:<6} {} ({}, {})",
            adapter.name, adapter.backend, adapter.kind
        ),
        format!("         driver    {}", adapter.driver),
    ];
    for (index, (name, value)) in adapter.limits.iter().enumerate() {
        let title = if index == 0 { "limits" } else { "" };
        lines.push(format!("         {title:<9} {name}: {value}"));
    }
    let names = |there: bool| {
        let names: Vec<&str> = adapter
            .features
            .iter()
            .filter(|feature| feature.1 == there)
            .map(|feature| feature.0)
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    if !adapter.features.is_empty() {
        lines.push(format!("         features  {}", names(true)));
        lines.push(format!("         without   {}", names(false)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(share: f64) -> Difference {
        Difference {
            plan: "train 96".into(),
            step: "fc3".into(),
            buffer: "fc3 output".into(),
            index: 7,
            expected: 1.0,
            found: 1.0 + share,
            share,
        }
    }

    #[test]
    fn a_device_that_agrees_is_told_from_one_that_does_not() {
        let (line, wrong) = agreement(&[difference(1e-7), difference(3e-7)]);
        assert!(
            line.contains("2 results") && line.contains("3.0e-7"),
            "{line}"
        );
        assert_eq!(wrong, None);
        for share in [0.01, f64::NAN] {
            let (line, wrong) = agreement(&[difference(1e-7), difference(share)]);
            assert!(line.contains("WRONG: fc3 output"), "{line}");
            assert!(wrong.is_some_and(|wrong| wrong.contains("value 7")));
        }
    }

    #[test]
    fn an_adapter_is_shown_with_what_selects_it() {
        let text = gpu(&AdapterSummary {
            identity: String::new(),
            index: 1,
            name: "Example 9000".into(),
            backend: "vulkan".into(),
            driver: "driver 1.2".into(),
            kind: "discrete GPU".into(),
            limits: vec![("largest binding", "2 GiB".into())],
            features: vec![("subgroups", true), ("f16", false)],
        })
        .join("\n");
        for part in [
            "gpu:1  Example 9000 (vulkan, discrete GPU)",
            "driver 1.2",
            "largest binding: 2 GiB",
            "features  subgroups",
            "without   f16",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
