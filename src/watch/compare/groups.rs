//! What the losses of runs mean, and where their configurations differ.

use std::collections::{BTreeMap, BTreeSet};

use super::{ELBO, Group, LOSS, NONE, name};
use crate::data::Binarize;
use crate::error::Result;
use crate::model::{Likelihood, words};
use crate::watch::{Run, settings};

/// What has to be equal for two losses to mean the same, and how it is called.
fn meaning(run: &Run) -> [String; 5] {
    let (spec, train) = (&run.config.model, &run.config.train);
    let loss = match spec.likelihood {
        Likelihood::Bernoulli => "Bernoulli",
        Likelihood::Gaussian { .. } => "Gaussian density",
        Likelihood::SquaredError | Likelihood::LinearSquaredError => "squared error",
    };
    let values = match train.binarize {
        Binarize::None => "grey pixels",
        Binarize::Fixed => "images binarised once",
        Binarize::Dynamic => "images binarised at every use",
    };
    let what = if run.is_vae() {
        "VAE with KL"
    } else {
        "AE without KL"
    };
    let data = &run.config.data;
    [
        format!("{} of {}", run.config.record.data, spec.image),
        what.to_owned(),
        format!("{loss} on {values}"),
        words::unit(spec).to_owned(),
        format!(
            "test images by fraction {} and seed {}",
            data.test_fraction, data.split_seed
        ),
    ]
}

/// Groups of runs whose losses mean the same, in the order of their first runs.
pub(super) fn of(runs: &[Run]) -> Vec<Group> {
    let mut found: Vec<([String; 5], Vec<usize>)> = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let own = meaning(run);
        match found.iter_mut().find(|(other, _)| *other == own) {
            Some((_, members)) => members.push(i),
            None => found.push((own, vec![i])),
        }
    }
    let differs = |part: usize| found.iter().any(|(own, _)| own[part] != found[0].0[part]);
    let differing: Vec<usize> = (0..5).filter(|&part| differs(part)).collect();
    found
        .iter()
        .map(|(own, members)| {
            let beta = |run: usize| runs[run].config.model.beta;
            let mixed = members.iter().any(|&run| beta(run) != beta(members[0]));
            let vae = runs[members[0]].is_vae();
            Group {
                names: members.iter().map(|&run| name(runs, run)).collect(),
                figure: if vae && mixed { ELBO } else { LOSS },
                unit: words::unit(&runs[members[0]].config.model),
                apart: differing.iter().map(|&part| own[part].clone()).collect(),
                runs: members.clone(),
            }
        })
        .collect()
}

/// Values of the configuration that have columns of their own, or say how and not what.
fn has_a_column(name: &str) -> bool {
    let model = name.starts_with("model.") && name != "model.beta";
    let own = ["device", "train.epochs", "data.source", "data.mirrors"];
    model || name.starts_with("record.") || own.contains(&name)
}

/// For each run the configuration values that are not the same in all.
pub(super) fn differing(runs: &[Run]) -> Result<Vec<BTreeMap<String, String>>> {
    let mut all = Vec::new();
    for run in runs {
        let settings = settings::of(&run.config)?;
        let named = settings.into_iter().map(|s| (s.full_name(), s.value));
        let kept = named.filter(|(name, _)| !has_a_column(name));
        all.push(kept.collect::<BTreeMap<_, _>>());
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
