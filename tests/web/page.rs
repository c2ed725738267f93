//! What the tests do with a page, wherever it comes from.

use serde_json::Value;

use crate::browser::Browser;
use crate::support::Reference;

/// Waits until a page shows its first picture by the best decoder that it finds.
pub(crate) fn open(browser: &Browser, url: &str) {
    open_at_once(browser, url);
    browser.wait("!app.isLooking");
    settle(browser);
}

/// Waits until a page shows its first picture, by whatever decodes it.
pub(crate) fn open_at_once(browser: &Browser, url: &str) {
    browser.visit(url);
    browser.wait("app !== null && !document.body.classList.contains('loading')");
    settle(browser);
}

/// Waits until the picture is that of the code.
pub(crate) fn settle(browser: &Browser) {
    browser.wait("document.getElementById('stage').getAttribute('aria-busy') === 'false'");
}

pub(crate) fn text(browser: &Browser, id: &str) -> String {
    let found = browser.run(&format!(
        "return document.getElementById({id:?}).textContent"
    ));
    found.as_str().expect("text").to_owned()
}

pub(crate) fn floats(value: &Value) -> Vec<f32> {
    let values = value.as_array().expect("an array").iter();
    values
        .map(|v| v.as_f64().expect("a number") as f32)
        .collect()
}

/// The page's code.
pub(crate) fn code(browser: &Browser) -> Vec<f32> {
    floats(&browser.run("return Array.from(app.code)"))
}

/// The pixels of a canvas, red, green, blue and alpha from 0 to 255. They are read from a copy: a browser warns of a
/// canvas that is read again and again, and the page itself does not.
pub(crate) fn rgba(browser: &Browser, selector: &str) -> Vec<f32> {
    let script = format!(
        "const c = document.querySelector({selector:?});
         const copy = Object.assign(document.createElement('canvas'), {{ width: c.width, height: c.height }});
         const context = copy.getContext('2d', {{ willReadFrequently: true }});
         context.drawImage(c, 0, 0);
         return Array.from(context.getImageData(0, 0, c.width, c.height).data)"
    );
    floats(&browser.run(&script))
}

/// The pixels of a canvas as values of the run's channels.
pub(crate) fn pixels(browser: &Browser, id: &str, channels: usize) -> Vec<f32> {
    let rgba = rgba(browser, &format!("#{id}"));
    assert!(
        rgba.chunks(4).all(|pixel| pixel[3] == 255.0),
        "{id} is opaque"
    );
    if channels == 1 {
        assert!(
            rgba.chunks(4).all(|p| p[0] == p[1] && p[1] == p[2]),
            "{id} is grey"
        );
    }
    let values = rgba.chunks(4).flat_map(|pixel| &pixel[..channels]);
    values.map(|value| value / 255.0).collect()
}

/// Most that two pictures may differ by: a step of a byte, and the rounding of this comparison itself.
const A_STEP: f32 = 1.0 / 255.0 + 1e-6;

/// Checks that the page shows what the program decodes from the page's code, and returns it.
pub(crate) fn check_picture(
    browser: &Browser,
    reference: &mut Reference,
    channels: usize,
) -> Vec<f32> {
    settle(browser);
    let decoded = reference.decode(&code(browser));
    let expected = reference.shares(&decoded);
    let found = pixels(browser, "decoded", channels);
    assert_eq!(found.len(), expected.len());
    let away = |(a, b): (&f32, &f32)| (a - b).abs();
    let worst = found.iter().zip(&expected).map(away).fold(0.0, f32::max);
    assert!(worst <= A_STEP, "{worst} by {}", text(browser, "decoder"));
    found
}

/// Most that two codes may differ by, as a share of the largest value or 1: sums of some hundred products in f32.
const ROUNDING: f32 = 1e-4;

pub(crate) fn assert_same_code(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
    for (a, b) in found.iter().zip(expected) {
        assert!(
            (a - b).abs() <= ROUNDING * size,
            "{found:?} for {expected:?}"
        );
    }
}

/// Checks that there are no complaints.
pub(crate) fn assert_content(browser: &Browser) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
