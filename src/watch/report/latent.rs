//! The latent dimensions of a run on its page: how much each carries, at the end and over time.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::ExtendedColorType;

use crate::draw::png;
use crate::train::metrics::Epoch;
use crate::watch::Run;
use crate::watch::plot::{Chart, Series};

/// Bars of the chart at most.
const MOST_UNITS: usize = 256;
/// Columns of the picture over time at most.
const MOST_EPOCHS: usize = 300;
/// Colour of the picture, which lies over the page's background.
const COLOUR: [u8; 3] = [47, 111, 222];

/// The section; nothing for an autoencoder, or before the first epoch.
pub(super) fn section(run: &Run) -> String {
    let measured: Vec<&Epoch> = run.epochs().filter(|e| !e.kl_per_unit.is_empty()).collect();
    let Some(last) = measured.last() else {
        return String::new();
    };
    let mut order: Vec<usize> = (0..last.kl_per_unit.len()).collect();
    order.sort_by(|&a, &b| last.kl_per_unit[b].total_cmp(&last.kl_per_unit[a]));
    order.truncate(MOST_UNITS);
    let mut charts = bars(last, &order);
    charts += &over_time(&measured, &order);
    charts += &active(run);
    format!(
        "<section aria-labelledby=\"latent\"><h2 id=\"latent\">Latent dimensions</h2>\
         <div class=\"charts\">\n{charts}</div></section>\n"
    )
}

/// KL of each latent dimension after an epoch, the largest first.
fn bars(epoch: &Epoch, order: &[usize]) -> String {
    let kl = |unit: usize| epoch.kl_per_unit[unit];
    let most = order.first().map_or(0.0, |&unit| kl(unit)).max(1e-9);
    let named = order.len() <= 32;
    let mut all = String::new();
    for &unit in order {
        let height = 100.0 * (kl(unit) / most).clamp(0.0, 1.0);
        let name = if named {
            format!("<span>{unit}</span>")
        } else {
            String::new()
        };
        all += &format!(
            "<i title=\"z{unit}: {:.3} nats\"><b style=\"height:{height:.1}%\"></b>{name}</i>",
            kl(unit)
        );
    }
    let few = match epoch.kl_per_unit.len() - order.len() {
        0 => String::new(),
        left => format!("; {left} smaller ones are left out"),
    };
    let sum: f64 = epoch.kl_per_unit.iter().sum();
    let kinds = match order.len() {
        // A phone has no room for so many names.
        15.. if named => "bars named many",
        _ if named => "bars named",
        _ => "bars",
    };
    format!(
        "<figure class=\"chart\"><figcaption><h3>KL of each latent dimension</h3>\
         <p>nats, after epoch {}, the largest first{few}</p></figcaption>\
         <div class=\"{kinds}\" role=\"img\" aria-label=\"KL of each latent dimension, from {most:.3} down to {:.3} nats; \
         {sum:.2} in all\"><em>{most:.2}</em>{all}</div></figure>\n",
        epoch.epoch,
        order.last().map_or(0.0, |&unit| kl(unit))
    )
}

/// KL by epoch (across) and latent dimension (down, as the bars), the more the darker.
fn over_time(measured: &[&Epoch], order: &[usize]) -> String {
    let count = measured.len().min(MOST_EPOCHS);
    if count < 2 {
        return String::new();
    }
    let epochs: Vec<&Epoch> = (0..count)
        .map(|i| measured[i * (measured.len() - 1) / (count - 1)])
        .collect();
    let kl = |epoch: &Epoch, unit: usize| epoch.kl_per_unit.get(unit).copied().unwrap_or(0.0);
    let most = epochs
        .iter()
        .flat_map(|epoch| order.iter().map(|&unit| kl(epoch, unit)))
        .fold(1e-9, f64::max);
    let mut pixels = Vec::with_capacity(4 * count * order.len());
    for &unit in order {
        for epoch in &epochs {
            let share = (kl(epoch, unit) / most).clamp(0.0, 1.0);
            pixels.extend(COLOUR);
            pixels.push((255.0 * share).round() as u8);
        }
    }
    // A few hundred pixels a side can be encoded; without it the page would still be whole.
    let Ok(png) = png(&pixels, [count, order.len()], ExtendedColorType::Rgba8) else {
        return String::new();
    };
    let (first, last) = (epochs[0].epoch, epochs[count - 1].epoch);
    format!(
        "<figure class=\"chart\"><figcaption><h3>The same over time</h3>\
         <p>a row for each dimension, in the order of the bars; full colour is {most:.2} nats</p></figcaption>\
         <img class=\"heat\" alt=\"KL of each latent dimension from epoch {first} to {last}\" \
         src=\"data:image/png;base64,{}\"><p class=\"ends\"><span>epoch {first}</span><span>epoch {last}</span></p>\
         </figure>\n",
        BASE64_STANDARD.encode(png)
    )
}

/// How many dimensions are active, where that changes.
fn active(run: &Run) -> String {
    let points: Vec<(f64, f64)> = run
        .epochs()
        .filter_map(|e| Some((f64::from(e.epoch), e.active_units? as f64)))
        .collect();
    if !points.windows(2).any(|pair| pair[0].1 != pair[1].1) {
        return String::new();
    }
    let series = Series {
        name: "active units".into(),
        class: "plain".into(),
        dots: points.len() <= 50,
        points,
    };
    let chart = Chart {
        title: "Active units".into(),
        unit: "dimensions whose mean varies over the test images by a variance above 0.01".into(),
        x_name: "epoch".into(),
        series: vec![series],
        log: false,
        class: "low",
    };
    chart.html()
}
