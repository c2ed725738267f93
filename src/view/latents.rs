//! Where images lie in the latent space.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::pca::Plane;
use crate::draw::{
    Alignment, Axis, BLACK, Canvas, FONT_7X13, FONT_9X15_BOLD, MOST_MARKS, Mark, Panel, Point,
    WHITE, extent, length, room,
};
use crate::error::{Error, Result};

/// Pixels of the plot's longer side, and around it; more to its left where labels are long.
const SIDE: i32 = 640;
const LEFT: i32 = 64;
const RIGHT: i32 = 24;
const TOP: i32 = 72;
const BOTTOM: i32 = 56;
/// Pixels from a line of the legend to the next.
const PITCH: i32 = 20;
/// Pixels of a letter of the title and of the names on a plot.
const LETTER: i32 = 9;
/// Pixels that text keeps from the picture's edge.
const EDGE: i32 = 16;
/// Letters of a name in the legend at most.
const LONGEST: usize = 20;
/// Bars of a histogram.
const BARS: usize = 80;

/// Classes of images.
#[derive(Clone, Copy, Debug)]
pub struct Classes<'a> {
    /// The class of each image.
    pub labels: &'a [u32],
    /// Names by label; empty where a label is its own name.
    pub names: &'a [String],
}

impl Classes<'_> {
    /// How many there are, where that is more than can be told apart on a plot.
    pub fn too_many(&self) -> Option<usize> {
        let seen: BTreeSet<u32> = self.labels.iter().copied().collect();
        (seen.len() > MOST_MARKS).then_some(seen.len())
    }
}

/// Images of one class, and how they look.
struct Group {
    name: String,
    mark: Mark,
    /// Indices of its images.
    images: Vec<usize>,
}

/// The PNG file of a plot of `codes`, `[images, latent]`, coloured by class: the plane itself for two latent dimensions,
/// the plane of the first two principal components for more, and a histogram for each class for one.
///
/// # Errors
/// [`Error::Config`] where there are no codes or more classes than can be told apart, and as [`Plane::of`].
pub fn latents(
    codes: &[f32],
    latent: usize,
    classes: Option<Classes<'_>>,
    title: &str,
) -> Result<Vec<u8>> {
    let count = codes.len().checked_div(latent).unwrap_or(0);
    if count == 0 {
        return Err(Error::config(
            "there are no codes to show",
            "a split with images",
        ));
    }
    let groups = groups(count, classes)?;
    match latent {
        1 => histograms(codes, &groups, title).png(),
        2 => {
            let places: Vec<[f64; 2]> = codes
                .as_chunks::<2>()
                .0
                .iter()
                .map(|code| code.map(f64::from))
                .collect();
            scatter(&places, ["z0", "z1"].map(str::to_owned), &groups, title).png()
        }
        _ => {
            let plane = Plane::of(codes, latent)?;
            let name = |number: usize| {
                let share = 100.0 * plane.shares[number];
                let of = "principal component";
                format!(
                    "{of} {}: {share:.1} % of the variance of {latent} dimensions",
                    number + 1
                )
            };
            scatter(&plane.project(codes), [name(0), name(1)], &groups, title).png()
        }
    }
}

/// Refuses what [`latents`] would refuse of any codes of so many dimensions.
///
/// # Errors
/// As [`Plane::check`].
pub fn check(latent: usize) -> Result<()> {
    match latent {
        1 => Ok(()),
        _ => Plane::check(latent),
    }
}

fn groups(count: usize, classes: Option<Classes<'_>>) -> Result<Vec<Group>> {
    let Some(Classes { labels, names }) = classes else {
        return Ok(vec![Group {
            name: String::new(),
            mark: Mark::of(0),
            images: (0..count).collect(),
        }]);
    };
    let mut images: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (image, &label) in labels.iter().enumerate().take(count) {
        images.entry(label).or_default().push(image);
    }
    if images.len() > MOST_MARKS {
        return Err(Error::config(
            format!("{} classes: {MOST_MARKS} can be told apart", images.len()),
            "data with fewer classes, or without labels",
        ));
    }
    let groups = images
        .into_iter()
        .enumerate()
        .map(|(number, (label, images))| Group {
            name: name(label, names),
            mark: Mark::of(number),
            images,
        });
    Ok(groups.collect())
}

/// The name of a class, cut to what the legend has room for. What the font has no letters for goes by its number.
fn name(label: u32, names: &[String]) -> String {
    let known = names.get(label as usize);
    let known = known.filter(|name| name.chars().all(|c| (' '..='\u{ff}').contains(&c)));
    match known {
        Some(name) if name.chars().count() > LONGEST => name
            .chars()
            .take(LONGEST - 3)
            .chain("...".chars())
            .collect(),
        Some(name) => name.clone(),
        None => label.to_string(),
    }
}

/// An empty picture for a plot, with its axes and a title, wide enough for that and for a legend where there are
/// classes. Names of axes are shorter than any plot is wide: only that of two dimensions without names of components is
/// narrower than high.
fn page(panel: &Panel, groups: &[Group], title: &str, names: (&str, Option<&str>)) -> Canvas {
    let letters = groups.iter().map(|group| length(&group.name)).max();
    let legend = match groups {
        [only] if only.name.is_empty() => 0,
        _ => 44 + letters.unwrap_or(0),
    };
    let right = panel.columns.1;
    let title_ends = EDGE + LETTER * title.chars().count() as i32;
    let width = (right + RIGHT + legend).max(title_ends + EDGE);
    let height = (panel.rows.1 + BOTTOM).max(TOP + PITCH * groups.len() as i32);
    let mut canvas = Canvas::new(width as u32, height as u32);
    let at = Point::new(EDGE, 22);
    canvas.text(title, at, &FONT_9X15_BOLD, Alignment::Left);
    panel.grid_across(&mut canvas, names.0, &panel.ticks_across());
    if let Some(name) = names.1 {
        panel.grid_up(&mut canvas, name, &panel.up.ticks(8));
    }
    panel.axes(&mut canvas);
    canvas
}

/// The plot of places, and an empty one where these are none. One unit is as long on both axes, so that distances are
/// what they look like.
fn plane(places: &[[f64; 2]]) -> Panel {
    let extents = [0, 1].map(|axis| extent(places.iter().map(|place| place[axis])));
    let spans = extents.map(|(least, most)| most - least);
    let span = spans[0].max(spans[1]);
    let unit = if span > 0.0 { 1.04 * span } else { 2.0 } / f64::from(SIDE);
    let [width, height] =
        spans.map(|span| ((1.04 * span / unit).round() as i32).clamp(SIDE / 2, SIDE));
    let axis = |(least, most): (f64, f64), pixels: i32| {
        let (middle, half) = (0.5 * (least + most), 0.5 * unit * f64::from(pixels));
        Axis::linear(middle - half, middle + half)
    };
    let up = axis(extents[1], height);
    let left = room(&up.ticks(8), LEFT);
    Panel {
        columns: (left, left + width),
        rows: (TOP, TOP + height),
        across: axis(extents[0], width),
        up,
    }
}

fn scatter(places: &[[f64; 2]], names: [String; 2], groups: &[Group], title: &str) -> Canvas {
    let panel = plane(places);
    let mut canvas = page(&panel, groups, title, (&names[0], Some(&names[1])));

    let at = |image: usize| panel.place(places[image][0], places[image][1]);
    let count = places.len();
    let radius = (5.0 - 0.75 * (count as f64).log10()).clamp(1.6, 4.0);
    let opacity = (1.3 - 0.15 * (count as f64).log10()).clamp(0.55, 0.9);
    let mut dots: Vec<(usize, Mark)> = groups
        .iter()
        .flat_map(|group| group.images.iter().map(|&image| (image, group.mark)))
        .collect();
    // Scattered in depth too: in order of classes, the last would cover the others.
    dots.sort_by_key(|&(image, _)| (image as u32).wrapping_mul(0x9E37_79B9));
    for (image, mark) in dots {
        mark.draw(&mut canvas, at(image), radius, opacity);
    }
    if groups.len() > 1 {
        let middles = groups.iter().map(|group| {
            let middle =
                |axis: usize| median(group.images.iter().map(|&image| places[image][axis]));
            panel.place(middle(0), middle(1))
        });
        let mut middles: Vec<(f64, f64)> = middles.collect();
        move_apart(&mut middles, groups);
        for (group, place) in groups.iter().zip(middles) {
            outlined(&mut canvas, &group.name, place);
        }
    }
    legend(&mut canvas, groups, panel.columns.1 + RIGHT);
    canvas
}

/// Bars of what share of a group's images has what code, a lane for each group, all to one scale.
fn histograms(codes: &[f32], groups: &[Group], title: &str) -> Canvas {
    let lane = (SIDE / groups.len() as i32).clamp(40, 320);
    let height = lane * groups.len() as i32;
    let values = codes.iter().copied().map(f64::from);
    let panel = Panel {
        columns: (LEFT, LEFT + SIDE),
        rows: (TOP, TOP + height),
        across: Axis::around(extent(values), false),
        up: Axis::linear(0.0, 1.0),
    };
    let mut canvas = page(&panel, groups, title, ("z0", None));
    let bar = SIDE / BARS as i32;
    let counts: Vec<[usize; BARS]> = groups
        .iter()
        .map(|group| {
            let mut counts = [0; BARS];
            for &image in &group.images {
                let share = panel.across.place(f64::from(codes[image]));
                counts[((share * BARS as f64) as usize).min(BARS - 1)] += 1;
            }
            counts
        })
        .collect();
    let share = |count: usize, group: &Group| count as f64 / group.images.len() as f64;
    let shares = counts.iter().zip(groups);
    let tallest =
        shares.flat_map(|(counts, group)| counts.iter().map(move |&count| share(count, group)));
    let tallest = tallest.fold(f64::MIN_POSITIVE, f64::max);
    for (number, (counts, group)) in counts.iter().zip(groups).enumerate() {
        let bottom = TOP + lane * (number as i32 + 1);
        for (place, &count) in (0..).zip(counts) {
            let tall = (share(count, group) / tallest * f64::from(lane - 6)).round() as i32;
            let corner = Point::new(LEFT + place * bar, bottom - tall);
            canvas.fill(corner, bar as u32, tall as u32, group.mark.colour);
        }
        let (from, to) = (Point::new(LEFT, bottom), Point::new(LEFT + SIDE, bottom));
        canvas.line(from, to, BLACK, 1);
        let at = Point::new(LEFT - 8, bottom - 10);
        if length(&group.name) <= LEFT - 16 {
            canvas.text(&group.name, at, &FONT_7X13, Alignment::Right);
        }
    }
    legend(&mut canvas, groups, LEFT + SIDE + RIGHT);
    canvas
}

fn legend(canvas: &mut Canvas, groups: &[Group], x: i32) {
    let named = groups.iter().filter(|group| !group.name.is_empty());
    for (line, group) in (0..).zip(named) {
        let y = TOP + 8 + PITCH * line;
        let place = (f64::from(x), f64::from(y));
        group.mark.draw(canvas, place, 6.0, 1.0);
        canvas.text(
            &group.name,
            Point::new(x + 14, y),
            &FONT_7X13,
            Alignment::Left,
        );
    }
}

/// Moves names up and down until they do not lie on each other, as far as a few hundred small steps do that.
fn move_apart(places: &mut [(f64, f64)], groups: &[Group]) {
    const LINE: f64 = 16.0;
    for _ in 0..300 {
        let mut moved = false;
        for a in 1..places.len() {
            for b in 0..a {
                let letters = groups[a].name.chars().count() + groups[b].name.chars().count();
                let (dx, dy) = (places[a].0 - places[b].0, places[a].1 - places[b].1);
                // Half the width of both, of nine pixels a letter.
                if dx.abs() < 4.5 * letters as f64 + 2.0 && dy.abs() < LINE {
                    let step = if dy < 0.0 { -1.0 } else { 1.0 };
                    places[a].1 += step;
                    places[b].1 -= step;
                    moved = true;
                }
            }
        }
        if !moved {
            return;
        }
    }
}

/// Text that can be read on dots, about a point as far as the picture has room for it there.
fn outlined(canvas: &mut Canvas, text: &str, (x, y): (f64, f64)) {
    let (width, height) = canvas.dimensions();
    let half = LETTER * text.chars().count() as i32 / 2 + 3;
    let x = (x.round() as i32).min(width - half).max(half);
    let y = (y.round() as i32).min(height - 10).max(10);
    for dy in -2..=2 {
        for dx in -2..=2 {
            let at = Point::new(x + dx, y + dy);
            canvas.text_in(WHITE, text, at, &FONT_9X15_BOLD, Alignment::Center);
        }
    }
    canvas.text(text, Point::new(x, y), &FONT_9X15_BOLD, Alignment::Center);
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
