//! `report.html`: a run on one page that needs nothing beside it.
//!
//! Everything is drawn here; the page's script adds the read-out of curves and the slider over pictures, and
//! without it the page is still whole.

mod curves;
mod figures;
mod latent;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::html::{self, escape};
use super::pictures::Pictures;
use super::{PictureKind, Run, Status, settings};
use crate::error::Result;
use crate::files;
use crate::model::words;
use crate::train::utc;

/// Name of the page in a run folder.
pub const NAME: &str = "report.html";

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

/// Keeps the page of a run that trains up to date, within a share of the time.
#[derive(Debug)]
pub struct Renewal {
    folder: PathBuf,
    /// When the page was made, and how long that took.
    last: Option<(Instant, Duration)>,
}

/// Time between two pages at least, in units of what a page takes.
const LEAST_TIMES: u32 = 50;

impl Renewal {
    /// For a run folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            last: None,
        }
    }

    /// Makes the page anew after an epoch, unless too little time has gone by since the last time for it to cost
    /// less than a fiftieth. A run that is not [`Status::Running`] any more always has its page made.
    ///
    /// # Errors
    /// As [`write()`].
    pub fn renew(&mut self, status: Status) -> Result<()> {
        let too_soon = |(made, took): (Instant, Duration)| made.elapsed() < LEAST_TIMES * took;
        if status == Status::Running && self.last.is_some_and(too_soon) {
            return Ok(());
        }
        let start = Instant::now();
        write(&self.folder, Some(status))?;
        self.last = Some((Instant::now(), start.elapsed()));
        Ok(())
    }
}

/// The page.
///
/// # Errors
/// [`crate::Error::Config`] where the configuration has no form as text.
pub fn html(report: &Report) -> Result<String> {
    let run = &report.run;
    let mut body = header(report);
    body += "<main>\n";
    body += &figures::cards(run);
    body += &curves::losses(run);
    body += &curves::schedules(run);
    add_gallery(&mut body, &report.pictures);
    body += &latent::section(run);
    body += &figures::epochs(run);
    body +=
        "<section aria-labelledby=\"configuration\"><h2 id=\"configuration\">Configuration</h2>";
    body += &settings::html(&run.config)?;
    body += "</section>\n</main>\n";
    body += &format!(
        "<footer><p>Made by elbo {} at {}.</p></footer>\n",
        env!("CARGO_PKG_VERSION"),
        utc(report.made)
    );
    let classes = match run.status {
        Status::Running => "running",
        _ => "",
    };
    Ok(html::page(&format!("{} · elbo", run.name), classes, body))
}

/// What the run is and how far it has come.
fn header(report: &Report) -> String {
    let run = &report.run;
    let record = &run.config.record;
    let (done, asked) = (run.epochs_done(), run.config.train.epochs);
    let status = run.status.name();
    let progress = match run.status {
        Status::Finished if done == asked => format!("{done} epochs"),
        Status::Finished => format!("{done} of {asked} epochs, as the test loss no longer fell"),
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

/// The pictures of each epoch side by side: a strip to scroll, of which the script makes a slider.
fn add_gallery(text: &mut String, pictures: &Pictures) {
    if pictures.epochs == 0 {
        return;
    }
    *text += "<section aria-labelledby=\"pictures\" class=\"pictures\"><h2 id=\"pictures\">Pictures</h2>";
    if pictures.shown.is_empty() {
        *text += "<p class=\"empty\">They are too large for this page: see the folders \
                 <code>samples</code> and <code>reconstructions</code> of the run.</p></section>\n";
        return;
    }
    *text += "<div class=\"strip\">";
    let mut epoch = None;
    for picture in &pictures.shown {
        if epoch != Some(picture.epoch) {
            *text += if epoch.is_some() { "</div></div>" } else { "" };
            epoch = Some(picture.epoch);
            *text += &format!(
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
        *text += &format!(
            "<figure><img alt=\"{alt}, after epoch {}\" src=\"data:image/png;base64,",
            picture.epoch
        );
        BASE64_STANDARD.encode_string(&picture.png, text);
        *text += &format!("\"><figcaption><b>{title}</b> {alt}</figcaption></figure>");
    }
    *text += "</div></div></div></section>\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Likelihood, ModelKind};
    use crate::train::metrics::Line;
    use crate::watch::run::tests::{run, write as write_run};

    fn page(run: Run) -> String {
        let report = Report {
            run,
            pictures: Pictures::default(),
            made: SystemTime::UNIX_EPOCH,
        };
        html(&report).expect("a page")
    }

    #[test]
    fn only_what_is_an_elbo_is_called_one() {
        let vae = page(run(3, 3));
        assert!(
            vae.contains("<dt>ELBO</dt><dd><b>−111.67</b>"),
            "the figure"
        );
        assert!(vae.contains("Loss, which is the negative ELBO"));
        let mut beta = run(3, 3);
        beta.config.model.beta = 4.0;
        let beta = page(beta);
        assert!(!beta.contains("<dt>ELBO</dt>"));
        // The figure, the chart, the table of epochs.
        assert_eq!(beta.matches("nats per image; not the ELBO").count(), 3);
        assert!(beta.contains("likelihood, beta 4</p>"));
        assert!(!beta.contains("which is the negative ELBO"));
        let mut ae = run(3, 3);
        ae.config.model.kind = ModelKind::Ae;
        ae.config.model.likelihood = Likelihood::SquaredError;
        for line in &mut ae.lines {
            if let Line::Epoch(epoch) = line {
                epoch.kl_per_unit.clear();
                epoch.active_units = None;
            }
        }
        let ae = page(ae);
        assert!(!ae.contains("ELBO") && !ae.contains(">KL<"));
        assert!(ae.contains("squared error per image") && ae.contains("Loss per value"));
        assert!(!ae.contains("id=\"latent\""));
    }

    #[test]
    fn a_page_says_how_far_the_run_has_come() {
        let mut going = run(2, 5);
        going.status = Status::Running;
        let going = page(going);
        assert!(going.contains("<p class=\"badge running\">running<span>2 of 5 epochs</span>"));
        assert!(going.contains("<body class=\"running\">"));
        let done = page(run(5, 5));
        assert!(done.contains("<p class=\"badge finished\">finished<span>5 epochs</span>"));
        assert!(done.contains("<body class=\"\">"));
        let mut nothing = run(0, 5);
        nothing.status = Status::Unfinished;
        let nothing = page(nothing);
        assert!(nothing.contains("Nothing is measured yet") && nothing.contains("632,390"));
    }

    #[test]
    fn reports_before_the_first_epoch_have_steps() {
        let mut first = run(0, 5);
        first.lines = (1..=4).map(crate::watch::run::tests::report).collect();
        let first = page(first);
        assert!(first.contains("Loss, which is the negative ELBO over step: train from 505 to"));
    }

    #[test]
    fn schedules_are_shown_where_they_vary() {
        assert!(!page(run(3, 3)).contains("id=\"schedules\""));
        let mut varied = run(3, 3);
        if let Some(Line::Epoch(epoch)) = varied.lines.last_mut() {
            epoch.learning_rate = 1e-4;
        }
        let varied = page(varied);
        assert!(varied.contains("Learning rate over epoch"));
        assert!(!varied.contains("Weight of the KL over"));
    }

    #[test]
    fn nothing_on_a_page_comes_from_elsewhere() {
        let text = page(run(3, 3));
        for outside in ["src=\"http", "href=\"http", "url(http", "@import", "//cdn"] {
            assert!(!text.contains(outside), "{outside}");
        }
        assert!(text.contains("default-src 'none'"));
    }

    #[test]
    fn a_long_run_makes_no_large_page() {
        let long = page(run(2000, 2000));
        assert!(long.len() < 400_000, "{} bytes", long.len());
        assert!(long.contains("Epochs as a table (100 of 2000)"));
    }

    #[test]
    fn a_page_that_was_just_made_is_left_until_the_run_ends() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("run");
        write_run(&run(1, 3), &path);
        let mut renewal = Renewal::new(&path);
        let page = path.join(NAME);
        let made = |renewal: &mut Renewal, status| {
            let _ = std::fs::remove_file(&page);
            renewal.renew(status).expect("a page");
            page.exists()
        };
        assert!(made(&mut renewal, Status::Running), "the first one");
        renewal.last = Some((Instant::now(), Duration::from_secs(1)));
        assert!(!made(&mut renewal, Status::Running), "too soon");
        assert!(made(&mut renewal, Status::Finished), "the end");
        renewal.last = Some((Instant::now(), Duration::ZERO));
        assert!(made(&mut renewal, Status::Running), "it costs nothing");
    }

    #[test]
    fn a_folder_s_page_is_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("run");
        write_run(&run(1, 3), &path);
        let page = write(&path, Some(Status::Running)).expect("a page");
        let first = std::fs::read_to_string(&page).expect("the page");
        assert!(first.contains("badge running"));
        write(&path, None).expect("the same page");
        let second = std::fs::read_to_string(&page).expect("the page");
        assert!(second.contains("badge unfinished"));
    }
}
