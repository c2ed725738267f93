//! `report.html`: a run on one page that needs nothing beside it.
//!
//! Everything is drawn here; the page's script adds the read-out of curves and the slider over pictures, and
//! without it the page is still whole.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::html::{self, escape};
use super::pictures::Pictures;
use super::plot::{Chart, Series};
use super::run::duration;
use super::{PictureKind, Run, Status, report_latent, settings};
use crate::error::Result;
use crate::files;
use crate::model::words;
use crate::train::metrics::{Epoch, Line};
use crate::train::utc;

/// Name of the page in a run folder.
pub const NAME: &str = "report.html";

/// Rows of the table of epochs at most.
const MOST_ROWS: usize = 100;

/// A run and its pictures.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run.
    pub run: Run,
    /// Its pictures.
    pub pictures: Pictures,
    /// When the page is made.
    pub made: SystemTime,
}

impl Report {
    /// Reads a run folder. `status` is what whoever trains the run knows better than its folder says.
    ///
    /// # Errors
    /// As [`Run::read`] and [`Pictures::read`].
    pub fn read(folder: &Path, status: Option<Status>) -> Result<Self> {
        let mut run = Run::read(folder)?;
        run.status = status.unwrap_or(run.status);
        Ok(Self {
            run,
            pictures: Pictures::read(folder)?,
            made: SystemTime::now(),
        })
    }
}

/// Makes the page of a run folder anew, and gives its path.
///
/// # Errors
/// As [`Report::read`]; [`crate::Error::Io`] where it cannot be written.
pub fn write(folder: &Path, status: Option<Status>) -> Result<PathBuf> {
    let path = folder.join(NAME);
    let page = html(&Report::read(folder, status)?)?;
    files::replace(&path, page.as_bytes())?;
    Ok(path)
}

/// The page.
///
/// # Errors
/// [`crate::Error::Config`] where the configuration has no form as text.
pub fn html(report: &Report) -> Result<String> {
    let run = &report.run;
    let mut body = header(report);
    body += "<main>\n";
    body += &figures(run);
    body += &curves(run);
    body += &schedules(run);
    body += &gallery(&report.pictures);
    body += &report_latent::section(run);
    body += &epochs(run);
    body +=
        "<section aria-labelledby=\"configuration\"><h2 id=\"configuration\">Configuration</h2>";
    body += &settings::html(&run.config)?;
    body += "</section>\n</main>\n";
    body += &format!(
        "<footer><p>Made by elbo {} at {}.</p></footer>\n",
        escape(&run.config.record.version),
        utc(report.made)
    );
    let classes = match run.status {
        Status::Running => "running",
        _ => "",
    };
    Ok(html::page(&format!("{} · elbo", run.name), classes, &body))
}

/// What the run is and how far it has come.
fn header(report: &Report) -> String {
    let run = &report.run;
    let record = &run.config.record;
    let (done, asked) = (run.epochs_done(), run.config.train.epochs);
    let status = run.status.name();
    let progress = match run.status {
        Status::Finished => format!("{asked} epochs"),
        _ => format!("{done} of {asked} epochs"),
    };
    let mut text = format!(
        "<header><p class=\"model\">{}</p><h1>{}</h1>\
         <p class=\"badge {status}\">{status}<span>{progress}</span></p><dl>",
        escape(&words::model(&run.config.model)),
        escape(&run.name)
    );
    for (name, value) in [
        ("Data", &record.data),
        ("Device", &record.device),
        ("Started", &record.started),
    ] {
        text += &format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value));
    }
    text += "</dl></header>\n";
    text
}

/// A figure with its name and unit.
fn card(name: &str, value: &str, rest: &str) -> String {
    format!(
        "<div><dt>{}</dt><dd><b>{}</b> <small>{}</small></dd></div>",
        escape(name),
        escape(&value.replace('-', "−")),
        escape(rest)
    )
}

/// The headline figures, by their right words.
fn figures(run: &Run) -> String {
    let spec = &run.config.model;
    let unit = words::unit(spec);
    let number = |value: f64| words::number(spec, value);
    let mut cards = String::new();
    if let Some(last) = run.last() {
        let after = format!("{unit}, test, after epoch {}", last.epoch);
        if words::is_elbo(spec) {
            let elbo = -(last.test_reconstruction + last.test_kl);
            cards += &card("ELBO", &number(elbo), &after);
        } else {
            let caution = if run.is_vae() { "; not the ELBO" } else { "" };
            cards += &card(
                "Loss",
                &number(last.test_loss),
                &format!("{after}{caution}"),
            );
        }
        if run.is_vae() {
            cards += &card("Reconstruction", &number(last.test_reconstruction), unit);
            cards += &card("KL", &number(last.test_kl), "nats per image");
        } else {
            let per_value = last.test_loss / spec.image.values() as f64;
            cards += &card(
                "Loss per value",
                &format!("{per_value:.6}"),
                "the same, by value",
            );
        }
        if let Some(best) = run.best().filter(|best| best.epoch != last.epoch) {
            let rest = format!("{unit}, after epoch {}", best.epoch);
            cards += &card("Lowest test loss", &number(best.test_loss), &rest);
        }
        if let Some(active) = last.active_units {
            let rest = format!("of {} latent values", spec.latent);
            cards += &card("Active units", &active.to_string(), &rest);
        }
    }
    if let Some(speed) = run.images_per_s() {
        cards += &card("Speed", &words::grouped(speed as u64), "images/s");
    }
    if let Some(seconds) = run.seconds() {
        cards += &card("Time", &duration(seconds), "of training");
    }
    let count = words::grouped(spec.parameter_count());
    cards += &card("Parameters", &count, "");
    let mut notes = format!(
        "<p>Training minimises {}.</p>",
        escape(&words::objective(spec))
    );
    if let Some(values) = words::values(spec, run.config.train.binarize) {
        notes += &format!("<p>{}.</p>", escape(values));
    }
    format!(
        "<section aria-label=\"Figures\"><dl class=\"cards\">{cards}</dl>\
         <div class=\"notes\">{notes}</div></section>\n"
    )
}

/// What x is for the curves of a run: epochs, or steps as long as no epoch is done.
fn axis(run: &Run) -> (&'static str, f64) {
    match run.epochs().next() {
        Some(first) if first.step > 0 => ("epoch", f64::from(first.epoch) / first.step as f64),
        _ => ("step", 1.0),
    }
}

/// A curve of training by its reports (by its epochs where there is none), and one of the test.
pub(super) fn train_and_test(
    run: &Run,
    of_line: fn(&Line) -> f64,
    of_test: fn(&Epoch) -> f64,
) -> Vec<Series> {
    let (_, per_step) = axis(run);
    let reported = run.reports().next().is_some();
    let own = run.lines.iter().filter(|line| match line {
        Line::Report(_) => reported,
        Line::Epoch(_) => !reported,
    });
    let train = own.map(|line| (step(line) as f64 * per_step, of_line(line)));
    let test = run.epochs().map(|e| (e.step as f64 * per_step, of_test(e)));
    let test: Vec<_> = test.collect();
    vec![
        Series {
            name: "train".into(),
            class: "train".into(),
            points: train.collect(),
            dots: false,
        },
        Series {
            name: "test".into(),
            class: "test".into(),
            dots: test.len() <= 50,
            points: test,
        },
    ]
}

fn step(line: &Line) -> u64 {
    match line {
        Line::Report(report) => report.step,
        Line::Epoch(epoch) => epoch.step,
    }
}

fn curves(run: &Run) -> String {
    let (x_name, _) = axis(run);
    let unit = words::unit(&run.config.model);
    let chart = |title: &str, unit: &str, class, series| Chart {
        title: title.to_owned(),
        unit: unit.to_owned(),
        x_name: x_name.to_owned(),
        series,
        log: true,
        class,
    };
    let total = train_and_test(
        run,
        |line| match line {
            Line::Report(report) => report.loss,
            Line::Epoch(epoch) => epoch.train_loss,
        },
        |epoch| epoch.test_loss,
    );
    let title = match run.loss_name() {
        "loss" => "Loss",
        _ => "Loss, which is the negative ELBO",
    };
    let mut charts = chart(title, unit, "wide", total).html();
    if charts.is_empty() {
        return "<section><p class=\"empty\">Nothing is measured yet.</p></section>\n".to_owned();
    }
    if run.is_vae() {
        let reconstruction = train_and_test(
            run,
            |line| match line {
                Line::Report(report) => report.reconstruction,
                Line::Epoch(epoch) => epoch.train_reconstruction,
            },
            |epoch| epoch.test_reconstruction,
        );
        let kl = train_and_test(
            run,
            |line| match line {
                Line::Report(report) => report.kl,
                Line::Epoch(epoch) => epoch.train_kl,
            },
            |epoch| epoch.test_kl,
        );
        charts += &chart("Reconstruction", unit, "", reconstruction).html();
        charts += &chart("KL", "nats per image, not weighted", "", kl).html();
    }
    let shows = ["train", "test"].map(|name| {
        format!(
            "<label class=\"show\"><input type=\"checkbox\" id=\"show-{name}\" checked>\
             <span class=\"key {name}-key\">{name}</span></label>"
        )
    });
    format!(
        "<section aria-labelledby=\"losses\"><div class=\"head\"><h2 id=\"losses\">Losses</h2>\
         <div class=\"controls\">{}{}</div></div>\n<div class=\"charts\">\n{charts}</div></section>\n",
        shows.concat(),
        html::choice("scale", "Scale", &["linear", "log"])
    )
}

/// Curves of the learning rate and of the KL's weight, where they are not the same all the time.
fn schedules(run: &Run) -> String {
    let (x_name, per_step) = axis(run);
    let chart = |title: &str, unit: &str, of: fn(&Line) -> f64| {
        let points: Vec<(f64, f64)> = run
            .lines
            .iter()
            .map(|line| (step(line) as f64 * per_step, of(line)))
            .collect();
        let varies = points.windows(2).any(|pair| pair[0].1 != pair[1].1);
        let series = Series {
            name: title.to_lowercase(),
            class: "plain".into(),
            points,
            dots: false,
        };
        let chart = Chart {
            title: title.to_owned(),
            unit: unit.to_owned(),
            x_name: x_name.to_owned(),
            series: vec![series],
            log: false,
            class: "low",
        };
        if varies { chart.html() } else { String::new() }
    };
    let mut charts = chart("Learning rate", "step size of Adam", |line| match line {
        Line::Report(report) => report.learning_rate,
        Line::Epoch(epoch) => epoch.learning_rate,
    });
    if run.is_vae() {
        charts += &chart("Weight of the KL", "", |line| match line {
            Line::Report(report) => report.kl_weight,
            Line::Epoch(epoch) => epoch.kl_weight,
        });
    }
    if charts.is_empty() {
        return charts;
    }
    format!(
        "<section aria-labelledby=\"schedules\"><h2 id=\"schedules\">Schedules</h2>\
         <div class=\"charts\">\n{charts}</div></section>\n"
    )
}

/// The pictures of each epoch side by side: a strip to scroll, of which the script makes a slider.
fn gallery(pictures: &Pictures) -> String {
    if pictures.epochs == 0 {
        return String::new();
    }
    let mut text = "<section aria-labelledby=\"pictures\" class=\"pictures\">\
                    <h2 id=\"pictures\">Pictures</h2>"
        .to_owned();
    if pictures.shown.is_empty() {
        text += "<p class=\"empty\">They are too large for this page: see the folders \
                 <code>samples</code> and <code>reconstructions</code> of the run.</p></section>\n";
        return text;
    }
    text += "<div class=\"strip\">";
    let mut epoch = None;
    for picture in &pictures.shown {
        if epoch != Some(picture.epoch) {
            text += if epoch.is_some() { "</div></div>" } else { "" };
            epoch = Some(picture.epoch);
            text += &format!(
                "\n<div class=\"step\" data-epoch=\"{0}\"><h3>Epoch {0}</h3><div class=\"pair\">",
                picture.epoch
            );
        }
        let (title, alt) = match picture.kind {
            PictureKind::Samples => ("Samples", "Images decoded from the prior"),
            PictureKind::Reconstructions => (
                "Reconstructions",
                "Test images, each with its reconstruction to its right",
            ),
        };
        text += &format!(
            "<figure><img alt=\"{alt}, after epoch {}\" src=\"data:image/png;base64,{}\">\
             <figcaption><b>{title}</b> {alt}</figcaption></figure>",
            picture.epoch,
            BASE64_STANDARD.encode(&picture.png)
        );
    }
    text + "</div></div></div></section>\n"
}

/// The epochs as a table, folded up.
fn epochs(run: &Run) -> String {
    let all: Vec<&Epoch> = run.epochs().collect();
    if all.is_empty() {
        return String::new();
    }
    let spec = &run.config.model;
    let names: &[&str] = if run.is_vae() {
        &[
            "epoch",
            "train loss",
            "test loss",
            "test reconstruction",
            "test KL",
            "active units",
            "images/s",
            "seconds",
        ]
    } else {
        &["epoch", "train loss", "test loss", "images/s", "seconds"]
    };
    let head: String = names
        .iter()
        .map(|name| format!("<th scope=\"col\">{name}</th>"))
        .collect();
    let count = all.len().min(MOST_ROWS);
    let mut rows = String::new();
    for i in 0..count {
        let epoch = all[if count == 1 {
            0
        } else {
            i * (all.len() - 1) / (count - 1)
        }];
        let number = |value| words::number(spec, value);
        let mut cells = vec![number(epoch.train_loss), number(epoch.test_loss)];
        if run.is_vae() {
            cells.extend([number(epoch.test_reconstruction), number(epoch.test_kl)]);
            cells.push(
                epoch
                    .active_units
                    .map_or("–".into(), |units| units.to_string()),
            );
        }
        cells.push(words::grouped(epoch.images_per_s as u64));
        cells.push(format!("{:.1}", epoch.seconds));
        rows += &format!("<tr><th scope=\"row\">{}</th>", epoch.epoch);
        for cell in cells {
            rows += &format!("<td>{cell}</td>");
        }
        rows += "</tr>";
    }
    let some = if count < all.len() {
        format!(" ({count} of {})", all.len())
    } else {
        String::new()
    };
    format!(
        "<section><details><summary>Epochs as a table{some}</summary><div class=\"scroll\">\
         <table class=\"numbers\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details></section>\n"
    )
}
