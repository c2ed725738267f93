//! The page of a run and that of a comparison.

use std::fs;
use std::path::{Path, PathBuf};

use elbo::draw::Grid;
use elbo::model::{Loss, ModelSpec};
use elbo::shape::ImageShape;
use elbo::train::metrics::{Epoch, Line, Report};
use elbo::train::{RunConfig, RunFolder};
use elbo::watch::compare::Comparison;
use elbo::watch::{Status, report};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;

const STEPS: u64 = 40;

fn config(data: &str, epochs: u32) -> RunConfig {
    let text = format!(
        "device = 'cpu'\ndata = 'digits'\ntest-fraction = 0.1\nsplit-seed = 0\n\
         model = 'vae'\nhidden = [400]\nlatent = 20\nactivation = 'relu'\nbeta = 1.0\n\
         image = '8x8x1'\nlikelihood = 'bernoulli'\n\
         epochs = {epochs}\nbatch-size = 128\nlr = 0.001\nweight-decay = 0.0\n\
         grad-clip = 0.0\nbinarize = 'none'\nseed = 1\n\
         [record]\nversion = '0.1.0'\ndevice = 'CPU (2 threads)'\ndata = {data:?}\n\
         started = '2026-01-31T23:59:59Z'\n"
    );
    RunConfig::from_toml(&text, Path::new("config.toml")).expect("a configuration")
}

/// The lines of an epoch: reports that fall towards a floor, and the epoch itself.
fn lines(epoch: u32, floor: f64) -> Vec<Line> {
    let loss = |step: u64| floor + 400.0 / step as f64;
    let first = u64::from(epoch - 1) * STEPS;
    let mut lines: Vec<Line> = (1..=STEPS / 4)
        .map(|i| {
            let step = first + 4 * i;
            Line::Report(Report {
                epoch,
                step,
                loss: Loss::new(
                    &ModelSpec::reference(),
                    &[loss(step), 25.0 - 20.0 / step as f64],
                ),
                learning_rate: 1e-3 / f64::from(epoch),
                kl_weight: 1.0,
                kl_target: None,
                images_per_s: 5e4,
                seconds: step as f64 / 10.0,
            })
        })
        .collect();
    let last = loss(first + STEPS);
    lines.push(Line::Epoch(Epoch {
        epoch,
        step: first + STEPS,
        train: Loss::new(&ModelSpec::reference(), &[last + 2.0, 25.0]),
        test: Loss::new(&ModelSpec::reference(), &[last, 24.5]),
        learning_rate: 1e-3 / f64::from(epoch),
        kl_weight: 1.0,
        kl_target: None,
        active_units: Some(12 + epoch as usize),
        sigma: None,
        astray: false,
        kl_per_unit: (0..20)
            .map(|i| f64::from(i * epoch) / f64::from(epoch + 3))
            .collect(),
        images_per_s: 5e4,
        seconds: (first + STEPS) as f64 / 10.0,
    }));
    lines
}

/// A run folder with pictures of a grey of their own at each epoch.
fn run(folder: &TempDir, name: &str, data: &str, epochs: u32, floor: f64) -> PathBuf {
    let path = folder.path().join(name);
    RunFolder::create(&path, config(data, epochs)).expect("a run folder");
    let lines = (1..=epochs).flat_map(|epoch| lines(epoch, floor));
    let lines = lines.map(|line| serde_json::to_string(&line).expect("JSON") + "\n");
    fs::write(path.join("metrics.jsonl"), lines.collect::<String>()).expect("the metrics");
    for kind in ["samples", "reconstructions"] {
        fs::create_dir(path.join(kind)).expect("a folder");
        for epoch in 1..=epochs {
            let grey = vec![epoch as f32 / epochs as f32; 64 * 64];
            let grid = Grid::of_images(&grey, ImageShape::new(8, 8, 1), 8).expect("a grid");
            let png = grid.png().expect("a PNG");
            fs::write(path.join(kind).join(format!("epoch-{epoch:04}.png")), png).expect("a file");
        }
    }
    path
}

fn quiet(browser: &Browser) {
    let console = browser.complaints();
    assert!(console.is_empty(), "{console:?}");
}

/// Whether elements are there and seen, by a selector.
fn seen(browser: &Browser, selector: &str) -> Value {
    browser.run(&format!(
        "const all = [...document.querySelectorAll('{selector}')];
         return all.filter((one) => one.checkVisibility()).length;"
    ))
}

#[test]
fn a_page_has_its_parts_and_they_answer() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = run(&folder, "a-run", "digits", 6, 80.0);
    browser.screen(1280, 900, false);
    browser.open_file(&report::write(&path, None).expect("a page"));
    for (selector, count) in [
        (".badge.finished", 1),
        (".cards > div", 7),
        // Three losses, the learning rate, bars, their history, active units.
        (".chart", 7),
        (".plot svg", 5),
        (".step.shown img", 2),
        (".bars b", 20),
        ("table caption", 5),
    ] {
        assert_eq!(seen(&browser, selector), count, "{selector}");
    }
    let figure = browser.run("return document.querySelector('.cards dd b').textContent");
    assert_eq!(figure, "−106.17");

    // The slider.
    let shown = "const step = document.querySelector('.step.shown');
                 return [step.dataset.epoch, document.querySelector('.slider output').value];";
    assert_eq!(browser.run(shown), json!(["6", "Epoch 6"]));
    let source = "return document.querySelector('.step.shown img').src";
    let before = browser.run(source);
    browser.run(
        "const slider = document.querySelector('input[type=range]');
         slider.value = 1;
         slider.dispatchEvent(new Event('input'));",
    );
    assert_eq!(browser.run(shown), json!(["2", "Epoch 2"]));
    assert_ne!(browser.run(source), before);
    assert_eq!(seen(&browser, ".step img"), 2, "of one epoch only");

    // Scale and legend.
    assert_eq!(seen(&browser, ".y-log"), 0);
    browser.run("document.querySelector('#scale-log').click()");
    assert_eq!(seen(&browser, ".y-log"), 3);
    assert_eq!(
        seen(&browser, ".y-linear"),
        2,
        "what has no logarithmic drawing"
    );
    assert_eq!(seen(&browser, ".y-log .line.train"), 3);
    browser.run("document.querySelector('#show-train').click()");
    assert_eq!(seen(&browser, ".line.train"), 0);
    assert_eq!(seen(&browser, ".y-log .line.test"), 3);
    browser.run("document.querySelector('#scale-linear').click()");
    browser.run("document.querySelector('#show-train').click()");

    // The read-out, in the middle of the first chart, and by a key.
    let read = browser.run(
        "const svg = document.querySelector('.plot svg'), box = svg.getBoundingClientRect();
         const at = {clientX: box.left + box.width / 2, clientY: box.top + 5, bubbles: true};
         svg.dispatchEvent(new PointerEvent('pointermove', at));
         return document.querySelector('.tip').innerText.split(/\\s+/);",
    );
    assert_eq!(
        read,
        json!(["epoch", "3", "train", "108.17", "test", "107.83"])
    );
    browser.screenshot("report");
    let read = browser.run(
        "const svg = document.querySelector('.plot svg');
         svg.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
         return document.querySelector('.tip').innerText.split(/\\s+/).slice(0, 2);",
    );
    assert_eq!(read, json!(["epoch", "3.1"]));
    quiet(&browser);
}

#[test]
fn a_page_fits_a_phone_in_the_dark() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = run(&folder, &"a_long_name_".repeat(8), "digits", 3, 80.0);
    let page = report::write(&path, Some(Status::Running)).expect("a page");
    browser.screen(360, 780, true);
    browser.open_file(&page);
    let width = browser.run("return document.documentElement.scrollWidth");
    assert_eq!(width, 360);
    let dark = "const colour = getComputedStyle(document.body).backgroundColor;
                return Math.max(...colour.match(/\\d+/g)) < 64;";
    assert_eq!(browser.run(dark), true);
    assert_eq!(seen(&browser, ".badge.running input"), 1);
    browser.screenshot("report-phone");
    browser.screen(360, 780, false);
    assert_eq!(browser.run(dark), false);
    quiet(&browser);
}

/// What a page shows as text is never markup, wherever a user's words come in.
#[test]
fn markup_in_names_stays_text() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let evil = "<script>window.broken = 1<\\u002fscript>\"'&<img src=x onerror='window.broken=2'>";
    let evil = evil.replace("\\u002f", "/");
    // A slash cannot be in a folder's name.
    let name = evil.replace('/', "|");
    let path = run(&folder, &name, &evil, 2, 80.0);
    let plain = run(&folder, "plain", &evil, 2, 90.0);
    let both = Comparison::read(&[path.clone(), plain]).expect("two runs");
    let compared = folder.path().join("compare.html");
    fs::write(&compared, both.html()).expect("a page");
    let page = folder.path().join("page.html");
    fs::copy(report::write(&path, None).expect("a page"), &page).expect("a copy");
    for page in [&page, &compared] {
        browser.open_file(page);
        assert_eq!(browser.run("return window.broken ?? null"), Value::Null);
        assert_eq!(
            seen(&browser, "body script:not([type]), img[src=x]"),
            0,
            "{page:?}"
        );
        let text = browser.run("return document.body.textContent");
        let text = text.as_str().expect("text");
        assert!(text.contains(&name), "{page:?} shows the run's name");
        assert!(text.contains(&evil), "{page:?} shows the data's name");
        quiet(&browser);
    }
}

#[test]
fn a_page_is_whole_without_its_script() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = run(&folder, "run", "digits", 3, 80.0);
    let page = report::write(&path, None).expect("a page");
    browser.screen(1280, 900, false);
    browser.devtools(
        "Emulation.setScriptExecutionDisabled",
        &json!({"value": true}),
    );
    browser.open_file(&page);
    let evaluate = |expression: &str| {
        let parameters = json!({"expression": expression, "returnByValue": true});
        browser.devtools("Runtime.evaluate", &parameters)["result"]["value"].clone()
    };
    assert_eq!(evaluate("document.body.classList.contains('js')"), false);
    let count = "[...document.querySelectorAll('.step img')].filter((i) => i.checkVisibility() && i.complete).length";
    assert_eq!(evaluate(count), 6, "every picture is in the strip");
    assert_eq!(
        evaluate("document.querySelector('.slider') === null"),
        true,
        "nothing that does not work"
    );
    let lines = "document.querySelector('.line.test').getBoundingClientRect().width > 300";
    assert_eq!(evaluate(lines), true);
}

#[test]
fn runs_lie_over_each_other_by_epoch_or_time() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths = [
        run(&folder, "a", "digits", 6, 80.0),
        run(&folder, "b", "digits", 4, 84.0),
    ];
    let page = folder.path().join("compare.html");
    let comparison = Comparison::read(&paths).expect("two runs");
    fs::write(&page, comparison.html()).expect("a page");
    browser.screen(1280, 900, false);
    browser.open_file(&page);
    assert_eq!(seen(&browser, ".chart.x-epoch"), 3);
    assert_eq!(seen(&browser, ".chart.x-time"), 0);
    assert_eq!(seen(&browser, ".line.s0"), 3);
    assert_eq!(seen(&browser, ".line.s1"), 3);
    browser.run("document.querySelector('#axis-time').click()");
    assert_eq!(seen(&browser, ".chart.x-epoch"), 0);
    assert_eq!(seen(&browser, ".chart.x-time"), 3);
    browser.run("document.querySelector('#show-1').click()");
    assert_eq!(seen(&browser, ".line.s1"), 0);
    assert_eq!(seen(&browser, ".line.s0"), 3);
    browser.screenshot("compare");
    quiet(&browser);
}

#[test]
fn a_comparison_fits_a_phone_whatever_its_data_are_called() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let long = "celeba_aligned_and_cropped_64x64_grey_subset_of_november".repeat(2);
    let paths = ["a", "b"].map(|name| run(&folder, name, &format!("{long}_{name}"), 2, 80.0));
    let page = folder.path().join("compare.html");
    let comparison = Comparison::read(&paths).expect("two runs");
    fs::write(&page, comparison.html()).expect("a page");
    browser.screen(360, 780, true);
    browser.open_file(&page);
    let sizes = "return [innerWidth, document.documentElement.scrollWidth]";
    assert_eq!(browser.run(sizes), json!([360, 360]));
    assert_eq!(seen(&browser, ".note"), 1);
    browser.screenshot("compare-phone");
    quiet(&browser);
}
