//! The curves of a run on its page.

use crate::model::{Loss, words};
use crate::train::metrics::Line;
use crate::watch::Run;
use crate::watch::html::choice;
use crate::watch::plot::{Chart, Series};

/// What x is for the curves of a run: epochs, or steps as long as no epoch is done.
fn axis(run: &Run) -> (&'static str, f64) {
    match run.epochs().next() {
        Some(first) if first.step > 0 => ("epoch", f64::from(first.epoch) / first.step as f64),
        _ => ("step", 1.0),
    }
}

/// A curve of training by its reports (by its epochs where there is none), and one of the test.
fn train_and_test(run: &Run, of: impl Fn(&Loss) -> f64) -> Vec<Series> {
    let (_, per_step) = axis(run);
    let reported = run.reports().next().is_some();
    let own = run.lines.iter().filter_map(|line| match line {
        Line::Report(report) => reported.then_some((report.step, &report.loss)),
        Line::Epoch(epoch) => (!reported).then_some((epoch.step, &epoch.train)),
    });
    let point = |(step, loss): (u64, &Loss)| (step as f64 * per_step, of(loss));
    let test: Vec<_> = run.epochs().map(|e| point((e.step, &e.test))).collect();
    vec![
        Series {
            name: "train".into(),
            class: "train".into(),
            points: own.map(point).collect(),
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

/// Curves of the loss and its parts.
pub(super) fn losses(run: &Run) -> String {
    let (x_name, _) = axis(run);
    let spec = &run.config.model;
    let chart = |title: String, unit: String, class, series| Chart {
        title,
        unit,
        x_name: x_name.to_owned(),
        series,
        log: true,
        class,
    };
    let title = match words::bound(spec) {
        Some(bound) => format!("Loss, which is the negative {bound}"),
        None => "Loss".to_owned(),
    };
    let total = train_and_test(run, |loss| loss.total);
    let unit = words::unit_of_loss(spec);
    let mut charts = chart(title, unit, "wide", total).html();
    if charts.is_empty() {
        return "<section><p class=\"empty\">Nothing is measured yet.</p></section>\n".to_owned();
    }
    for term in run.terms() {
        let series = train_and_test(run, |loss| loss.term(term));
        charts += &chart(term.heading(), term.unit_of_curve(spec), "", series).html();
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
        choice("scale", "Scale", &["linear", "log"])
    )
}

/// Curves of the learning rate, and of the KL's weight and its target, where they are not the same all the time.
pub(super) fn schedules(run: &Run) -> String {
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
    charts += &chart("Target of the KL", "nats per image", |line| match line {
        Line::Report(report) => report.kl_target.unwrap_or(0.0),
        Line::Epoch(epoch) => epoch.kl_target.unwrap_or(0.0),
    });
    if charts.is_empty() {
        return charts;
    }
    format!(
        "<section aria-labelledby=\"schedules\"><h2 id=\"schedules\">Schedules</h2>\
         <div class=\"charts\">\n{charts}</div></section>\n"
    )
}
