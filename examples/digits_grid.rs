//! Draws a grid of the built-in digits into a PNG: `cargo run --release --example digits_grid -- grid.png`.

use std::time::Instant;

use anyhow::Context;
use elbo::data::{Values, digits};
use image::{GrayImage, imageops};

const ROWS: usize = 16;
const COLUMNS: usize = 24;
const ZOOM: u32 = 2;

fn main() -> anyhow::Result<()> {
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "digits.png".to_owned());
    let start = Instant::now();
    let dataset = digits::generate(digits::TRAIN_IMAGES, digits::TEST_IMAGES, 0);
    println!("70,000 digits in {:.2} s", start.elapsed().as_secs_f32());
    let Values::Bytes(bytes) = &*dataset.train.values()? else {
        anyhow::bail!("digits are bytes");
    };
    let sum: f64 = bytes.iter().map(|&byte| f64::from(byte)).sum();
    println!("mean pixel {:.4}", sum / 255.0 / bytes.len() as f64);
    let side = digits::SIDE;
    let (width, height) = (COLUMNS * side, ROWS * side);
    let mut grid = GrayImage::new(width as u32, height as u32);
    for (i, image) in bytes.chunks(side * side).take(ROWS * COLUMNS).enumerate() {
        let digit = GrayImage::from_raw(side as u32, side as u32, image.to_vec())
            .context("a digit has 28×28 pixels")?;
        let (x, y) = ((i % COLUMNS) * side, (i / COLUMNS) * side);
        imageops::replace(&mut grid, &digit, x as i64, y as i64);
    }
    let (width, height) = (ZOOM * grid.width(), ZOOM * grid.height());
    imageops::resize(&grid, width, height, imageops::FilterType::Nearest).save(&path)?;
    println!("{path}");
    Ok(())
}
