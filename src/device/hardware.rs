//! Whether the machine has a GPU at all, whatever drivers there are.

use std::fs;
use std::path::Path;

/// Makers of GPUs that have Vulkan drivers: NVIDIA, AMD, Intel. Servers and virtual machines have display controllers of
/// others, which only show text.
const MAKERS: [&str; 3] = ["0x10de", "0x1002", "0x8086"];

/// Start of the PCI class of display controllers.
const DISPLAY: &str = "0x03";

/// Whether there is hardware that a driver would make a device of.
pub(super) fn has_gpu() -> bool {
    // Metal and DX12 come with their systems: only Linux has GPUs without a driver.
    cfg!(target_os = "linux") && is_gpu_in(Path::new("/sys/bus/pci/devices"))
}

/// Whether a folder of PCI devices has a GPU.
fn is_gpu_in(devices: &Path) -> bool {
    let entries = fs::read_dir(devices).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|device| {
        let read = |name: &str| fs::read_to_string(device.join(name)).unwrap_or_default();
        read("class").starts_with(DISPLAY) && MAKERS.contains(&read("vendor").trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_display_controllers_of_makers_of_gpus_count() {
        for (class, vendor, expected) in [
            ("0x030000", "0x1002", true),
            // A card for computing only.
            ("0x030200", "0x10de", true),
            ("0x030000", "0x1234", false),
            ("0x030000", "0x1a03", false),
            ("0x020000", "0x8086", false),
        ] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let device = folder.path().join("0000:00:02.0");
            fs::create_dir(&device).expect("a folder");
            fs::write(device.join("class"), format!("{class}\n")).expect("a file");
            fs::write(device.join("vendor"), format!("{vendor}\n")).expect("a file");
            assert_eq!(is_gpu_in(folder.path()), expected, "{class} {vendor}");
        }
        assert!(!is_gpu_in(Path::new("/nonexistent")));
    }
}
