//! What the losses of runs mean, and where their configurations differ.

use std::collections::{BTreeMap, BTreeSet};

use super::{ELBO, Group, LOSS, NONE, name};
use crate::data::Binarize;
use crate::error::Result;
use crate::model::objectives::Term;
use crate::model::words;
use crate::shape::ImageShape;
use crate::train::DataConfig;
use crate::watch::Run;
use crate::watch::settings::{self, MODEL, RECORD, Setting};

/// What has to be equal for two losses to mean the same, and how it is called; of the data only what tells them apart.
fn meaning(runs: &[Run], run: &Run) -> [String; 4] {
    let (spec, train) = (&run.config.model, &run.config.train);
    let loss = spec.likelihood.name();
    let values = match train.binarize {
        _ if run.config.is_binary() => "binary data",
        Binarize::None => "grey pixels",
        Binarize::Fixed => "images binarised once",
        Binarize::Dynamic => "images binarised at every use",
    };
    let terms = spec.objective().terms_in_words(spec);
    [
        identity(runs, run),
        format!("{}, {terms}", spec.kind.short()),
        format!("{loss} on {values}"),
        words::unit(spec).to_owned(),
    ]
}

/// The hash of a run's data. Without a checkpoint, which has one, that of the runs which were told to take the same,
/// unless the data changed between them.
fn hash<'a>(runs: &'a [Run], run: &'a Run) -> Option<&'a str> {
    if run.data.is_some() {
        return run.data.as_deref();
    }
    let alike = runs.iter().filter(|other| told(other) == told(run));
    let mut known = alike.filter_map(|other| other.data.as_deref());
    let first = known.next()?;
    known.all(|other| other == first).then_some(first)
}

/// What a run was told to take.
fn told(run: &Run) -> (&str, ImageShape, DataConfig) {
    let mut data = run.config.data.clone();
    data.options.mirrors.clear();
    (&run.config.record.data, run.config.model.image, data)
}

/// What tells a run's data from others.
fn identity(runs: &[Run], run: &Run) -> String {
    hash(runs, run).map_or_else(|| format!("{:?}", told(run)), str::to_owned)
}

/// The data of runs, one for each of different data, in no more words than tell them apart.
fn data_in_words(runs: &[Run], different: &[&Run]) -> Vec<String> {
    let words = |run: &Run, detail: usize| {
        let data = &run.config.data;
        let (test, seed) = (data.options.test_fraction, data.options.seed);
        let hash = match hash(runs, run) {
            Some(hash) => format!("sha256 {}", hash.get(..8).unwrap_or(hash)),
            None => "not yet hashed by a checkpoint".to_owned(),
        };
        let details = [
            format!("{} of {}", run.config.record.data, run.config.model.image),
            format!(" from {}", data.source),
            format!(", test images by fraction {test} and seed {seed}"),
            format!(", {hash}"),
        ];
        details[..=detail].concat()
    };
    let all = |detail| -> Vec<String> { different.iter().map(|run| words(run, detail)).collect() };
    let differ = |texts: &Vec<String>| texts.iter().collect::<BTreeSet<_>>().len() == texts.len();
    (0..3).map(all).find(differ).unwrap_or_else(|| all(3))
}

/// Groups of runs whose losses mean the same, in the order of their first runs.
pub(super) fn of(runs: &[Run]) -> Vec<Group> {
    let mut found: Vec<([String; 4], Vec<usize>)> = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let own = meaning(runs, run);
        match found.iter_mut().find(|(other, _)| *other == own) {
            Some((_, members)) => members.push(i),
            None => found.push((own, vec![i])),
        }
    }
    let mut data: Vec<(String, &Run)> = Vec::new();
    for (own, members) in &found {
        if data.iter().all(|(known, _)| *known != own[0]) {
            data.push((own[0].clone(), &runs[members[0]]));
        }
    }
    let named = data_in_words(runs, &data.iter().map(|(_, run)| *run).collect::<Vec<_>>());
    let part = |own: &[String; 4], part: usize| {
        match part {
            0 => data
                .iter()
                .zip(&named)
                .find(|((known, _), _)| *known == own[0]),
            _ => None,
        }
        .map_or_else(|| own[part].clone(), |(_, words)| words.clone())
    };
    let differs = |part: usize| found.iter().any(|(own, _)| own[part] != found[0].0[part]);
    let differing: Vec<usize> = (0..4).filter(|&part| differs(part)).collect();
    found
        .iter()
        .map(|(own, members)| {
            let spec = |run: usize| &runs[run].config.model;
            let first = spec(members[0]);
            let objective = first.objective();
            let mixed = members.iter().any(|&run| {
                let of = |term: &Term, spec| (term.weight(spec), (term.target)(spec));
                let differs = |term: &Term| of(term, spec(run)) != of(term, first);
                objective.terms.iter().any(differs)
            });
            let elbo = mixed && objective.bound.is_some();
            Group {
                names: members.iter().map(|&run| name(runs, run)).collect(),
                figure: if elbo { ELBO } else { LOSS },
                unit: words::unit(first),
                caption: match elbo {
                    true => words::unit(first).to_owned(),
                    false => words::unit_of_loss(first),
                },
                apart: differing.iter().map(|&i| part(own, i)).collect(),
                objective,
                runs: members.clone(),
            }
        })
        .collect()
}

/// Values of the configuration that have columns of their own, or say how and not what.
fn has_a_column(setting: &Setting) -> bool {
    let name = setting.name.as_str();
    let model = setting.heading == MODEL && name != "beta";
    let own = ["device", "epochs", "data", "mirror"];
    model || setting.heading == RECORD || own.contains(&name)
}

/// For each run the configuration values that are not the same in all.
pub(super) fn differing(runs: &[Run]) -> Result<Vec<BTreeMap<String, String>>> {
    let mut all = Vec::new();
    for run in runs {
        let settings = settings::of(&run.config)?;
        let applies = |setting: &Setting| run.is_vae() || setting.name != "beta";
        let kept = settings
            .into_iter()
            .filter(|s| !has_a_column(s) && applies(s));
        let named = kept.map(|s| (s.name, s.value));
        let named = named.map(|(name, mut value)| {
            if name.ends_with("sha256") {
                value.truncate(8);
            }
            (name, value)
        });
        all.push(named.collect::<BTreeMap<_, _>>());
    }
    let names: BTreeSet<String> = all.iter().flat_map(|own| own.keys().cloned()).collect();
    let equal = |name: &String| all.iter().all(|own| own.get(name) == all[0].get(name));
    let differing: Vec<&String> = names.iter().filter(|name| !equal(name)).collect();
    let own = |own: &BTreeMap<String, String>| {
        let values = differing.iter().map(|&name| {
            let value = own.get(name).cloned();
            (name.clone(), value.unwrap_or_else(|| NONE.to_owned()))
        });
        values.collect()
    };
    Ok(all.iter().map(own).collect())
}
