//! Parameters of a model by name, and their file.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::error::{Error, Result};
use crate::files;
use crate::model::{ModelSpec, Parameters};

/// Parameters of a model on the host, named and laid out as PyTorch's `nn.Linear` has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl Weights {
    /// Takes the tensors out of an arena.
    pub fn from_arena(parameters: &Parameters, arena: &[f32]) -> Self {
        let tensors = parameters
            .tensors
            .iter()
            .map(|t| {
                let values = arena[t.offset..t.offset + t.len()].to_vec();
                (t.name.clone(), t.shape.clone(), values)
            })
            .collect();
        Self { tensors }
    }

    /// An arena with these tensors in it.
    ///
    /// # Errors
    /// [`Error::Config`] where a tensor is missing or has another shape than the model's.
    pub fn to_arena(&self, parameters: &Parameters) -> Result<Vec<f32>> {
        let mut arena = vec![0.0; parameters.len];
        for wanted in &parameters.tensors {
            let found = self.tensors.iter().find(|(name, ..)| *name == wanted.name);
            match found {
                Some((_, shape, values)) if *shape == wanted.shape => {
                    arena[wanted.offset..wanted.offset + wanted.len()].copy_from_slice(values);
                }
                found => {
                    return Err(Error::config(
                        format!(
                            "weights: {}: expected shape {:?}, found {:?}",
                            wanted.name,
                            wanted.shape,
                            found.map(|(_, shape, _)| shape)
                        ),
                        "weights of a model of the same sizes",
                    ));
                }
            }
        }
        Ok(arena)
    }

    /// Name, shape and values of every tensor, in the order of the layers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[f32])> {
        self.tensors
            .iter()
            .map(|(name, shape, values)| (name.as_str(), shape.as_slice(), values.as_slice()))
    }

    /// The first tensor with a value that is not finite.
    pub fn first_not_finite(&self) -> Option<&str> {
        self.iter()
            .find(|(_, _, values)| values.iter().any(|v| !v.is_finite()))
            .map(|(name, ..)| name)
    }

    /// Shape and values of a tensor.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        let found = self.iter().find(|(known, ..)| *known == name);
        found.map(|(_, shape, values)| (shape, values))
    }

    /// The bytes of a `.safetensors` file, with one pair of metadata. There is none for more: their order would
    /// be another one every time.
    ///
    /// # Errors
    /// [`Error::Config`] where the tensors cannot be laid out.
    pub fn to_safetensors(&self, metadata: Option<(&str, String)>) -> Result<Vec<u8>> {
        let views = self.tensors.iter().map(|(name, shape, values)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values));
            view.map(|view| (name.as_str(), view))
        });
        let metadata = metadata.map(|(key, value)| HashMap::from([(key.to_owned(), value)]));
        views
            .collect::<Result<Vec<_>, _>>()
            .and_then(|views| serialize(views, metadata))
            .map_err(|error| {
                Error::config(
                    format!("the weights cannot be laid out: {error}"),
                    "please report this as a fault of the program",
                )
            })
    }

    /// Writes a `.safetensors` file, whole or not at all: to a temporary file in the same folder,
    /// synced, renamed.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder or disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        files::replace(path, &self.to_safetensors(None)?)
    }

    /// Reads a `.safetensors` file and checks names, shapes, types and finiteness against `spec`.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Model`] where it is not this model's.
    pub fn load(path: &Path, spec: &ModelSpec) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io(path, "read the weights"))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| {
            Error::model(
                path,
                format!("not a whole safetensors file: {error}"),
                "the model.safetensors that training wrote",
            )
        })?;
        let mut found: HashMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
        let hint = "the model.safetensors and config.toml of one run";
        let mut tensors = Vec::new();
        for wanted in Parameters::new(spec).tensors {
            let Some(view) = found.remove(&wanted.name) else {
                let what = format!("tensor {} is missing", wanted.name);
                return Err(Error::model(path, what, hint));
            };
            if view.dtype() != Dtype::F32 || view.shape() != wanted.shape {
                let what = format!(
                    "tensor {}: expected F32 {:?}, found {:?} {:?}",
                    wanted.name,
                    wanted.shape,
                    view.dtype(),
                    view.shape()
                );
                return Err(Error::model(path, what, hint));
            }
            let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
            tensors.push((wanted.name, wanted.shape, values));
        }
        let mut extra: Vec<&String> = found.keys().collect();
        extra.sort();
        if let Some(name) = extra.first() {
            let what = format!("tensor {name} is not part of the model");
            return Err(Error::model(path, what, hint));
        }
        let weights = Self { tensors };
        match weights.first_not_finite() {
            None => Ok(weights),
            Some(name) => Err(Error::model(
                path,
                format!("tensor {name} holds a value that is not finite"),
                "an earlier model, or training anew with a smaller --lr",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_their_file_and_damage_is_refused() {
        let mut spec = ModelSpec::reference();
        spec.hidden = vec![3];
        spec.latent = 2;
        let parameters = Parameters::new(&spec);
        let weights = Weights::from_arena(&parameters, &parameters.initial(&spec, 1));
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("model.safetensors");
        weights.save(&path).expect("save");
        assert_eq!(Weights::load(&path, &spec).expect("load"), weights);
        let bytes = fs::read(&path).expect("read");
        for len in (0..bytes.len()).step_by(97) {
            fs::write(&path, &bytes[..len]).expect("cut");
            assert!(Weights::load(&path, &spec).is_err(), "{len} bytes");
        }
        fs::write(&path, &bytes).expect("whole");
        spec.latent = 3;
        let error = Weights::load(&path, &spec)
            .expect_err("another model")
            .to_string();
        assert!(
            error.contains("fc21.weight") && error.contains("[3, 3]"),
            "{error}"
        );
    }
}
