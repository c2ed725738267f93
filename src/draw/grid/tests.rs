//! Grids: where images lie, and what their values look like.

use super::*;

/// Shown six times as large.
const SHAPE: ImageShape = ImageShape::new(10, 10, 1);

fn flat(levels: &[f32], shape: ImageShape) -> Vec<f32> {
    levels
        .iter()
        .flat_map(|&level| vec![level; shape.values()])
        .collect()
}

fn pixel(grid: &Grid, x: usize, y: usize) -> &[u8] {
    let at = (y * grid.xs.total + x) * grid.channels;
    &grid.pixels[at..at + grid.channels]
}

#[test]
fn an_eight_by_eight_grid_of_28_by_28_doubles_every_pixel() {
    let shape = ImageShape::new(28, 28, 1);
    let grid = Grid::of_images(&vec![0.0; 64 * 784], shape, 8).expect("a grid");
    assert_eq!(grid.size(), (8 * 56 + 9 * 2, 8 * 56 + 9 * 2));
}

#[test]
fn images_lie_in_reading_order_with_gaps_between() {
    let grid = Grid::of_images(&flat(&[0.0, 1.0, 0.2], SHAPE), SHAPE, 2).expect("a grid");
    assert_eq!(grid.size(), (2 * 60 + 6, 2 * 60 + 6));
    let (first, second) = (2, 2 + 60 + 2);
    assert_eq!(pixel(&grid, first, first), [0]);
    assert_eq!(pixel(&grid, first + 59, first + 59), [0]);
    assert_eq!(pixel(&grid, first + 60, first), [BACKGROUND]);
    assert_eq!(pixel(&grid, second, first), [255]);
    assert_eq!(pixel(&grid, first, second), [51]);
    assert_eq!(pixel(&grid, second, second), [BACKGROUND], "an empty place");
}

#[test]
fn a_pixel_keeps_its_row_and_column() {
    let shape = ImageShape::new(32, 64, 1);
    let mut values = vec![0.0; shape.values()];
    values[5 * 64 + 9] = 1.0;
    let grid = Grid::of_images(&values, shape, 8).expect("a grid");
    assert_eq!(pixel(&grid, 2 + 9, 2 + 5), [255]);
    assert_eq!(grid.pixels.iter().filter(|&&p| p == 255).count(), 1);
}

#[test]
fn colours_keep_their_channels() {
    let shape = ImageShape::new(64, 64, 3);
    let values = [1.0, 0.0, 0.4].repeat(64 * 64);
    let grid = Grid::of_images(&values, shape, 1).expect("a grid");
    assert_eq!(pixel(&grid, 40, 40), [255, 0, 102]);
}

#[test]
fn other_channel_counts_show_the_first_channel() {
    let shape = ImageShape::new(64, 64, 2);
    let grid = Grid::of_images(&[0.2, 1.0].repeat(64 * 64), shape, 1).expect("a grid");
    assert_eq!(pixel(&grid, 3, 3), [51]);
}

#[test]
fn values_are_clamped_and_nan_is_black() {
    let levels = [-3.0, 7.0, f32::NAN];
    let grid = Grid::of_images(&flat(&levels, SHAPE), SHAPE, 3).expect("a grid");
    let seen: Vec<u8> = (0..3).map(|i| pixel(&grid, 2 + i * 62, 2)[0]).collect();
    assert_eq!(seen, [0, 255, 0]);
}

#[test]
fn data_outside_of_0_to_1_are_drawn_in_their_range() {
    let levels = flat(&[-1.0, 0.0, 1.0, 5.0], SHAPE);
    let grid = Grid::of_images_in(&levels, SHAPE, 4, Shades::of(-1.0, 1.0)).expect("a grid");
    let seen: Vec<u8> = (0..4).map(|i| pixel(&grid, 2 + i * 62, 2)[0]).collect();
    assert_eq!(seen, [0, 128, 255, 255]);
    for (least, greatest) in [(0.25, 0.75), (2.0, 2.0), (f32::NEG_INFINITY, 1.0)] {
        assert_eq!(Shades::of(least, greatest), Shades::default());
        assert_eq!(Shades::of(least, greatest).in_words(SHAPE), None);
    }
}

#[test]
fn what_black_and_white_mean_is_said_where_it_is_not_0_and_1() {
    let said = |shape| Shades::of(-1.0, 2.5).in_words(shape).expect("words");
    assert!(said(SHAPE).contains("-1 (black) to 2.5 (white)"));
    let row = ImageShape::new(1, 4, 1);
    assert!(said(row).contains("-1 (bottom) to 2.5 (top)"));
}

#[test]
fn rows_of_values_are_lines() {
    let shape = ImageShape::new(1, 4, 1);
    // Shown sixteen times as large, and no more than eight.
    let grid = Grid::of_images_in(&[0.0, 1.0, 1.0, 0.5], shape, 1, Shades::default());
    let grid = grid.expect("a grid");
    assert_eq!(grid.size(), (32 + 4, 64 + 4));
    let white = |x: usize| {
        let ys = (0..64).filter(|&y| pixel(&grid, 2 + x, 2 + y) == [255]);
        ys.collect::<Vec<_>>()
    };
    assert_eq!(white(0), [63]);
    assert_eq!(
        white(8),
        (0..64).collect::<Vec<_>>(),
        "from one value to the next"
    );
    assert_eq!(white(12), [0]);
    assert_eq!(white(31), [32]);
    // Many values: a column of pixels holds several.
    let shape = ImageShape::new(1, 1024, 1);
    let values: Vec<f32> = (0..1024).map(|i| (i % 2) as f32).collect();
    let grid = Grid::of_images(&values, shape, 1).expect("a grid");
    assert_eq!(grid.size(), (256 + 4, 64 + 4));
    assert!((0..64).all(|y| pixel(&grid, 2 + 100, 2 + y) == [255]));
}

#[test]
fn pairs_lie_side_by_side_in_the_rows_asked_for() {
    let originals = flat(&[0.0; 10], SHAPE);
    let reconstructions = flat(&[1.0; 10], SHAPE);
    let grid = Grid::of_pairs(&originals, &reconstructions, SHAPE, 8).expect("a grid");
    // Ten pairs, two a row, five rows.
    assert_eq!(grid.size().1, 5 * 60 + 6 * 2);
    assert_eq!(grid.size().0, 2 + 60 + 2 + 60 + 8 + 60 + 2 + 60 + 2);
    let starts = [2, 64, 132, 194];
    let seen = starts.map(|x| pixel(&grid, x, 2)[0]);
    assert_eq!(seen, [0, 255, 0, 255]);
    assert_eq!(pixel(&grid, 131, 2), [BACKGROUND]);
}

#[test]
fn a_layout_foretells_the_size_of_its_grid() {
    for (columns, gap, apart, above, zoom) in [
        (2, 2, vec![], 0, 1),
        (3, 0, vec![1, 2], 0, 2),
        (7, 2, vec![1, 6, 9], 14, 3),
    ] {
        let layout = Layout {
            columns,
            gap,
            apart,
            above,
            zoom,
            ..Layout::new(columns)
        };
        for count in [1, 6, 7, 8] {
            let grid = Grid::laid_out(&flat(&vec![0.5; count], SHAPE), SHAPE, &layout);
            let grid = grid.expect("a grid");
            assert_eq!(
                grid.size(),
                layout.size(count, SHAPE),
                "{count}, {layout:?}"
            );
            assert_eq!(grid.places().1[0], gap + above);
            assert_eq!(layout.shown(SHAPE), (60 * zoom, 60 * zoom));
            let grey = grid.pixels().iter().filter(|&&pixel| pixel == 128).count();
            assert_eq!(grey, count * 3600 * zoom * zoom, "the images' own pixels");
        }
    }
    let huge = ImageShape::new(usize::MAX / 2, usize::MAX / 2, 1);
    assert_eq!(Layout::new(9).size(100, huge), (usize::MAX, usize::MAX));
}

#[test]
fn values_that_are_no_images_are_refused() {
    assert!(Grid::of_images(&[], SHAPE, 8).is_err());
    assert!(Grid::of_images(&[0.5; 101], SHAPE, 8).is_err());
    let one = flat(&[0.0], SHAPE);
    assert!(Grid::of_pairs(&one, &[], SHAPE, 8).is_err());
}

#[test]
fn a_png_reads_back_pixel_by_pixel() {
    let grid = Grid::of_images(&flat(&[0.0, 1.0], SHAPE), SHAPE, 2).expect("a grid");
    let png = grid.png().expect("a file");
    let back = image::load_from_memory(&png).expect("a picture").to_luma8();
    let (width, height) = grid.size();
    assert_eq!(back.dimensions(), (width as u32, height as u32));
    assert_eq!(back.into_raw(), grid.pixels);
}

#[test]
fn four_channels_are_laid_on_the_colour_of_the_gaps_by_the_last() {
    let shape = ImageShape::new(64, 64, 4);
    for (alpha, shown) in [
        (1.0, [255, 0, 102]),
        (0.0, [BACKGROUND; 3]),
        (0.5, [176, 48, 99]),
    ] {
        let values = [1.0, 0.0, 0.4, alpha].repeat(64 * 64);
        let grid = Grid::of_images(&values, shape, 1).expect("a grid");
        assert_eq!(pixel(&grid, 40, 40), shown, "alpha {alpha}");
    }
}

#[test]
fn two_channels_are_laid_on_the_colour_of_the_gaps_where_the_second_is_alpha() {
    let shape = ImageShape::new(64, 64, 2);
    let shades = Shades::default().with_grey_alpha(true);
    assert_eq!(shades.in_words(shape), None);
    for (alpha, shown) in [(1.0, 255), (0.0, BACKGROUND), (0.5, 176)] {
        let values = [1.0, alpha].repeat(64 * 64);
        let grid = Grid::of_images_in(&values, shape, 1, shades).expect("a grid");
        assert_eq!(pixel(&grid, 40, 40), [shown], "alpha {alpha}");
    }
    // Other numbers of channels are none the wiser.
    let shape = ImageShape::new(64, 64, 3);
    let values = [1.0, 0.0, 0.4].repeat(64 * 64);
    let grid = Grid::of_images_in(&values, shape, 1, shades).expect("a grid");
    assert_eq!(pixel(&grid, 40, 40), [255, 0, 102]);
}

#[test]
fn a_line_has_gaps_where_values_are_nan() {
    let shape = ImageShape::new(1, 4, 1);
    let grid = Grid::of_images(&[0.0, f32::NAN, 1.0, f32::NAN], shape, 1).expect("a grid");
    let white = |x: usize| {
        let ys = (0..64).filter(|&y| pixel(&grid, 2 + x, 2 + y) == [255]);
        ys.collect::<Vec<_>>()
    };
    assert_eq!(white(7), [63]);
    assert_eq!((white(8), white(15)), (vec![], vec![]));
    assert_eq!((white(16), white(23)), (vec![0], vec![0]));
    assert_eq!(white(31), [0_usize; 0]);
}
