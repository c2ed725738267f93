//! The served page in a browser.

use std::io::Cursor;
use std::path::Path;

use elbo::data::{DataOptions, load};
use serde_json::json;

use crate::browser::Browser;
use crate::page::{
    assert_content, assert_same_code, check_picture, code, open, pixels, rgba, settle, text,
};
use crate::support::{Reference, Served, runs};

/// Everything that a page offers, by the way of decoding that `says` names.
fn page_works(webgpu: bool, says: &str) {
    let Some(browser) = Browser::open(webgpu) else {
        return;
    };
    let served = Served::start("digits");
    let mut reference = Reference::open("digits");
    open(&browser, &served.url);
    assert!(
        text(&browser, "decoder").contains(says),
        "{}",
        text(&browser, "decoder")
    );
    sliders_change_the_picture(&browser, &mut reference);
    a_way_leads_from_a_to_b(&browser, &mut reference);
    samples_give_their_code(&browser, &mut reference);
    points_give_their_image(&browser, &mut reference);
    a_drawing_is_encoded(&browser, &mut reference);
    assert_content(&browser);
}

fn sliders_change_the_picture(browser: &Browser, reference: &mut Reference) {
    assert_eq!(code(browser), [0.0; 4], "the prior's mean");
    let before = check_picture(browser, reference, 1);
    assert_eq!(
        browser.run("return document.querySelectorAll('#sliders input').length"),
        4
    );
    // A few steps to the right.
    browser.keys("#z1", &"\u{e014}".repeat(60));
    browser.wait("app.code[1] > 0.5");
    let after = check_picture(browser, reference, 1);
    let change = before
        .iter()
        .zip(&after)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(change > 0.05, "the picture changes by {change} only");
    browser.click("#random");
    assert!(code(browser).iter().all(|value| *value != 0.0));
    check_picture(browser, reference, 1);
    browser.click("#reset");
    assert_eq!(check_picture(browser, reference, 1), before);
}

fn a_way_leads_from_a_to_b(browser: &Browser, reference: &mut Reference) {
    let keep = |button: &str| {
        browser.click("#random");
        settle(browser);
        browser.click(button);
        code(browser)
    };
    let (a, b) = (keep("#keep-a"), keep("#keep-b"));
    let at = |t: f32| {
        browser.run(&format!(
            "const t = document.getElementById('t'); t.value = {t}; t.dispatchEvent(new Event('input'))"
        ));
        code(browser)
    };
    let line: Vec<f32> = a.iter().zip(&b).map(|(a, b)| 0.75 * a + 0.25 * b).collect();
    assert_same_code(&at(0.25), &line);
    check_picture(browser, reference, 1);
    browser.run("document.querySelector('input[value=spherical]').click()");
    let norm = |code: &[f32]| code.iter().map(|v| v * v).sum::<f32>().sqrt();
    let dot: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
    let angle = (dot / (norm(&a) * norm(&b))).acos();
    let share = |t: f32| (t * angle).sin() / angle.sin();
    let circle: Vec<f32> = a
        .iter()
        .zip(&b)
        .map(|(a, b)| share(0.75) * a + share(0.25) * b)
        .collect();
    assert_same_code(&at(0.25), &circle);
    // The strip of the straight line is on its way out.
    browser
        .wait("!app.showStrip.busy() && document.querySelectorAll('#strip button').length === 9");
    browser.click("#strip button:last-child");
    assert_same_code(&code(browser), &b);
}

fn samples_give_their_code(browser: &Browser, reference: &mut Reference) {
    browser.wait(
        "!app.showSamples.busy() && document.querySelectorAll('#samples button').length === 64",
    );
    let before = code(browser);
    browser.click("#samples button:nth-child(11)");
    assert_ne!(code(browser), before);
    let alone = check_picture(browser, reference, 1);
    // The picture of the grid, made by another plan.
    let grid = rgba(browser, "#samples button:nth-child(11) canvas");
    for (i, value) in alone.iter().enumerate() {
        assert!((grid[4 * i] - 255.0 * value).abs() <= 1.0, "value {i}");
    }
}

fn points_give_their_image(browser: &Browser, reference: &mut Reference) {
    let images = reference.images();
    // A point that no other covers.
    let chosen = browser.run(
        "const s = app.scatter; const alone = s.pixels.findIndex(([x, y], i) =>
           s.pixels.every(([u, v], j) => i === j || Math.hypot(x - u, y - v) > 3));
         return [alone, app.model.places[alone], ...s.pixels[alone]]",
    );
    let number = |i: usize| chosen[i].as_f64().expect("a number");
    browser.drag("#marks", &[[number(2), number(3)]]);
    browser.wait(&format!("app.scatter.image === {}", number(0)));
    check_picture(browser, reference, 1);
    let image = images.image_f32(number(1) as usize);
    assert_same_code(&code(browser), &reference.encode(&image));
    for (found, expected) in pixels(browser, "original", 1).iter().zip(&image) {
        assert!((found - expected).abs() < 1e-6, "the image itself");
    }
    let label = images.labels.as_ref().expect("labels")[number(1) as usize];
    assert!(text(browser, "original-caption").ends_with(&format!("class {label}")));
    // By the keyboard to another one.
    browser.keys("#marks", "\u{e014}");
    browser.wait(&format!("app.scatter.image !== {}", number(0)));
    check_picture(browser, reference, 1);
    // The cross is where the code is; it can be drawn elsewhere.
    let cross = browser.run("return app.scatter.pixel(app.scatter.along(app.code))");
    let [x, y] = [0, 1].map(|i| cross[i].as_f64().expect("a place"));
    let before = code(browser);
    browser.drag(
        "#marks",
        &[[x, y], [x - 20.0, y + 10.0], [x - 30.0, y + 20.0]],
    );
    let moved = code(browser)
        .iter()
        .zip(&before)
        .filter(|(a, b)| a != b)
        .count();
    assert_eq!(moved, 2, "the two dimensions of the axes");
    check_picture(browser, reference, 1);
}

fn a_drawing_is_encoded(browser: &Browser, reference: &mut Reference) {
    browser.drag("#pad", &[[60.0, 30.0], [60.0, 100.0], [100.0, 150.0]]);
    browser.wait("document.getElementById('original-caption').textContent === 'Your drawing'");
    settle(browser);
    // Strokes are encoded one after another; the last one counts.
    browser.wait("!app.encodeLive.busy()");
    settle(browser);
    let drawn = pixels(browser, "original", 1);
    assert!(drawn.iter().any(|v| *v > 0.9) && drawn.contains(&0.0));
    assert_same_code(&code(browser), &reference.encode(&drawn));
    check_picture(browser, reference, 1);
}

#[test]
fn a_page_works_by_webgpu() {
    page_works(true, "decoded in this page by WebGPU");
}

#[test]
fn a_page_works_without_webgpu() {
    page_works(false, "decoded by elbo on CPU");
}

#[test]
fn one_can_switch_to_the_program_and_back() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    let served = Served::start("colours");
    let mut reference = Reference::open("colours");
    open(&browser, &served.url);
    browser.click("#random");
    for (id, says) in [("server", "by elbo on CPU"), ("webgpu", "by WebGPU")] {
        browser.run(&format!(
            "document.querySelector('#choice input[value={id}]').click()"
        ));
        assert!(text(&browser, "decoder").contains(says));
        check_picture(&browser, &mut reference, 3);
        let values = vec![0.25; 9 * 7 * 3];
        let script = "return app.decoder.encode(new Float32Array(app.model.values).fill(0.25)).then((c) => app.set(c))";
        browser.run(script);
        assert_same_code(&code(&browser), &reference.encode(&values));
    }
    // A browser may take its device back, for instance where another page crashed it.
    browser.run("app.decoder.runner.device.destroy()");
    browser.wait("document.getElementById('decoder').textContent.includes('by elbo on CPU')");
    assert!(text(&browser, "remark").contains("lost its WebGPU device"));
    browser.click("#random");
    check_picture(&browser, &mut reference, 3);
    // An autoencoder has no prior.
    assert_eq!(
        browser.run("return document.getElementById('samples-section').hidden"),
        json!(true)
    );
    assert_content(&browser);
}

/// A picture that is neither of the model's form nor of its size.
fn photograph(path: &Path) {
    let picture = image::RgbImage::from_fn(61, 40, |x, y| {
        image::Rgb([(4 * x) as u8, (6 * y) as u8, ((x * y) % 256) as u8])
    });
    picture.save(path).expect("a picture");
}

#[test]
fn a_picture_is_read_as_the_program_reads_it() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    let served = Served::start("colours");
    let mut reference = Reference::open("colours");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("photograph.png");
    photograph(&path);
    let options = DataOptions {
        image_size: Some((9, 7)),
        channels: Some(3),
        whole: true,
        ..DataOptions::default()
    };
    let source = folder.path().to_str().expect("UTF-8");
    let read = load(source, &options, &mut |_| ())
        .expect("the picture")
        .test;
    let expected = read.image_f32(0);
    open(&browser, &served.url);
    browser.choose("#file", &path);
    browser.wait("document.getElementById('original-caption').textContent === 'photograph.png'");
    let found = pixels(&browser, "original", 3);
    let away = |(a, b): (&f32, &f32)| (a - b).abs();
    let worst = found.iter().zip(&expected).map(away).fold(0.0, f32::max);
    assert!(worst <= 1.5 / 255.0, "{worst}");
    assert_same_code(&code(&browser), &reference.encode(&found));
    check_picture(&browser, &mut reference, 3);
    browser.screenshot("colours");
    assert_content(&browser);
}

#[test]
fn a_picture_can_be_dropped_and_what_is_none_is_refused() {
    use base64::Engine;
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("colours");
    let mut reference = Reference::open("colours");
    open(&browser, &served.url);
    let drop_file = |name: &str, bytes: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        browser.run(&format!(
            "const data = new DataTransfer();
             data.items.add(new File([bytesOf({text:?})], {name:?}));
             dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, cancelable: true }}))"
        ));
    };
    drop_file("broken.png", b"\x89PNG but no more");
    browser.wait("!document.getElementById('fault').hidden");
    assert!(text(&browser, "fault").contains("broken.png is not a picture"));
    let picture = image::open(runs().join("pictures/07.png"))
        .expect("a picture")
        .into_rgb8();
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, image::ImageFormat::Png)
        .expect("PNG");
    drop_file("07.png", png.get_ref());
    browser.wait("document.getElementById('original-caption').textContent === '07.png'");
    assert_eq!(
        browser.run("return document.getElementById('fault').hidden"),
        json!(true)
    );
    let values: Vec<f32> = picture
        .as_raw()
        .iter()
        .map(|v| f32::from(*v) / 255.0)
        .collect();
    assert_same_code(&code(&browser), &reference.encode(&values));
    check_picture(&browser, &mut reference, 3);
}

#[test]
fn a_page_says_so_when_the_program_is_gone() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("digits");
    open(&browser, &served.url);
    drop(served);
    browser.click("#random");
    browser.wait("!document.getElementById('fault').hidden");
    assert!(text(&browser, "fault").contains("elbo does not answer"));
}

#[test]
fn every_control_has_a_name() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("digits");
    open(&browser, &served.url);
    browser.wait("document.querySelectorAll('#samples button').length === 64");
    let nameless = browser.run(
        "return Array.from(document.querySelectorAll('button, input, select, canvas[tabindex], canvas[role]'))
           .filter((e) => !(e.labels?.length && e.labels[0].textContent.trim()) && !e.getAttribute('aria-label')
             && !document.getElementById(e.getAttribute('aria-labelledby'))?.textContent.trim() && !e.textContent.trim())
           .map((e) => e.outerHTML)",
    );
    assert_eq!(nameless, json!([]));
    // Nothing is wider than a phone.
    browser.run("document.body.style.width = '360px'");
    for id in ["map", "sliders", "pad", "samples", "strip"] {
        let width = browser.run(&format!(
            "return document.getElementById({id:?}).scrollWidth"
        ));
        assert!(
            width.as_f64().expect("a width") <= 360.0,
            "{id} is {width} wide"
        );
    }
}
