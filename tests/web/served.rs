//! The served page in a browser.

use serde_json::json;

use crate::browser::Browser;
use crate::page::{
    assert_content, assert_same_code, check_picture, code, floats, open, pixels, rgba, settle, text,
};
use crate::support::{Reference, Served};

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
    let asked = "performance.getEntriesByType('resource').some((r) => r.name.endsWith('/weights'))";
    let asked = browser.run(&format!("return {asked}"));
    assert_eq!(asked, json!(webgpu), "parameters are for WebGPU");
    assert!(text(&browser, "own-size").contains("Training saw binarised images"));
    // The model is told no class.
    let menu = browser.run("return document.getElementById('class').checkVisibility()");
    assert_eq!(menu, json!(false));
    sliders_change_the_picture(&browser, &mut reference);
    what_is_kept_is_the_code_and_its_picture(&browser, &mut reference);
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

/// Also where another code is on its way to its picture.
fn what_is_kept_is_the_code_and_its_picture(browser: &Browser, reference: &mut Reference) {
    browser.run(
        "app.set(new Float32Array(4).fill(-1.5)); app.keep('b');
         app.set(new Float32Array([1, -1, 2, 1])); app.keep('a'); app.set(new Float32Array(4))",
    );
    check_picture(browser, reference, 1);
    for (id, code) in [("kept-a", [1.0, -1.0, 2.0, 1.0]), ("kept-b", [-1.5; 4])] {
        browser.wait(&format!("document.getElementById({id:?}).width === 28"));
        let found = pixels(browser, id, 1);
        for (a, b) in found.iter().zip(&reference.decode(&code)) {
            assert!((a - b).abs() <= 1.01 / 255.0, "{id}: {a} {b}");
        }
    }
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
    let circle = elbo::view::Path::Spherical.between(&a, &b, 0.25);
    assert_same_code(&at(0.25), &circle);
    paths_are_those_of_the_program(browser);
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
    let image = image.expect("in memory");
    assert_same_code(&code(browser), &reference.encode(&image));
    for (found, expected) in pixels(browser, "original", 1).iter().zip(&image) {
        assert!((found - expected).abs() < 1e-6, "the image itself");
    }
    let label = images.labels.as_ref().expect("labels")[number(1) as usize];
    assert!(text(browser, "original-caption").ends_with(&format!("class {label}")));
    assert_eq!(text(browser, "said"), text(browser, "original-caption"));
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
    // A browser may take its device back, for instance where another page crashed it; a picture may be under way.
    browser.run("app.set(app.random()); app.decoder.runner.device.destroy()");
    browser.wait("document.getElementById('decoder').textContent.includes('by elbo on CPU')");
    check_picture(&browser, &mut reference, 3);
    assert_eq!(text(&browser, "fault"), "");
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

#[test]
fn classes_go_by_their_names() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("colours");
    open(&browser, &served.url);
    let chips =
        "return Array.from(document.querySelectorAll('#legend .chip'), (c) => c.textContent)";
    assert_eq!(browser.run(chips), json!(["left", "right"]));
    let labels = Reference::open("colours").images().labels.expect("labels");
    browser.keys("#which", "3\u{e007}");
    browser.wait("app.scatter.image === 3");
    let name = ["left", "right"][labels[3] as usize];
    assert_eq!(
        text(&browser, "original-caption"),
        format!("Image 3 · {name}")
    );
}

#[test]
fn loading_that_fails_says_why() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("digits");
    browser.devtools("Network.enable", &json!({}));
    browser.devtools(
        "Network.setBlockedURLs",
        &json!({ "urls": ["*/description.json"] }),
    );
    browser.visit(&served.url);
    browser.wait("!document.getElementById('fault').hidden");
    assert!(text(&browser, "fault").contains("elbo does not answer"));
    assert_eq!(text(&browser, "subtitle"), "");
    assert_eq!(text(&browser, "decoder"), "");
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
}

/// A connection may be slow, and that is no fault of WebGPU.
#[test]
fn patience_with_a_device_does_not_count_its_parameters() {
    let Some(browser) = Browser::open(true) else {
        return;
    };
    let served = Served::start("digits");
    // The page's patience is at its end at one moment only: while the parameters are under way.
    let source = "{
           const timers = new Map(), get = fetch, later = setTimeout;
           window.setTimeout = (f) => (timers.set(timers.size + 1, f), timers.size);
           window.clearTimeout = (timer) => timers.set(timer, () => {});
           window.fetch = async (path, ...options) => {
             if (String(path).endsWith('weights')) {
               await new Promise((done) => later(done));
               window.patiencesAsked = timers.size;
               timers.forEach((f) => f());
             }
             return get(path, ...options);
           };
         }";
    browser.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        &json!({ "source": source }),
    );
    open(&browser, &served.url);
    assert_eq!(text(&browser, "remark"), "");
    // That for the device, which is over.
    assert_eq!(browser.run("return window.patiencesAsked"), 1);
    let decoder = text(&browser, "decoder");
    assert!(decoder.contains("by WebGPU"), "{decoder}");
    check_picture(&browser, &mut Reference::open("digits"), 1);
}

/// Paths between codes of like and unlike lengths and directions, and those without a circle.
fn paths_are_those_of_the_program(browser: &Browser) {
    use elbo::view::Path;
    for (from, to) in [
        (vec![3.0, 0.0], vec![0.0, 1.0]),
        (vec![0.3, -1.2, 0.7], vec![-2.0, 0.1, 0.4]),
        (vec![1.0, 0.0], vec![1.0, 1e-7]),
        (vec![0.6, 0.0, -0.8], vec![-1.2, 0.0, 1.6]),
        (vec![3.0, 0.1], vec![-1.0, 0.0]),
        (vec![0.0, 0.0], vec![1.0, 2.0]),
        (vec![2.0], vec![-1.0]),
        (vec![0.5, 0.25], vec![1.0, 0.5]),
    ] {
        for t in [0.0, 0.25, 0.5, 0.9, 1.0] {
            for (name, path) in [("linear", Path::Linear), ("spherical", Path::Spherical)] {
                let found = browser.run(&format!(
                    "return [...{name}(new Float32Array({from:?}), new Float32Array({to:?}), {t})]"
                ));
                assert_same_code(&floats(&found), &path.between(&from, &to, t));
            }
        }
    }
}
