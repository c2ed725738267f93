//! The figures of a run on its page: the last ones large, those of all epochs as a table.

use crate::model::words;
use crate::train::Concern;
use crate::train::metrics::Epoch;
use crate::watch::Run;
use crate::watch::html::escape;
use crate::watch::run::duration;

/// Rows of the table of epochs at most.
const MOST_ROWS: usize = 100;

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
pub(super) fn cards(run: &Run) -> String {
    let spec = &run.config.model;
    let number = |value: f64| words::number(spec, value);
    let (mut cards, mut when) = (String::new(), String::new());
    if let Some(last) = run.last() {
        let epoch = last.epoch;
        when = format!("<p class=\"when\">On the test images, after epoch {epoch}</p>");
        if let Some(bound) = words::bound(spec) {
            cards += &card(&bound, &number(-last.test.total), words::unit(spec));
        } else {
            let unit = words::unit_of_loss(spec);
            cards += &card("Loss", &number(last.test.total), &unit);
        }
        for term in run.terms() {
            let value = number(last.test.term(term));
            cards += &card(&term.heading(), &value, (term.unit)(spec));
        }
        if run.terms().is_empty() {
            let per_value = last.test.total / spec.image.values() as f64;
            cards += &card(
                "Loss per value",
                &format!("{per_value:.6}"),
                "mean over the values of an image",
            );
        }
        if let Some(best) = run.best().filter(|best| best.epoch != last.epoch) {
            let rest = format!("after epoch {}{}", best.epoch, words::caution(spec));
            cards += &card("Lowest test loss", &number(best.test.total), &rest);
        }
        if let Some(active) = last.active_units {
            let rest = format!("of {} latent dimensions", spec.latent.values());
            cards += &card("Active units", &active.to_string(), &rest);
        }
    }
    let found = run.last().and_then(|last| last.sigma);
    if let (Some(sigma), Some(rule)) = (found, spec.likelihood.sigma()) {
        cards += &card("Sigma", &format!("{sigma:.4}"), &words::sigma(rule));
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
        escape(&words::objective(spec).replacen('-', "−", 1))
    );
    let epochs: Vec<&Epoch> = run.epochs().collect();
    if let (Some(concern), Some(last)) = (Concern::of(&epochs), run.last()) {
        let what = concern.in_words(&run.config, last);
        notes += &format!(
            "<p class=\"concern\"><b>Warning:</b> {}.</p>",
            escape(&what)
        );
    }
    if let Some(kl) = run.config.train.kl_in_words(spec) {
        notes += &format!("<p>{}.</p>", escape(&kl.replacen("the", "The", 1)));
    }
    if let Some(values) = words::values(spec, run.config.train.binarize, run.config.is_binary()) {
        notes += &format!("<p>{}.</p>", escape(values));
    }
    format!(
        "<section aria-label=\"Figures\">{when}<dl class=\"cards\">{cards}</dl>\
         <div class=\"notes\">{notes}</div></section>\n"
    )
}

/// The epochs as a table, folded up.
pub(super) fn epochs(run: &Run) -> String {
    let all: Vec<&Epoch> = run.epochs().collect();
    if all.is_empty() {
        return String::new();
    }
    let spec = &run.config.model;
    let mut names = vec!["epoch".to_owned(), "train loss".into(), "test loss".into()];
    names.extend(run.terms().iter().map(|term| format!("test {}", term.text)));
    if run.is_vae() {
        names.push("active units".into());
    }
    names.extend(["images/s".into(), "seconds".into()]);
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
        let mut cells = vec![number(epoch.train.total), number(epoch.test.total)];
        let terms = run.terms().iter();
        cells.extend(terms.map(|term| number(epoch.test.term(term))));
        if run.is_vae() {
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
    let unit = words::unit_of_loss(spec);
    let done = run.epochs_done();
    let some = if count < done as usize {
        format!(" ({count} of {done})")
    } else {
        String::new()
    };
    format!(
        "<section><details><summary>Epochs as a table{some}, losses in {unit}</summary><div class=\"scroll\">\
         <table class=\"numbers\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details></section>\n"
    )
}
