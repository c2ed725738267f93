//! A run's configuration as names and values, whatever options there are.

use toml::Value;

use super::html::escape;
use crate::error::Result;
use crate::model::{Condition, words};
use crate::option;
use crate::train::{RunConfig, RunOptions};

/// Heading of what describes the model.
pub(super) const MODEL: &str = "Model";
/// Heading of how a run was made.
const RUN: &str = "Run";
/// Heading of what a run used, beyond what was asked for.
pub(super) const RECORD: &str = "What was used";
/// Key of that.
const RECORD_KEY: &str = "record";

/// A value of `config.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The heading that its option stands under in `--help`.
    pub(super) heading: String,
    /// Its key, with that of the table that it stands in before it, but for the record: `init-from.sha256`.
    pub(super) name: String,
    pub(super) value: String,
}

/// Every value of a configuration, in the order of the options.
///
/// # Errors
/// [`crate::Error::Internal`] where a value has no place in TOML.
pub(super) fn of(config: &RunConfig) -> Result<Vec<Setting>> {
    let text = config.to_toml()?;
    let table = toml::from_str::<toml::Table>(&text).map_err(|e| {
        crate::Error::internal(format!("the run's configuration does not read back: {e}"))
    })?;
    let options = option::known::<RunOptions>();
    let place = |key: &str| options.iter().position(|known| known.name == key);
    let mut keys: Vec<(&String, &Value)> = table.iter().collect();
    // Keys that are no options come last.
    keys.sort_by_key(|(key, _)| place(key).unwrap_or(options.len()));
    let mut all = Vec::new();
    for (key, value) in keys {
        let heading = match place(key) {
            Some(at) => options[at].heading.as_str(),
            None if key == RECORD_KEY => RECORD,
            None if key == "image" => MODEL,
            None => RUN,
        };
        match value {
            Value::Table(inner) if key == RECORD_KEY => inner
                .iter()
                .for_each(|(key, value)| flatten(heading, key, value, &mut all)),
            Value::Array(names) if key == "classes" => {
                let names = names
                    .iter()
                    .filter_map(|name| name.as_str().map(str::to_owned));
                let value = Condition::new(names.collect()).in_words();
                flatten(heading, key, &Value::String(value), &mut all);
            }
            value => flatten(heading, key, value, &mut all),
        }
    }
    Ok(all)
}

fn flatten(heading: &str, name: &str, value: &Value, all: &mut Vec<Setting>) {
    let text = match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(heading, &format!("{name}.{key}"), value, all);
            }
            return;
        }
        Value::String(text) => text.clone(),
        // A float32 written as a float64 has digits that nobody gave.
        Value::Float(number) => (*number as f32).to_string(),
        other => other.to_string(),
    };
    all.push(Setting {
        heading: heading.to_owned(),
        name: name.to_owned(),
        value: text,
    });
}

/// The configuration as tables, one for each heading; kernels folded up.
///
/// # Errors
/// As [`of`].
pub(super) fn html(config: &RunConfig) -> Result<String> {
    let all = of(config)?;
    let rows = |heading: &str, kernels: bool| -> String {
        let own = all.iter().filter(|setting| {
            setting.heading == heading && setting.name.starts_with("kernels.") == kernels
        });
        own.map(|setting| {
            let memory = setting.name.starts_with("device-memory.");
            let value = match setting.value.parse() {
                Ok(bytes) if memory => words::mebibytes(bytes),
                _ => setting.value.clone(),
            };
            let name = setting.name.trim_start_matches("kernels.");
            let (name, value) = (escape(name), escape(&value));
            format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>")
        })
        .collect()
    };
    let mut text = "<div class=\"tables\">".to_owned();
    for title in [MODEL, "Data", "Training", RUN, RECORD] {
        let rows = rows(title, false);
        if !rows.is_empty() {
            text += &format!("<table><caption>{title}</caption><tbody>{rows}</tbody></table>");
        }
    }
    text += "</div>";
    let kernels = rows(RECORD, true);
    if !kernels.is_empty() {
        text += &format!(
            "<details><summary>Kernels</summary><table><tbody>{kernels}</tbody></table></details>"
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::run::tests::run;

    #[test]
    fn every_value_is_listed_under_the_heading_of_its_option() {
        let config = run(0, 7).config;
        let all = of(&config).expect("settings");
        let value = |heading: &str, name: &str| {
            let found = all.iter().find(|setting| {
                (setting.heading.as_str(), setting.name.as_str()) == (heading, name)
            });
            found.map(|setting| setting.value.clone())
        };
        for (heading, name, expected) in [
            ("Run", "device", "auto"),
            ("Training", "epochs", "7"),
            ("Training", "lr", "0.001"),
            ("Data", "data", "digits"),
            ("Model", "likelihood", "bernoulli"),
            ("Model", "hidden", "[400]"),
            ("Model", "image", "28x28x1"),
            ("What was used", "started", "2026-01-31T23:59:59Z"),
        ] {
            assert_eq!(value(heading, name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn memory_is_in_mebibytes_and_kernels_are_apart() {
        let mut config = run(0, 7).config;
        config.record.device_memory = [("images".to_owned(), 3 << 20)].into();
        config.record.kernels = [("train: fc1".to_owned(), "<core>".to_owned())].into();
        let text = html(&config).expect("tables");
        assert!(text.contains("3.0 MiB"), "{text}");
        let (before, kernels) = text.split_once("<details>").expect("kernels");
        assert!(kernels.contains("train: fc1") && kernels.contains("&lt;core&gt;"));
        assert!(!before.contains("fc1"));
    }
}
