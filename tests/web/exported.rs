//! The page in one file.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::page::{
    assert_content, assert_same_code, check_picture, code, open, open_at_once, pixels, text,
};
use crate::support::{Reference, Served, exported, output, runs};

/// Opens a run's file and checks its pictures.
fn file_decodes(run: &str, channels: usize, webgpu: bool, says: &str) {
    let Some(browser) = Browser::open(webgpu) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = exported(run, folder.path());
    let mut reference = Reference::open(run);
    open(&browser, &format!("file://{}", file.display()));
    assert!(
        text(&browser, "decoder").contains(says),
        "{}",
        text(&browser, "decoder")
    );
    let first = check_picture(&browser, &mut reference, channels);
    browser.click("#random");
    let second = check_picture(&browser, &mut reference, channels);
    assert_ne!(first, second);
    browser.keys("#which", "1\u{e007}");
    browser.wait("app.scatter.image === 1");
    check_picture(&browser, &mut reference, channels);
    // And one down, which is the next that the page has.
    browser.keys("#which", "\u{e015}");
    browser.wait("app.scatter.image === 0");
    let original = pixels(&browser, "original", channels);
    assert_same_code(&code(&browser), &reference.encode(&original));
    browser.run("const v = new Float32Array(app.model.values).fill(0.5); return app.decoder.encode(v).then((c) => app.set(c))");
    assert_same_code(
        &code(&browser),
        &reference.encode(&vec![0.5; original.len()]),
    );
    let asked = browser.run("return performance.getEntriesByType('resource').map((r) => r.name)");
    assert_eq!(asked, json!([]), "the file asks for no address");
    browser.screenshot(&format!("file-{run}-{webgpu}"));
    assert_content(&browser);
}

#[test]
fn a_file_decodes_as_the_program_by_webgpu() {
    file_decodes("digits", 1, true, "in this page by WebGPU");
}

#[test]
fn a_file_decodes_as_the_program_by_a_script() {
    file_decodes("digits", 1, false, "in this page by a script");
}

#[test]
fn a_file_of_an_rgb_model_decodes_as_the_program_by_a_script() {
    file_decodes("colours", 3, false, "in this page by a script");
}

#[test]
fn a_shader_that_computes_wrong_values_is_noticed_and_not_used() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = exported("digits", folder.path());
    let page = fs::read_to_string(&file).expect("the page");
    let right = "activate(block[0] + bias)";
    assert!(page.contains(right));
    // Row 0 is the whole of a live picture.
    let wrong = page.replace(right, "activate(block[0] + 1.5 * bias)");
    fs::write(&file, wrong).expect("the page");
    open(&browser, &format!("file://{}", file.display()));
    let remark = text(&browser, "remark");
    assert!(
        remark.contains("WebGPU is not used: its picture differs"),
        "{remark}"
    );
    assert!(text(&browser, "decoder").contains("by a script"));
    check_picture(&browser, &mut Reference::open("digits"), 1);
}

/// Changes the description in a file.
pub(crate) fn altered(file: &Path, change: impl FnOnce(&mut Value)) {
    let page = fs::read_to_string(file).expect("the page");
    let (before, rest) = page.split_once("id=\"description\">").expect("its start");
    let (text, after) = rest.split_once("</script>").expect("its end");
    let mut description = serde_json::from_str(text).expect("JSON");
    change(&mut description);
    let text = description.to_string().replace('<', "\\u003c");
    let page = format!("{before}id=\"description\">{text}</script>{after}");
    fs::write(file, page).expect("the page");
}

/// The last plans that are looked at, where only WebGPU computes them wrongly: a script goes by the selectors.
#[test]
fn plans_that_compute_wrong_values_are_noticed_and_not_used() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    for (plan, step, says) in [
        ("grid", 2, "picture 0 of a grid differs"),
        ("encode", 1, "its code differs"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = exported("digits", folder.path());
        altered(&file, |description| {
            let step = &mut description["program"]["plans"][plan]["steps"][step];
            let constant = &mut step["constants"]["ACTIVATION"];
            let known = constant.as_u64().expect("an activation");
            *constant = json!(if known == 4 { 1 } else { 4 });
        });
        open(&browser, &format!("file://{}", file.display()));
        let remark = text(&browser, "remark");
        assert!(
            remark.contains("WebGPU is not used") && remark.contains(says),
            "{remark}"
        );
        assert!(text(&browser, "decoder").contains("by a script"));
        check_picture(&browser, &mut Reference::open("digits"), 1);
    }
}

#[test]
fn a_device_that_keeps_one_waiting_is_not_used() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = exported("digits", folder.path());
    // A page's patience passes faster here.
    let source = "GPU.prototype.requestAdapter = () => new Promise(() => {});
         const wait = setTimeout; window.setTimeout = (f, ms) => wait(f, ms / 40)";
    browser.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        &json!({ "source": source }),
    );
    open(&browser, &format!("file://{}", file.display()));
    let remark = text(&browser, "remark");
    assert_eq!(remark, "WebGPU is not used: not ready after 20 s");
    check_picture(&browser, &mut Reference::open("digits"), 1);
}

/// Decodes at `url` while the browser's device is on its way, as `says`, and then by that device.
fn page_is_alive_before_there_is_a_device(browser: &Browser, url: &str, says: &str) {
    // The page decides when the browser answers.
    let source = "const real = GPU.prototype.requestAdapter;
         GPU.prototype.requestAdapter = function (...options) {
           return new Promise((go) => { window.releaseDevice = go; }).then(() => real.apply(this, options));
         }";
    browser.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        &json!({ "source": source }),
    );
    let mut reference = Reference::open("digits");
    open_at_once(browser, url);
    assert!(text(browser, "remark").contains("looking for a WebGPU device"));
    browser.click("#random");
    let first = check_picture(browser, &mut reference, 1);
    let decoder = text(browser, "decoder");
    assert!(decoder.contains(says), "{decoder}");
    let before = code(browser);
    let choices = "return document.querySelectorAll('#choice input').length";
    assert_eq!(browser.run(choices), json!(1));

    browser.run("window.releaseDevice()");
    browser.wait("!app.isLooking");
    let decoder = text(browser, "decoder");
    assert!(decoder.contains("in this page by WebGPU"), "{decoder}");
    assert_eq!(text(browser, "remark"), "");
    assert_eq!(browser.run(choices), json!(2));
    assert_eq!(code(browser), before);
    let second = check_picture(browser, &mut reference, 1);
    assert_eq!(first.len(), second.len());
    browser.click("#random");
    check_picture(browser, &mut reference, 1);
    assert_content(browser);
}

#[test]
fn a_file_decodes_by_a_script_until_a_device_is_found() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("file://{}", exported("digits", folder.path()).display());
    page_is_alive_before_there_is_a_device(&browser, &url, "in this page by a script");
}

#[test]
fn a_served_page_decodes_by_the_program_until_a_device_is_found() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    let served = Served::start("digits");
    page_is_alive_before_there_is_a_device(&browser, &served.url, "by elbo on CPU");
}

/// A layer whose values are no multiple of four is bound with up to three more.
#[test]
fn limits_are_those_of_what_is_bound() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = exported("digits", folder.path());
    open(&browser, &format!("file://{}", file.display()));
    let limits = browser.run(
        "const buffers = { parameters: { bytes: 300 << 20, memory: null } };
         const steps = [{ slices: [{ len: 7001 * 5003 }, { len: 1 }] }];
         return [limits({ plans: { live: { memories: [64], buffers, steps } } }), limits(app.model.program)]",
    );
    let bound = 4 * (7001_u64 * 5003).next_multiple_of(4);
    let large = json!({ "maxBufferSize": 300 << 20, "maxStorageBufferBindingSize": bound });
    assert_eq!(limits, json!([large, {}]));
}

#[test]
fn a_file_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("page.html");
    fs::write(&path, "mine").expect("a file");
    let file = path.to_str().expect("UTF-8");
    let refused = output(
        runs(),
        &["explore", "digits", "--device", "cpu", "--export", file],
    );
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&path).expect("the file"), "mine");
}
