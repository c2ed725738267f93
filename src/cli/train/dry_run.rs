//! `elbo train --dry-run`: what would be trained.

use crate::cli::{result, text};
use crate::model::{Allocation, LayerSummary, Model};

/// Prints the memory that training takes.
pub(super) fn print_memory(memory: &[Allocation]) -> anyhow::Result<()> {
    result(format_args!("device memory: {}", text::memory(memory)))
}

/// Prints the layers of a model.
pub(super) fn print_layers(model: &Model) -> anyhow::Result<()> {
    let layers = model.summary();
    let header = ["layer", "kind", "output", "parameters", "multiply-adds"].map(str::to_owned);
    let sum = |of: fn(&LayerSummary) -> u64| text::grouped(layers.iter().map(of).sum());
    let mut rows = vec![header];
    rows.extend(layers.iter().map(row));
    rows.push([
        "all".to_owned(),
        String::new(),
        String::new(),
        sum(|layer| layer.parameters),
        sum(|layer| layer.multiply_adds),
    ]);
    let widths = [0, 1, 2, 3, 4].map(|column: usize| {
        let width = |row: &[String; 5]| row[column].chars().count();
        rows.iter().map(width).max().unwrap_or_default()
    });
    for [name, kind, output, parameters, multiply_adds] in &rows {
        let [a, b, c, d, e] = widths;
        result(format_args!(
            "{name:a$}  {kind:b$}  {output:c$}  {parameters:>d$}  {multiply_adds:>e$}"
        ))?;
    }
    Ok(())
}

fn row(layer: &LayerSummary) -> [String; 5] {
    let sizes: Vec<String> = layer.sizes.iter().map(usize::to_string).collect();
    [
        layer.name.clone(),
        layer.kind.replace('_', " "),
        sizes.join("×"),
        text::grouped(layer.parameters),
        text::grouped(layer.multiply_adds),
    ]
}
