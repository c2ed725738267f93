//! Losses as they are reported.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::model::ModelSpec;
use crate::model::objectives::Term;

/// Mean losses per image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// What training minimises: the terms, each with its weight.
    #[serde(rename = "loss")]
    pub total: f64,
    /// The terms of the objective by their names, not weighted, in nats per image (a squared error in squared units per
    /// image).
    #[serde(flatten)]
    pub terms: IndexMap<String, f64>,
}

impl Loss {
    /// The loss of a model whose objective has terms of these values, in their order.
    pub fn new(spec: &ModelSpec, values: &[f64]) -> Self {
        let terms = spec.objective().terms.iter().zip(values);
        let of_loss = |(term, &value): (&Term, &f64)| term.of_loss(spec, value);
        let named = |(term, &value): (&Term, &f64)| (term.name.to_owned(), value);
        Self {
            total: terms.clone().map(of_loss).sum(),
            terms: terms.map(named).collect(),
        }
    }

    /// A term's value; NaN where it was not measured.
    pub fn term(&self, term: &Term) -> f64 {
        self.terms.get(term.name).copied().unwrap_or(f64::NAN)
    }
}
