//! The page of [`Comparison`]: tables and curves of the same look as a run's page.

use super::{Comparison, Group, is_number};
use crate::train::metrics::Epoch;
use crate::watch::html::{choice, escape, page};
use crate::watch::plot::{Chart, Series};

/// Colours that the style sheet has.
const COLOURS: usize = 8;
/// Styles of lines, as it has them: those beyond the eighth have a colour again, in another one.
const STYLES: [&str; 3] = ["solid", "dashed", "dotted"];

/// Colour and style of the curve of a run.
fn look(run: usize) -> (usize, &'static str) {
    (run % COLOURS, STYLES[run / COLOURS % STYLES.len()])
}

/// Its classes.
fn class(run: usize) -> String {
    let (colour, style) = look(run);
    format!("s{run} c{colour} {style}")
}

/// The page.
pub(super) fn html(comparison: &Comparison) -> String {
    let count = comparison.rows.len();
    let mut body = format!(
        "<header><p class=\"model\">elbo compare</p><h1>{count} run{}</h1><dl>",
        if count == 1 { "" } else { "s" }
    );
    body += &listed(comparison.facts());
    body += "</dl></header>\n<main>\n";
    for note in comparison.notes() {
        body += &format!("<p class=\"note\">{}</p>", escape(&note));
    }
    body += &controls(comparison);
    for group in &comparison.groups {
        body += &section(comparison, group);
    }
    body += &format!(
        "</main>\n<footer><p>Made by elbo {}.</p></footer>\n",
        env!("CARGO_PKG_VERSION")
    );
    page("Runs beside each other · elbo", "", body)
}

/// Names with their values.
fn listed(facts: Vec<(String, String)>) -> String {
    let all = facts.iter().map(|(name, value)| {
        let (name, value) = (escape(name), escape(value));
        format!("<div><dt>{name}</dt><dd>{value}</dd></div>")
    });
    all.collect()
}

/// A box for each run that shows or hides its curves, and the choices of axes.
fn controls(comparison: &Comparison) -> String {
    let (mut rules, mut boxes) = (String::new(), String::new());
    for (i, row) in comparison.rows.iter().enumerate() {
        rules += &format!("body:has(#show-{i}:not(:checked)) .s{i} {{ display: none; }}\n");
        let (colour, style) = look(i);
        rules +=
            &format!(".k{i}::before {{ color: var(--c{colour}); border-top-style: {style}; }}\n");
        boxes += &format!(
            "<label class=\"show\"><input type=\"checkbox\" id=\"show-{i}\" checked>\
             <span class=\"key k{i}\">{}</span></label>",
            escape(&row.run)
        );
    }
    format!(
        "<style>\n{rules}</style>\n<section aria-label=\"Curves shown\"><div class=\"head\">\
         <div class=\"controls\">{boxes}</div><div class=\"controls\">{}{}</div></div></section>\n",
        choice("axis", "Across", &["epoch", "time"]),
        choice("scale", "Scale", &["linear", "log"])
    )
}

fn section(comparison: &Comparison, group: &Group) -> String {
    let title = match comparison.groups.len() {
        1 => format!("Test losses, {}", group.caption),
        _ => group.words().join(", "),
    };
    let mut text = format!(
        "<section><h2>{}</h2><dl class=\"facts\">{}</dl>{}<div class=\"charts\">\n",
        escape(&title),
        listed(comparison.facts_of(group)),
        table(comparison, group)
    );
    let spec = &comparison.runs[group.runs[0]].config.model;
    let capital = match group.figure {
        "negative ELBO" => "Negative ELBO",
        _ => "Test loss",
    };
    let chart = |title: &str, unit: &str, time: bool, class, of: &dyn Fn(&Epoch) -> f64| Chart {
        title: title.to_owned(),
        unit: unit.to_owned(),
        x_name: if time { "seconds" } else { "epoch" }.to_owned(),
        series: curves(comparison, group, time, of),
        log: true,
        class,
    };
    let value = |epoch: &Epoch| group.value(epoch);
    for (time, wide, narrow) in [
        (false, "wide x-epoch", "x-epoch"),
        (true, "wide x-time", "x-time"),
    ] {
        text += &chart(capital, &group.caption, time, wide, &value).html();
        for term in group.objective.parts() {
            let (title, unit) = (term.heading(), term.unit_of_curve(spec));
            let of = |epoch: &Epoch| epoch.test.term(term);
            text += &chart(&title, &unit, time, narrow, &of).html();
        }
    }
    text + "</div></section>\n"
}

fn curves(
    comparison: &Comparison,
    group: &Group,
    time: bool,
    of: &dyn Fn(&Epoch) -> f64,
) -> Vec<Series> {
    let curve = |&run: &usize| {
        let epochs = comparison.runs[run].epochs();
        let points: Vec<(f64, f64)> = epochs
            .map(|epoch| {
                let x = if time {
                    epoch.seconds
                } else {
                    f64::from(epoch.epoch)
                };
                (x, of(epoch))
            })
            .collect();
        Series {
            name: comparison.rows[run].run.clone(),
            class: class(run),
            dots: points.len() <= 30,
            points,
        }
    };
    group.runs.iter().map(curve).collect()
}

fn table(comparison: &Comparison, group: &Group) -> String {
    let (head, rows) = comparison.table(group);
    let mut text = "<div class=\"scroll\"><table class=\"numbers runs\"><thead><tr>".to_owned();
    let side = |name: &str| {
        if is_number(name) {
            ""
        } else {
            " class=\"text\""
        }
    };
    for name in &head {
        text += &format!("<th scope=\"col\"{}>{}</th>", side(name), escape(name));
    }
    text += "</tr></thead><tbody>";
    for (&run, row) in group.runs.iter().zip(rows) {
        text += "<tr>";
        for (i, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            text += &match i {
                0 => format!(
                    "<th scope=\"row\" class=\"text\"><span class=\"key k{run}\">{cell}</span></th>"
                ),
                _ => format!("<td{}>{cell}</td>", side(&head[i])),
            };
        }
        text += "</tr>";
    }
    text + "</tbody></table></div>"
}
