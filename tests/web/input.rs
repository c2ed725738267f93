//! Images of one's own: from files, from other programs, drawn.

use std::io::Cursor;
use std::path::Path;

use elbo::data::{DataOptions, SourceOptions, load};

use crate::browser::Browser;
use crate::page::{
    assert_content, assert_same_code, check_picture, code, open, pixels, settle, text,
};
use crate::support::{Reference, Served, runs};

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
    let expected = read.image_f32(0).expect("in memory");
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
    // What is transparent, on a colour that is not black.
    let on_colour = DataOptions {
        source: SourceOptions {
            background: Some("#ff0064".parse().expect("a colour")),
            ..SourceOptions::default()
        },
        whole: true,
        ..DataOptions::default()
    };
    let pixel = image::RgbaImage::from_pixel(1, 1, image::Rgba([10, 20, 30, 51]));
    pixel.save(&path).expect("a picture");
    let read = load(source, &on_colour, &mut |_| ()).expect("the pixel");
    let laid: Vec<f64> = read
        .test
        .image_f32(0)
        .expect("in memory")
        .iter()
        .map(|value| (255.0 * value).round().into())
        .collect();
    let found = browser.run(
        "const pixel = { data: new Uint8ClampedArray([10, 20, 30, 51]), width: 1 };
         return [...channelsOf(pixel, { left: 0, top: 0, across: 1, down: 1 }, 3, [255, 0, 100])]",
    );
    let found: Vec<f64> = found
        .as_array()
        .expect("values")
        .iter()
        .filter_map(|value| value.as_f64())
        .collect();
    assert_eq!(found, laid);
    // A photograph has millions of pixels, and the page does not answer meanwhile: each value of those that are kept is
    // read once, and arrays are made for axes, not for pixels.
    let counts = browser.run(
        "const [width, height] = [256, 192], data = new Uint8ClampedArray(4 * width * height).fill(77);
         let reads = 0;
         const counted = new Proxy(data, { get: (from, at) => { reads++; return from[at]; } });
         fitted({ data: counted, width, height }, app.model);
         return reads / (4 * width * height)",
    );
    let reads = counts.as_f64().expect("a number");
    assert!(
        reads > 0.0 && reads <= 2.0,
        "each value is read {reads} times"
    );
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
    let give = |name: &str, bytes: &[u8], event: &str| {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        browser.run(&format!(
            "const data = new DataTransfer();
             data.items.add(new File([bytesOf({text:?})], {name:?}));
             dispatchEvent(new {event})"
        ));
    };
    let ways = [
        "DragEvent('drop', { dataTransfer: data, cancelable: true })",
        "ClipboardEvent('paste', { clipboardData: data })",
    ];
    give("broken.png", b"\x89PNG but no more", ways[0]);
    browser.wait("!document.getElementById('fault').hidden");
    assert!(text(&browser, "fault").contains("broken.png is not a picture"));
    let picture = image::open(runs().join("pictures/right/07.png"))
        .expect("a picture")
        .into_rgb8();
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, image::ImageFormat::Png)
        .expect("PNG");
    let values: Vec<f32> = picture
        .as_raw()
        .iter()
        .map(|v| f32::from(*v) / 255.0)
        .collect();
    for way in ways {
        browser.click("#reset");
        settle(&browser);
        give("07.png", png.get_ref(), way);
        browser.wait("!document.getElementById('original-figure').hidden");
        assert_eq!(text(&browser, "original-caption"), "07.png");
        assert_eq!(text(&browser, "fault"), "");
        assert_same_code(&code(&browser), &reference.encode(&values));
        check_picture(&browser, &mut reference, 3);
    }
}

#[test]
fn ink_has_the_colour_that_was_chosen() {
    let Some(browser) = Browser::open(false) else {
        return;
    };
    let served = Served::start("colours");
    let mut reference = Reference::open("colours");
    open(&browser, &served.url);
    browser.run(
        "document.getElementById('ink').value = '#ff8000'; document.getElementById('brush').value = 20",
    );
    browser.drag("#pad", &[[90.0, 60.0], [90.0, 150.0]]);
    // Strokes come one by one.
    let end = "const { pad, context } = app.input, scale = pad.width / pad.clientWidth;
         return context.getImageData(90 * scale, 150 * scale, 1, 1).data[0] === 255";
    browser.wait(&format!("(() => {{ {end} }})()"));
    browser.wait("!app.encodeLive.busy()");
    settle(&browser);
    let drawn = pixels(&browser, "original", 3);
    let full = drawn.chunks(3).filter(|p| p[0] > 0.95).count();
    assert!(full > 0, "some pixels are all ink: {drawn:?}");
    for pixel in drawn.chunks(3) {
        // Half as much green as red; a resized edge may be brighter than ink, which red cannot be.
        let most = if pixel[0] < 1.0 { 0.51 } else { 0.56 };
        let (least, green) = (0.49 * pixel[0] - 0.01, pixel[1]);
        assert!(
            (least..=most * pixel[0] + 0.01).contains(&green),
            "{pixel:?}"
        );
        assert_eq!(pixel[2], 0.0);
    }
    assert_same_code(&code(&browser), &reference.encode(&drawn));
}
