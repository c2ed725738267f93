//! `elbo devices`

use clap::Args;

use super::result;
use crate::device::{self, AdapterSummary, Device, Selection};

/// List the devices there are
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elbo devices
  elbo train --device gpu:0        by index
  elbo train --device gpu:radeon   by a part of the name")]
pub(super) struct DevicesArgs {}

pub(super) fn run(_args: &DevicesArgs) -> anyhow::Result<()> {
    let adapters = device::adapters();
    for line in gpus(&adapters) {
        result(line)?;
    }
    let cpu = Device::open(&Selection::Cpu)?;
    result(format_args!("cpu    {}", cpu.name()))?;
    Ok(())
}

fn gpus(adapters: &[AdapterSummary]) -> Vec<String> {
    if adapters.is_empty() {
        return vec![
            "no GPU adapter found; a driver comes with".into(),
            "  Debian, Ubuntu   mesa-vulkan-drivers (AMD, Intel, software), nvidia-driver (NVIDIA)"
                .into(),
            "  Fedora           mesa-vulkan-drivers, akmod-nvidia from RPM Fusion (NVIDIA)".into(),
            "  Arch             vulkan-radeon, vulkan-intel, vulkan-swrast or nvidia-utils".into(),
            "  Windows          the graphics driver of the card's maker".into(),
            "  macOS            the system itself, on every Mac with Metal".into(),
        ];
    }
    adapters.iter().flat_map(gpu).collect()
}

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

    #[test]
    fn no_adapter_names_the_packages_that_bring_one() {
        let text = gpus(&[]).join("\n");
        assert!(text.contains("no GPU adapter found"));
        assert!(text.contains("mesa-vulkan-drivers"));
        assert!(text.contains("Windows") && text.contains("macOS"));
    }

    #[test]
    fn an_adapter_is_shown_with_what_selects_it() {
        let text = gpus(&[AdapterSummary {
            index: 1,
            name: "Example 9000".into(),
            backend: "vulkan".into(),
            driver: "driver 1.2".into(),
            kind: "discrete GPU".into(),
            limits: vec![("largest binding", "2 GiB".into())],
            features: vec![("subgroups", true), ("f16", false)],
        }])
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
