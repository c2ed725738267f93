//! Other executors of the same WGSL than the machine's own driver: SwiftShader, as it comes with Chromium, and Mesa's
//! OpenGL. On Debian and Ubuntu: apt-get install chromium libegl1 libgl1-mesa-dri.

use std::path::Path;

use crate::skipped::skipped;
use crate::support::{program, stderr, stdout, temporary};

/// Where systems keep what tells Vulkan's loader of SwiftShader.
const SWIFTSHADER: [&str; 4] = [
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
    "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
    "/opt/google/chrome/vk_swiftshader_icd.json",
];

/// Trains every kind of network for a step on an adapter of a name, and compares all results with the CPU's.
fn agrees(name: &str, (variable, value): (&str, &str)) {
    let folder = temporary();
    let check = program(folder.path(), &["devices", "--check"])
        .env(variable, value)
        .env("XDG_CACHE_HOME", folder.path())
        .output()
        .expect("the program starts");
    let (listed, said) = (stdout(&check), stderr(&check));
    assert!(check.status.success(), "{listed}{said}");
    let first = listed.lines().next().unwrap_or_default();
    assert!(first.contains(name), "{listed}");
    assert!(listed.contains("agree with the CPU's"), "{listed}");
}

#[test]
fn swiftshader_trains_as_the_cpu_does() {
    let found = SWIFTSHADER.iter().find(|path| Path::new(path).exists());
    let Some(driver) = found else {
        return skipped("swiftshader", "there is no SwiftShader");
    };
    agrees("SwiftShader", ("VK_DRIVER_FILES", driver));
}

#[test]
fn opengl_trains_as_the_cpu_does() {
    let folder = temporary();
    let listed = program(folder.path(), &["devices"])
        .env("WGPU_BACKEND", "gl")
        .output()
        .expect("the program starts");
    if !stdout(&listed).contains("(gl, ") {
        return skipped("opengl", "there is no adapter by OpenGL");
    }
    agrees("(gl, ", ("WGPU_BACKEND", "gl"));
}

#[test]
fn software_by_opengl_is_for_those_who_ask_for_it() {
    let folder = temporary();
    let listed = program(folder.path(), &["devices"])
        .env("VK_DRIVER_FILES", "/nonexistent")
        .output()
        .expect("the program starts");
    let software = stdout(&listed)
        .lines()
        .any(|line| line.contains("(gl, software)"));
    assert!(!software, "{}", stdout(&listed));
}
