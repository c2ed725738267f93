//! A run's configuration as names and values, whatever options there are.

use toml::Value;

use super::html::escape;
use crate::error::Result;
use crate::model::words;
use crate::train::RunConfig;

/// A value of `config.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The table that it stands in, empty at the top: `model`, `train`, `record`.
    pub(super) section: String,
    /// Its name there, with those of inner tables before it: `likelihood.name`.
    pub(super) name: String,
    pub(super) value: String,
}

impl Setting {
    /// Its name in the whole of the file.
    pub(super) fn full_name(&self) -> String {
        if self.section.is_empty() {
            self.name.clone()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }
}

/// Every value of a configuration, in the order of its file.
///
/// # Errors
/// [`crate::Error::Config`] where a value has no place in TOML.
pub(super) fn of(config: &RunConfig) -> Result<Vec<Setting>> {
    let text = config.to_toml()?;
    let table = toml::from_str::<toml::Table>(&text).map_err(|e| {
        crate::Error::config(
            format!("the run's configuration does not read back: {e}"),
            "please report this as a fault of the program",
        )
    })?;
    let mut all = Vec::new();
    for (name, value) in &table {
        match value {
            Value::Table(inner) => inner
                .iter()
                .for_each(|(key, value)| flatten(name, key, value, &mut all)),
            value => flatten("", name, value, &mut all),
        }
    }
    Ok(all)
}

fn flatten(section: &str, name: &str, value: &Value, all: &mut Vec<Setting>) {
    let text = match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(section, &format!("{name}.{key}"), value, all);
            }
            return;
        }
        Value::String(text) => text.clone(),
        // A float32 written as a float64 has digits that nobody gave.
        Value::Float(number) => (*number as f32).to_string(),
        other => other.to_string(),
    };
    all.push(Setting {
        section: section.to_owned(),
        name: name.to_owned(),
        value: text,
    });
}

/// The configuration as tables, one for each part of the file; kernels folded up.
///
/// # Errors
/// As [`of`].
pub(super) fn html(config: &RunConfig) -> Result<String> {
    let all = of(config)?;
    let rows = |section: &str, kernels: bool| -> String {
        let own = all.iter().filter(|setting| {
            setting.section == section && setting.name.starts_with("kernels.") == kernels
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
    for (section, title) in [
        ("model", "Model"),
        ("data", "Data"),
        ("train", "Training"),
        ("", "Device"),
        ("record", "What was used"),
    ] {
        let rows = rows(section, false);
        if !rows.is_empty() {
            text += &format!("<table><caption>{title}</caption><tbody>{rows}</tbody></table>");
        }
    }
    text += "</div>";
    let kernels = rows("record", true);
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
    fn every_value_is_listed_with_its_section() {
        let config = run(0, 7).config;
        let all = of(&config).expect("settings");
        let value = |name: &str| {
            let found = all.iter().find(|setting| setting.full_name() == name);
            found.map(|setting| setting.value.clone())
        };
        for (name, expected) in [
            ("device", "auto"),
            ("train.epochs", "7"),
            ("train.learning-rate", "0.001"),
            ("model.likelihood.name", "bernoulli"),
            ("model.hidden", "[400]"),
            ("record.started", "2026-01-31T23:59:59Z"),
        ] {
            assert_eq!(value(name).as_deref(), Some(expected), "{name}");
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
