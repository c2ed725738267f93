//! The page of a model that is told a class, and the menu of its classes.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::browser::Browser;
use crate::exported::altered;
use crate::formats::{floats as bytes_of, npy, write};
use crate::page::{
    assert_content, assert_same_code, check_picture, code, floats, open, pixels, rgba, settle, text,
};
use crate::support::{Reference, Served, accepted, exported, runs};

const NAMES: [&str; 2] = ["left", "right"];

/// Chooses a class by the keyboard.
fn choose(browser: &Browser, reference: &mut Reference, class: usize) {
    browser.keys("#class", ["\u{e013}", "\u{e015}"][class]);
    assert_told(browser, class);
    reference.tell(class as u32);
}

/// Checks which class the menu shows.
fn assert_told(browser: &Browser, class: usize) {
    let shown = "const menu = document.getElementById('class'); return [menu.selectedOptions[0].textContent, app.told]";
    assert_eq!(browser.run(shown), json!([NAMES[class], class]));
}

/// Waits until a canvas shows what the program decodes from a code.
fn assert_shows(browser: &Browser, reference: &mut Reference, selector: &str, code: &[f32]) {
    let decoded = reference.decode(code);
    let expected = reference.shares(&decoded);
    let worst = || {
        let found = rgba(browser, selector);
        let values = found.chunks(4).flat_map(|pixel| &pixel[..3]);
        let away = values.zip(&expected).map(|(a, b)| (a / 255.0 - b).abs());
        away.fold(0.0, f32::max)
    };
    let step = 1.01 / 255.0;
    let shown = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        worst() <= step
    });
    assert!(shown, "{selector}: {}", worst());
}

/// All that a page decodes is of the class that is chosen.
fn the_menu_tells_the_class(browser: &Browser, reference: &mut Reference) {
    let names = "return Array.from(document.getElementById('class').options, (option) => option.textContent)";
    assert_eq!(browser.run(names), json!(NAMES));
    assert!(text(browser, "subtitle").starts_with("conditional variational autoencoder of"));
    assert_told(browser, 0);
    reference.tell(0);
    let keep = |button: &str| {
        browser.click("#random");
        settle(browser);
        browser.click(button);
        code(browser)
    };
    let ends = [keep("#keep-a"), keep("#keep-b")];
    let before = check_picture(browser, reference, 3);
    browser.wait("document.querySelectorAll('#strip button').length === 9");
    browser.wait("document.querySelectorAll('#samples button').length === 64");
    let drawn = floats(&browser.run("return Array.from(app.drawn)"));
    for class in [1, 0] {
        choose(browser, reference, class);
        assert_eq!(code(browser), ends[1]);
        let after = check_picture(browser, reference, 3);
        let changes = before.iter().zip(&after).map(|(a, b)| (a - b).abs());
        let change = changes.fold(0.0, f32::max);
        assert_eq!(change > 0.05, class == 1, "the picture changes by {change}");
        for (selector, code) in [
            ("#kept-a", &ends[0][..]),
            ("#kept-b", &ends[1]),
            ("#strip button:first-child canvas", &ends[0]),
            ("#strip button:last-child canvas", &ends[1]),
            ("#samples button:nth-child(11) canvas", &drawn[30..33]),
            ("#samples button:last-child canvas", &drawn[189..]),
        ] {
            assert_shows(browser, reference, selector, code);
        }
    }
}

/// An image comes with its class, by number, by key and by click; another class then leaves its code as it is.
fn an_image_brings_its_class(browser: &Browser, reference: &mut Reference) {
    let images = reference.images();
    let labels = images.labels.as_ref().expect("labels");
    let classes: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
    for class in [0, 1, 0] {
        choose(browser, reference, 1 - class);
        let place = classes.iter().position(|&other| other == class);
        let place = place.expect("an image of each class");
        browser.keys("#which", &format!("\u{e009}a\u{e000}{place}\u{e007}"));
        browser.wait(&format!("app.scatter.image === {place}"));
        assert_told(browser, class);
        reference.tell(class as u32);
        assert!(text(browser, "original-caption").ends_with(NAMES[class]));
        let original = pixels(browser, "original", 3);
        assert_same_code(&code(browser), &reference.encode(&original));
        check_picture(browser, reference, 3);
        let own = code(browser);
        choose(browser, reference, 1 - class);
        assert_eq!(code(browser), own);
        assert_eq!(pixels(browser, "original", 3), original);
        assert_eq!(browser.run("return app.scatter.image"), json!(place));
        check_picture(browser, reference, 3);
    }
    let told = |browser: &Browser, reference: &mut Reference| {
        let image = browser.run("return app.model.places[app.scatter.image]");
        let class = classes[image.as_u64().expect("an image") as usize];
        assert_told(browser, class);
        reference.tell(class as u32);
        check_picture(browser, reference, 3);
    };
    browser.run("window.first = app.scatter.image");
    browser.keys("#marks", "\u{e014}\u{e013}");
    browser.wait("app.scatter.image !== window.first && !app.take.busy()");
    told(browser, reference);
    let place = browser.run(
        "const s = app.scatter; const alone = s.pixels.findIndex(([x, y], i) => i !== s.image &&
           s.model.labels[i] !== app.told && s.pixels.every(([u, v], j) => i === j || Math.hypot(x - u, y - v) > 3));
         return [alone, ...s.pixels[alone]]",
    );
    let [x, y] = [1, 2].map(|i| place[i].as_f64().expect("a place"));
    browser.drag("#marks", &[[x, y]]);
    browser.wait(&format!("app.scatter.image === {}", place[0]));
    told(browser, reference);
}

fn a_drawing_is_of_the_class_that_is_chosen(browser: &Browser, reference: &mut Reference) {
    for (class, x) in [(0, 60.0), (1, 90.0)] {
        choose(browser, reference, class);
        browser.drag("#pad", &[[x, 60.0], [x, 150.0]]);
        browser.wait("document.getElementById('original-caption').textContent === 'Your drawing'");
        browser.wait("!app.encodeLive.busy()");
        settle(browser);
        let drawn = pixels(browser, "original", 3);
        assert_same_code(&code(browser), &reference.encode(&drawn));
        check_picture(browser, reference, 3);
    }
}

/// What `elbo decode --class` makes of a code.
fn decoded_by_command(run: &str, code: &[f32], class: &str) -> Vec<f32> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [codes, out] = ["codes.npy", "out.npy"].map(|name| folder.path().join(name));
    let shape = format!("(1, {})", code.len());
    write(&codes, &npy("'<f4'", false, &shape, &bytes_of(code)));
    let [from, to] = [&codes, &out].map(|path| path.to_str().expect("UTF-8"));
    let arguments = ["decode", run, from, "--class", class, "--out", to];
    accepted(runs(), &[&arguments[..], &["--device", "cpu"]].concat());
    let bytes = fs::read(&out).expect("an array");
    let (values, _) = bytes[bytes.len() - 4 * 9 * 7 * 3..].as_chunks::<4>();
    values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect()
}

fn page_works(url: &str, run: &str, webgpu: bool, says: &str) {
    let Some(browser) = Browser::open(webgpu) else {
        return;
    };
    let mut reference = Reference::open(run);
    open(&browser, url);
    let decoder = text(&browser, "decoder");
    assert!(decoder.contains(says), "{decoder}");
    the_menu_tells_the_class(&browser, &mut reference);
    an_image_brings_its_class(&browser, &mut reference);
    a_drawing_is_of_the_class_that_is_chosen(&browser, &mut reference);
    for (class, name) in NAMES.iter().enumerate() {
        choose(&browser, &mut reference, class);
        let found = check_picture(&browser, &mut reference, 3);
        let decoded = decoded_by_command(run, &code(&browser), name);
        for (a, b) in found.iter().zip(reference.shares(&decoded)) {
            assert!((a - b).abs() <= 1.01 / 255.0, "{name}: {a} {b}");
        }
    }
    assert_content(&browser);
}

fn served_page_works(run: &str, webgpu: bool, says: &str) {
    let served = Served::start(run);
    page_works(&served.url, run, webgpu, says);
}

fn file_works(run: &str, webgpu: bool, says: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("file://{}", exported(run, folder.path()).display());
    page_works(&url, run, webgpu, says);
}

#[test]
fn a_served_page_has_a_menu_of_classes_by_webgpu() {
    served_page_works("told", true, "in this page by WebGPU");
}

#[test]
fn a_served_page_has_a_menu_of_classes_by_the_program() {
    served_page_works("told", false, "by elbo on CPU");
}

#[test]
fn a_file_has_a_menu_of_classes_by_webgpu() {
    file_works("told", true, "in this page by WebGPU");
}

#[test]
fn a_file_has_a_menu_of_classes_by_a_script() {
    file_works("told", false, "in this page by a script");
}

#[test]
fn a_model_of_maps_is_told_a_class_by_webgpu() {
    served_page_works("told-maps", true, "in this page by WebGPU");
}

#[test]
fn a_model_of_maps_is_told_a_class_by_a_script() {
    file_works("told-maps", false, "in this page by a script");
}

/// By the class of the image that is checked: with another one in the file the picture is not the program's.
#[test]
fn a_device_that_does_not_heed_the_class_is_not_used() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = exported("told", folder.path());
    altered(&file, |description| {
        let label = &mut description["labels"][0];
        *label = json!(1 - label.as_u64().expect("a class"));
    });
    open(&browser, &format!("file://{}", file.display()));
    let remark = text(&browser, "remark");
    assert!(
        remark.contains("WebGPU is not used: its picture differs"),
        "{remark}"
    );
}

#[test]
fn the_menu_looks_like_the_page() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("told");
    for (name, width, dark) in [
        ("light", 1400, false),
        ("dark", 1400, true),
        ("narrow", 1010, false),
    ] {
        browser.screen(width, 1000, dark);
        open(&browser, &served.url);
        browser.run("app.keep('a'); app.set(app.random()); app.keep('b'); return app.take(0)");
        browser.wait("!app.take.busy() && !app.showStrip.busy() && !app.showSamples.busy()");
        settle(&browser);
        // It is of the height of the buttons beside it, and lies within its section.
        let fits = "const box = (id) => document.getElementById(id).getBoundingClientRect();
             const [menu, button, stage] = ['class', 'reset', 'stage'].map(box);
             return Math.abs(menu.height - button.height) <= 4 && menu.left >= stage.left && menu.right <= stage.right";
        assert_eq!(browser.run(fits), json!(true), "{name}");
        browser.screenshot(&format!("explore-told-{name}"));
    }
    assert_content(&browser);
}
