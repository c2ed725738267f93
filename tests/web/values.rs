//! Models of what is no picture: another range, one latent dimension, two channels, many classes.

use elbo::draw::mark_colours;
use elbo::view::Plane;
use serde_json::json;

use crate::browser::Browser;
use crate::page::{
    assert_content, assert_same_code, check_picture, code, floats, open, pixels, settle, text,
};
use crate::support::{CLASSES, Reference, Served, exported, exported_with};

/// The page of `signals`, wherever it comes from. `exact`: whether it has the images as they are, not in bytes.
fn signals_are_shown(browser: &Browser, exact: bool) {
    let mut reference = Reference::open("signals");
    let images = reference.images();
    let (least, most) = reference.range();
    assert!(least < -0.9 && most > 1.9, "{least} {most}");
    check_picture(browser, &mut reference, 1);
    browser.keys("#which", "9\u{e007}");
    browser.wait("app.scatter.image === 9");
    check_picture(browser, &mut reference, 1);
    assert_eq!(text(browser, "original-caption"), "Image 9 · class 9");
    let image = images.image_f32(9).expect("in memory");
    assert_same_code(&code(browser), &reference.encode(&image));
    let shown = pixels(browser, "original", 1);
    // A canvas holds bytes; so does a file, and both round.
    let step = if exact { 0.51 } else { 1.01 } / 255.0;
    for (found, expected) in shown.iter().zip(reference.shares(&image)) {
        assert!((found - expected).abs() <= step, "{found} {expected}");
    }
    // The paper of a drawing is the least value, ink the greatest.
    browser.run("document.getElementById('brush').value = 20");
    let rows = [80.0, 100.0, 120.0, 140.0];
    let strokes: Vec<[f64; 2]> = rows
        .iter()
        .flat_map(|y| [[60.0, *y], [170.0, *y]])
        .collect();
    browser.drag("#pad", &strokes);
    browser.wait(
        "!app.encodeLive.busy() && document.getElementById('original-caption').textContent === 'Your drawing'",
    );
    let drawn = pixels(browser, "original", 1);
    assert!(drawn.contains(&0.0) && drawn.contains(&1.0), "{drawn:?}");
    let values: Vec<f32> = drawn.iter().map(|v| least + v * (most - least)).collect();
    assert_same_code(&code(browser), &reference.encode(&values));
    check_picture(browser, &mut reference, 1);
}

/// The map of codes of a single value: a row for each class, whose points move only across.
fn classes_have_their_rows(browser: &Browser) {
    assert_eq!(
        browser.run("return document.getElementById('y-axis').parentElement.hidden"),
        json!(true)
    );
    let rows = browser.run("return app.scatter.places.map(([, up]) => Math.round(up))");
    let expected: Vec<i64> = (0..66).map(|i| -(i % CLASSES as i64)).collect();
    assert_eq!(rows, json!(expected));
    let across = browser.run("return app.scatter.places.map(([across]) => across)");
    assert_eq!(
        floats(&across),
        floats(&browser.run("return [...app.codes]"))
    );
    browser.click("#reset");
    settle(browser);
    let cross = browser.run("return app.scatter.pixel(app.scatter.along(app.code))");
    let [x, y] = [0, 1].map(|i| cross[i].as_f64().expect("a place"));
    browser.drag("#marks", &[[x, y], [x + 30.0, y + 30.0], [x + 60.0, y]]);
    let moved = code(browser);
    assert!(moved.len() == 1 && moved[0] > 0.1, "{moved:?}");
}

/// Compares the looks in the legend with those of classes by their numbers.
fn assert_looks(browser: &Browser, classes: &[usize]) {
    let looks = browser.run(
        "return Array.from(document.querySelectorAll('#legend .chip span'),
           (e) => [e.className, getComputedStyle(e).backgroundColor])",
    );
    let colours = mark_colours().map(|[r, g, b]| format!("rgb({r}, {g}, {b})"));
    let shapes = ["disc", "square", "triangle"];
    let look = |&class: &usize| json!([shapes[class / 10], colours[class % 10]]);
    assert_eq!(looks, json!(classes.iter().map(look).collect::<Vec<_>>()));
}

#[test]
fn a_class_looks_the_same_whichever_images_are_shown() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = exported_with("signals", folder.path(), "5");
    open(&browser, &format!("file://{}", file.display()));
    // Of 66 images in 33 classes: 0, 13, 26, 39, 52.
    assert_eq!(text(&browser, "legend"), "06131926");
    assert_looks(&browser, &[0, 6, 13, 19, 26]);
}

/// Thirty classes have a look of their own.
fn classes_can_be_told_apart_and_shown_alone(browser: &Browser) {
    let legend = text(browser, "legend");
    assert!(legend.ends_with("29and 3 more"), "{legend}");
    assert_looks(browser, &(0..30).collect::<Vec<_>>());
    browser.click("#legend .chip:nth-child(6)");
    let pressed = "return document.querySelector('#legend [aria-pressed=true]').textContent";
    assert_eq!(browser.run(pressed), "5");
    // The first key takes an image of that class, as others are hidden.
    browser.click("#reset");
    browser.keys("#marks", "\u{e014}");
    browser.wait("app.scatter.image >= 0");
    assert_eq!(browser.run("return app.scatter.image % 33"), json!(5));
    let hidden = "const s = app.scatter; const i = s.model.labels.indexOf(7); return s.at(...s.pixels[i], 1)";
    assert_eq!(browser.run(hidden), json!(-1));
    browser.click("#legend .chip:nth-child(6)");
    assert_eq!(
        browser.run("return document.querySelectorAll('#legend [aria-pressed=true]').length"),
        json!(0)
    );
    assert!(browser.run(hidden) != json!(-1));
}

#[test]
fn values_of_another_range_and_a_code_of_one_value_are_shown() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("signals");
    open(&browser, &served.url);
    signals_are_shown(&browser, true);
    classes_have_their_rows(&browser);
    classes_can_be_told_apart_and_shown_alone(&browser);
    browser.screenshot("explore-signals");
    assert_content(&browser);
}

#[test]
fn a_file_of_values_of_another_range_shows_the_same_by_webgpu() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = exported("signals", folder.path());
    open(&browser, &format!("file://{}", file.display()));
    assert!(text(&browser, "decoder").contains("WebGPU"));
    signals_are_shown(&browser, false);
    assert_content(&browser);
}

#[test]
fn many_values_and_two_channels_are_shown() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::with("pairs", &["--split", "all"]);
    let mut reference = Reference::open("pairs");
    open(&browser, &served.url);
    assert_eq!(text(&browser, "map-title"), "Images");
    assert_eq!(text(&browser, "count"), "of 70");
    // No drawing has two channels; a picture shows the first.
    assert_eq!(
        browser.run("return document.getElementById('own').hidden"),
        json!(true)
    );
    browser.click("#random");
    settle(&browser);
    let decoded = reference.decode(&code(&browser));
    let expected: Vec<f32> = reference.shares(&decoded).into_iter().step_by(2).collect();
    let found = pixels(&browser, "decoded", 1);
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() <= 1.01 / 255.0, "{a} {b}");
    }
    let sliders = "return document.querySelectorAll('#sliders input').length";
    assert_eq!(browser.run(sliders), json!(32));
    browser.click("#more");
    assert_eq!(browser.run(sliders), json!(40));
    let outputs = "return Array.from(document.querySelectorAll('#sliders output'))
         .every((o) => o.textContent === app.code[Number(o.htmlFor[0].slice(1))].toFixed(2))";
    assert_eq!(browser.run(outputs), json!(true));
    axes_can_be_chosen(&browser);
    assert_content(&browser);
}

/// Among them the principal components, which are those of `elbo latents`.
fn axes_can_be_chosen(browser: &Browser) {
    let choose = |x: &str, y: &str| {
        browser.run(&format!(
            "for (const [id, value] of [['x-axis', {x:?}], ['y-axis', {y:?}]]) {{
               const select = document.getElementById(id);
               select.value = value;
               select.dispatchEvent(new Event('change'));
             }}"
        ));
        let places = browser.run("return app.scatter.places.flat()");
        let hidden = browser.run("return document.getElementById('drag').hidden");
        (floats(&places), hidden == json!(true))
    };
    let codes = floats(&browser.run("return [...app.codes]"));
    let (places, fixed) = choose("7", "3");
    let column = |value: usize| codes.iter().skip(value).step_by(40);
    let expected: Vec<f32> = column(7)
        .zip(column(3))
        .flat_map(|(a, b)| [*a, *b])
        .collect();
    assert_eq!(places, expected);
    assert!(!fixed, "the cross can be drawn");
    let (places, fixed) = choose("p0", "p1");
    let plane = Plane::of(&codes, 40).expect("a plane");
    let size = codes.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
    for (found, expected) in places.chunks(2).zip(plane.project(&codes)) {
        for (a, b) in found.iter().zip(expected) {
            assert!(
                (f64::from(*a) - b).abs() < 1e-5 * f64::from(size),
                "{a} {b}"
            );
        }
    }
    assert!(fixed, "there is no way back from two components to a code");
}

#[test]
fn the_heading_says_which_images_there_are() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    for (options, heading, count) in [
        (&[][..], "Test images", "of 20"),
        (&["--split", "train"], "Training images", "of 50"),
    ] {
        let served = Served::with("pairs", options);
        open(&browser, &served.url);
        assert_eq!(text(&browser, "map-title"), heading);
        assert_eq!(text(&browser, "count"), count);
    }
}

#[test]
fn a_model_of_standardized_values_takes_no_pictures_and_its_page_says_why() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("standard");
    let mut reference = Reference::open("standard");
    open(&browser, &served.url);
    assert!(text(&browser, "own").contains("each value was standardized by itself"));
    for (what, expected) in [
        ("element('pad').offsetParent === null", true),
        ("app.input === undefined", true),
    ] {
        assert_eq!(browser.run(&format!("return {what}")), json!(expected));
    }
    // What it shows is as the program's pictures are.
    check_picture(&browser, &mut reference, 1);
    assert_content(&browser);
}
