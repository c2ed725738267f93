use embedded_graphics::prelude::RgbColor;

use super::*;

fn picture(bytes: &[u8]) -> image::RgbImage {
    image::load_from_memory(bytes).expect("a PNG").to_rgb8()
}

/// How many pixels have a class's colour to the bit, in the legend and left of it.
fn counts(picture: &image::RgbImage, class: usize) -> (usize, usize) {
    let colour = Mark::of(class).colour;
    let colour = [colour.r(), colour.g(), colour.b()];
    let own = picture
        .enumerate_pixels()
        .filter(|(_, _, pixel)| pixel.0 == colour);
    let (legend, plot): (Vec<_>, Vec<_>) = own.partition(|(x, _, _)| *x as i32 > LEFT + SIDE + 4);
    (legend.len(), plot.len())
}

#[test]
fn a_class_is_where_its_codes_are_and_in_the_legend() {
    // Two clusters: class 3 at the lower right, class 7 at the upper left.
    let codes: Vec<f32> = (0..40)
        .flat_map(|i| {
            let (x, y) = ((i % 5) as f32 / 5.0, (i / 5 % 4) as f32 / 5.0);
            if i % 2 == 0 {
                [9.0 + x, y]
            } else {
                [x, 9.0 + y]
            }
        })
        .collect();
    let labels: Vec<u32> = (0..40).map(|i| if i % 2 == 0 { 3 } else { 7 }).collect();
    let classes = Classes {
        labels: &labels,
        names: &[],
    };
    let bytes = latents(&codes, 2, Some(classes), "title").expect("a picture");
    let seen = picture(&bytes);
    // Darkest where dots lie on each other; look for anything but paper and lines of the grid.
    let coloured = |xs: std::ops::Range<i32>, ys: std::ops::Range<i32>, class: usize| {
        let colour = Mark::of(class).colour;
        let all = xs.flat_map(|x| ys.clone().map(move |y| (x, y)));
        all.filter(|&(x, y)| {
            let [r, g, b] = seen.get_pixel(x as u32, y as u32).0;
            let near = |a: u8, b: u8| a.abs_diff(b) < 60;
            near(r, colour.r()) && near(g, colour.g()) && near(b, colour.b())
        })
        .count()
    };
    let (middle, bottom) = (LEFT + SIDE / 2, TOP + SIDE / 2);
    let lower_right = |class| coloured(middle..LEFT + SIDE, bottom..TOP + SIDE, class);
    let upper_left = |class| coloured(LEFT..middle, TOP..bottom, class);
    assert!(lower_right(0) > 50 && upper_left(1) > 50);
    assert_eq!((lower_right(1), upper_left(0)), (0, 0));
    assert!(counts(&seen, 0).0 > 50 && counts(&seen, 1).0 > 50, "legend");
    assert_eq!(counts(&seen, 2), (0, 0));
}

#[test]
fn no_text_is_cut_off() {
    // A plot with the longest names that axes have, and the narrowest one.
    for latent in [2048, 2] {
        let mut codes = vec![0.0; 4 * latent];
        for (image, value) in [(0, 9.0), (1, -9.0)] {
            codes[image * latent + usize::from(latent == 2)] = value;
        }
        for letters in [1, 90] {
            let title = "t".repeat(letters);
            let seen = picture(&latents(&codes, latent, None, &title).expect("a picture"));
            let ink = |xs: std::ops::Range<u32>| {
                let mut pixels = seen.enumerate_pixels();
                pixels.any(|(x, _, pixel)| xs.contains(&x) && pixel.0 != [255; 3])
            };
            let width = seen.width();
            assert!(!ink(0..4) && !ink(width - 8..width), "{latent} {letters}");
            let end = (EDGE + letters as i32 * LETTER) as u32;
            assert!(ink(end - 9..end), "the last letter");
        }
    }
    // A name of a class at the edge of the picture.
    let mut canvas = Canvas::new(200, 60);
    outlined(&mut canvas, "a-name-of-a-class", (198.0, 2.0));
    let (_, _, pixels) = canvas.into_pixels();
    let mut whole = Canvas::new(200, 60);
    outlined(&mut whole, "a-name-of-a-class", (100.0, 30.0));
    let inked = |pixels: &[u8]| pixels.iter().filter(|value| **value == 30).count();
    assert_eq!(inked(&pixels), inked(&whole.into_pixels().2));
}

#[test]
fn names_that_lie_on_each_other_are_moved_apart() {
    let group = |name: &str| Group {
        name: name.to_owned(),
        mark: Mark::of(0),
        images: Vec::new(),
    };
    let groups = ["3", "5", "8", "far"].map(group);
    let mut places = [
        (100.0, 100.0),
        (102.0, 103.0),
        (98.0, 100.0),
        (300.0, 100.0),
    ];
    move_apart(&mut places, &groups);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        assert!((places[a].1 - places[b].1).abs() >= 16.0, "{places:?}");
    }
    assert_eq!(places[3], (300.0, 100.0));
    assert!(
        places.iter().all(|place| (place.1 - 100.0).abs() < 40.0),
        "{places:?}"
    );
}

#[test]
fn a_plot_is_as_high_as_its_codes_need() {
    let size = |codes: &[f32]| {
        let bytes = latents(codes, 2, None, "title").expect("a picture");
        let (width, height) = picture(&bytes).dimensions();
        (width as i32 - LEFT - RIGHT, height as i32 - TOP - BOTTOM)
    };
    assert_eq!(size(&[0.0, 0.0, 4.0, 4.0]), (SIDE, SIDE));
    assert_eq!(size(&[0.0, 0.0, 4.0, 3.0]), (SIDE, SIDE * 3 / 4));
    assert_eq!(size(&[0.0, 0.0, 0.1, 4.0]), (SIDE / 2, SIDE));
}

#[test]
fn without_labels_there_is_one_colour_and_no_legend() {
    let codes: Vec<f32> = (0..60).map(|i| (i * i % 17) as f32).collect();
    for latent in [1, 2, 3] {
        let plain = latents(&codes, latent, None, "title").expect("a picture");
        let plain = picture(&plain);
        assert_eq!(plain.width() as i32, LEFT + SIDE + RIGHT, "{latent}");
        let labels = vec![0; 60 / latent];
        let classes = Classes {
            labels: &labels,
            names: &["a".to_owned()],
        };
        let with = latents(&codes, latent, Some(classes), "title").expect("a picture");
        assert!(picture(&with).width() > plain.width(), "{latent}");
    }
}

#[test]
fn one_latent_value_gives_bars_of_each_class() {
    let codes = [0.0, 0.0, 0.0, 1.0];
    let classes = Classes {
        labels: &[0, 0, 1, 1],
        names: &[],
    };
    let seen = latents(&codes, 1, Some(classes), "title").expect("a picture");
    let seen = picture(&seen);
    let bar = (SIDE / BARS as i32) as usize;
    // A lane is 320 pixels high, of which the whole of a class takes 314.
    assert_eq!(counts(&seen, 0).1, bar * 314);
    assert_eq!(counts(&seen, 1).1, 2 * bar * 157);
}

#[test]
fn codes_that_are_all_alike_have_a_picture() {
    for latent in 1..4 {
        assert!(latents(&vec![0.5; 6 * latent], latent, None, "title").is_ok());
    }
    assert!(latents(&[], 2, None, "title").is_err());
}

#[test]
fn names_are_cut_and_those_without_letters_go_by_number() {
    let names = ["cat", "\u{732b}", "a-very-long-name-of-a-class"].map(str::to_owned);
    let seen = [0, 1, 2, 3].map(|label| name(label, &names));
    assert_eq!(seen, ["cat", "1", "a-very-long-name-...", "3"]);
}

#[test]
fn more_classes_than_can_be_told_apart_are_counted() {
    let labels: Vec<u32> = (0..=MOST_MARKS as u32).collect();
    let classes = |labels| Classes { labels, names: &[] };
    assert_eq!(classes(&labels).too_many(), Some(MOST_MARKS + 1));
    assert_eq!(classes(&labels[1..]).too_many(), None);
    let codes = vec![0.0; 2 * labels.len()];
    assert!(latents(&codes, 2, Some(classes(&labels)), "title").is_err());
}
