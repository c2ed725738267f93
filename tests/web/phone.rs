//! The page on a phone.

use serde_json::json;

use crate::browser::Browser;
use crate::page::{assert_content, check_picture, code, open, settle};
use crate::support::{Reference, Served};

const WIDTH: u32 = 360;

/// Draws a finger along places of the screen.
fn touch(browser: &Browser, places: &[[f64; 2]]) {
    let send = |kind: &str, places: &[[f64; 2]]| {
        let points: Vec<_> = places
            .iter()
            .map(|[x, y]| json!({ "x": x, "y": y }))
            .collect();
        let event = json!({ "type": kind, "touchPoints": points });
        browser.devtools("Input.dispatchTouchEvent", &event);
    };
    send("touchStart", &places[..1]);
    for place in &places[1..] {
        send("touchMove", &[*place]);
    }
    send("touchEnd", &[]);
}

#[test]
fn nothing_is_wider_than_a_phone() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    // The second one with a menu of classes.
    for (run, classes) in [("digits", 10), ("told", 2)] {
        fits_a_phone(&browser, run, classes);
    }
}

fn fits_a_phone(browser: &Browser, run: &str, classes: usize) {
    let served = Served::start(run);
    browser.screen(WIDTH, 780, true);
    open(browser, &served.url);
    browser.run(
        "document.getElementById('title').textContent = 'a_long_name_'.repeat(8);
         for (const option of element('class').options) option.textContent += ' and more of a name'.repeat(4);
         app.keep('a'); app.set(app.random()); app.keep('b'); app.take(0)",
    );
    for (id, count) in [("strip", 9), ("samples", 64), ("legend", classes)] {
        browser.wait(&format!(
            "document.querySelectorAll('#{id} button').length === {count}"
        ));
    }
    let sizes = "return [innerWidth, document.documentElement.scrollWidth]";
    assert_eq!(browser.run(sizes), json!([WIDTH, WIDTH]));
    // Nor is anything cut off inside.
    let cut = browser.run(
        "return Array.from(document.querySelectorAll('body *'))
           .filter((e) => e.checkVisibility() && !e.closest('.unseen, .file, .segments, canvas, #preview'))
           .filter((e) => e.getBoundingClientRect().right > innerWidth || e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
           .map((e) => `${e.tagName} ${e.id} ${e.className} ${e.scrollWidth} ${e.clientWidth}`)",
    );
    assert_eq!(cut, json!([]));
    settle(browser);
    browser.screenshot(&format!("explore-phone-{run}"));
    assert_content(browser);
}

#[test]
fn a_finger_draws_the_cross_up_and_scrolls_elsewhere() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("digits");
    let mut reference = Reference::open("digits");
    browser.screen(WIDTH, 780, false);
    browser.devtools(
        "Emulation.setTouchEmulationEnabled",
        &json!({ "enabled": true }),
    );
    open(&browser, &served.url);
    let place = "document.getElementById('marks').scrollIntoView({ block: 'center' });
         const { left, top } = document.getElementById('marks').getBoundingClientRect();
         const [x, y] = app.scatter.pixel(app.scatter.along(app.code));
         return [left + x, top + y, scrollY]";
    let found = browser.run(place);
    let [x, y, scrolled] = [0, 1, 2].map(|i| found[i].as_f64().expect("a number"));
    let way: Vec<[f64; 2]> = (0..=10)
        .map(|i| [x + 3.0, y - 8.0 * f64::from(i)])
        .collect();
    touch(&browser, &way);
    settle(&browser);
    let up = browser.run("return Number(app.scatter.axes[1].value)");
    let value = code(&browser)[up.as_u64().expect("an axis") as usize];
    assert!(value > 1.0, "80 pixels up are {value}");
    check_picture(&browser, &mut reference, 1);
    assert_eq!(browser.run("return scrollY").as_f64(), Some(scrolled));
    // Beside the cross.
    let before = code(&browser);
    let way: Vec<[f64; 2]> = (0..=10)
        .map(|i| [x + 70.0, y - 8.0 * f64::from(i)])
        .collect();
    touch(&browser, &way);
    browser.wait(&format!("scrollY > {scrolled} + 30"));
    assert_eq!(code(&browser), before);
}
