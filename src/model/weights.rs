//! Parameters of a model by name, and their file.

mod foreign;
pub(crate) mod seal;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};

use self::seal::Seal;
use crate::error::{Error, Result};
use crate::files;
use crate::host::check_memory;
use crate::model::{Likelihood, Model, ModelSpec, Parameters, Sigma};

/// Parameters of a model on the host, named and laid out as PyTorch's `nn.Linear` has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl Weights {
    /// The first values of a model's parameters, by the seed.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn initial(spec: &ModelSpec, seed: u64) -> Result<Self> {
        let model = Model::new(spec)?;
        let parameters = model.parameters();
        check_memory(
            "the parameters",
            4 * parameters.len as u64,
            "a smaller model",
        )?;
        Ok(Self::from_arena(parameters, &parameters.initial(seed)))
    }

    /// Takes the tensors out of an arena.
    pub fn from_arena(parameters: &Parameters, arena: &[f32]) -> Self {
        let tensors = parameters
            .tensors
            .iter()
            .map(|t| (t.name.clone(), t.shape.clone(), t.taken(arena)))
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
                    wanted.put(values, &mut arena);
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

    /// Name, with `prefix` before it, shape and values of every tensor.
    pub(crate) fn named<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (String, &'a [usize], &'a [f32])> {
        self.iter()
            .map(move |(name, shape, values)| (format!("{prefix}{name}"), shape, values))
    }

    /// The bytes of a `.safetensors` file of tensors.
    pub(crate) fn serialized<'a>(
        tensors: impl Iterator<Item = (String, &'a [usize], &'a [f32])>,
    ) -> io::Result<Vec<u8>> {
        Self::laid_out(tensors, None)
    }

    fn laid_out<'a>(
        tensors: impl Iterator<Item = (String, &'a [usize], &'a [f32])>,
        metadata: Option<HashMap<String, String>>,
    ) -> io::Result<Vec<u8>> {
        let views = tensors.map(|(name, shape, values)| {
            let view = TensorView::new(Dtype::F32, shape.to_vec(), bytemuck::cast_slice(values));
            view.map(|view| (name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>();
        views
            .and_then(|views| serialize(views, metadata))
            .map_err(io::Error::other)
    }

    /// The bytes of a `.safetensors` file, with a hash of itself among its metadata: equal tensors, equal bytes.
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Self::laid_out(self.named(""), Some(seal::unsealed()))?;
        seal::seal(&mut bytes);
        Ok(bytes)
    }

    /// The bytes of a `.safetensors` file with one pair of metadata: equal tensors, equal bytes. Of several pairs
    /// the order would be another one every time.
    pub(crate) fn to_bytes_with(&self, key: &str, value: String) -> io::Result<Vec<u8>> {
        let metadata = HashMap::from([(key.to_owned(), value)]);
        Self::laid_out(self.named(""), Some(metadata))
    }

    /// Writes a `.safetensors` file, whole or not at all: to a temporary file in the same folder,
    /// synced, renamed.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder or disk refuses.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self
            .to_bytes()
            .map_err(Error::io(path, "lay out the weights"))?;
        files::replace(path, &bytes)
    }

    /// Reads a `.safetensors` file and checks names, shapes, types and finiteness against `spec`. Tensors of f64, f16
    /// and bf16, as other programs write them, are converted.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Model`] where it is not this model's.
    pub fn load(path: &Path, spec: &ModelSpec) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io(path, "read the weights"))?;
        Self::from_bytes(&bytes, spec, path)
    }

    /// [`Weights::load`] of the bytes of the file at `path`.
    pub(crate) fn from_bytes(bytes: &[u8], spec: &ModelSpec, path: &Path) -> Result<Self> {
        if let Some((what, hint)) = foreign::name(bytes) {
            let what = format!("{what}; expected a safetensors file");
            return Err(Error::model(path, what, hint));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| {
            Error::model(
                path,
                format!("not a whole safetensors file: {error}"),
                "the model.safetensors that training wrote",
            )
        })?;
        if seal::check(bytes) == Seal::Broken {
            return Err(Error::model(
                path,
                "damaged: its bytes are not those that were written (another sha256)",
                format!(
                    "another copy of it; where it was changed on purpose, the same without {:?} among its metadata",
                    seal::KEY
                ),
            ));
        }
        Self::check_names(&file, spec, path)?;
        let weights = Self::take(&file, "", spec, path)?;
        let known: HashSet<&str> = weights.iter().map(|(name, ..)| name).collect();
        let mut extra: Vec<&str> = file
            .names()
            .into_iter()
            .filter(|name| !known.contains(name))
            .collect();
        extra.sort_unstable();
        if let Some(name) = extra.first() {
            let what = format!("tensor {name} is not part of the model");
            return Err(Error::model(path, what, FITTING));
        }
        Ok(weights)
    }

    /// The same to begin training with. The sigma of a Gaussian belongs to the loss, which may be another than that of the
    /// file: one that is new begins as the model says, one that the model lacks is left out.
    pub(crate) fn to_begin_with(bytes: &[u8], spec: &ModelSpec, path: &Path) -> Result<Self> {
        let of_sigma = |sigma| ModelSpec {
            likelihood: Likelihood::Gaussian { sigma },
            ..spec.clone()
        };
        let with_sigma = Model::new(&of_sigma(Sigma::Optimal))?;
        let Some(log_sigma) = with_sigma.log_sigma() else {
            return Self::from_bytes(bytes, spec, path);
        };
        let file = SafeTensors::deserialize(bytes).ok();
        let is_there = file.is_some_and(|file| file.tensor(&log_sigma.name).is_ok());
        let is_wanted = Model::new(spec)?.log_sigma().is_some();
        let sigma = match is_there {
            _ if is_there == is_wanted => return Self::from_bytes(bytes, spec, path),
            true => Sigma::Optimal,
            false => Sigma::Fixed(1.0),
        };
        let mut weights = Self::from_bytes(bytes, &of_sigma(sigma), path)?;
        weights.tensors.retain(|(name, ..)| *name != log_sigma.name);
        if is_wanted {
            let first = (log_sigma.name.clone(), vec![1], vec![spec.log_sigma()]);
            weights.tensors.push(first);
        }
        Ok(weights)
    }

    /// Refuses a file that has not every parameter of the model, with the names that it has.
    fn check_names(file: &SafeTensors<'_>, spec: &ModelSpec, path: &Path) -> Result<()> {
        let model = Model::new(spec)?;
        let wanted = &model.parameters().tensors;
        let names: HashSet<&str> = file.names().into_iter().collect();
        let missing = wanted.iter().find(|t| !names.contains(t.name.as_str()));
        let Some(missing) = missing else {
            return Ok(());
        };
        let mut found: Vec<String> = file
            .iter()
            .map(|(name, view)| format!("{name} {:?}", view.shape()))
            .collect();
        found.sort_unstable();
        let expected = wanted.iter().map(|t| format!("{} {:?}", t.name, t.shape));
        let expected: Vec<String> = expected.collect();
        Err(Error::model(
            path,
            format!(
                "tensor {} is missing\n  the model has {}\n  the file has {}",
                missing.name,
                listed(&expected),
                listed(&found)
            ),
            format!("the same tensors under the names of the model; or {FITTING}"),
        ))
    }

    /// Takes the tensors of a model, with `prefix` before their names, out of a file that may hold others.
    pub(crate) fn take(
        file: &SafeTensors<'_>,
        prefix: &str,
        spec: &ModelSpec,
        path: &Path,
    ) -> Result<Self> {
        let mut tensors = Vec::new();
        for wanted in &Model::new(spec)?.parameters().tensors {
            let name = format!("{prefix}{}", wanted.name);
            let Ok(view) = file.tensor(&name) else {
                let what = format!("tensor {name} is missing");
                return Err(Error::model(path, what, FITTING));
            };
            let values = floats(&view).filter(|_| view.shape() == wanted.shape);
            let Some(values) = values else {
                let what = format!(
                    "tensor {name}: expected F32 {:?}, found {:?} {:?}",
                    wanted.shape,
                    view.dtype(),
                    view.shape()
                );
                return Err(Error::model(path, what, FITTING));
            };
            if values.iter().any(|value| !value.is_finite()) {
                return Err(Error::model(
                    path,
                    format!("tensor {name} holds a value that is not finite"),
                    "an earlier model, or training anew with a smaller `lr = …`",
                ));
            }
            tensors.push((wanted.name.clone(), wanted.shape.clone(), values));
        }
        Ok(Self { tensors })
    }
}

/// What fits a model.
const FITTING: &str =
    "the model.safetensors and config.toml of one run, or the options of the model in the file";

/// Names for an error: not more than somebody reads.
fn listed(names: &[String]) -> String {
    const MOST: usize = 24;
    let shown = names[..names.len().min(MOST)].join(", ");
    match names.len().saturating_sub(MOST) {
        0 if names.is_empty() => "no tensor".into(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Values of a tensor of floats of any width, as f32.
fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => bytemuck::pod_collect_to_vec(data),
        Dtype::F64 => {
            let (values, _) = data.as_chunks();
            values
                .iter()
                .map(|&bytes| f64::from_le_bytes(bytes) as f32)
                .collect()
        }
        Dtype::F16 => {
            let (values, _) = data.as_chunks();
            values
                .iter()
                .map(|&bytes| f16::from_le_bytes(bytes).to_f32())
                .collect()
        }
        Dtype::BF16 => {
            let (values, _) = data.as_chunks();
            values
                .iter()
                .map(|&bytes| bf16::from_le_bytes(bytes).to_f32())
                .collect()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_their_file_and_damage_is_refused() {
        let mut spec = ModelSpec::reference();
        spec.encoder = [3].into();
        spec.latent = 2.into();
        let weights = Weights::initial(&spec, 1).expect("weights");
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
        spec.latent = 3.into();
        let error = Weights::load(&path, &spec)
            .expect_err("another model")
            .to_string();
        assert!(
            error.contains("fc21.weight") && error.contains("[3, 3]"),
            "{error}"
        );
    }

    /// A file of a small model whose tensors are made by `tensor` from their index, name and shape.
    fn file_with(
        spec: &ModelSpec,
        tensor: impl Fn(usize, &str, &[usize]) -> (String, Dtype, Vec<usize>, Vec<u8>),
    ) -> Vec<u8> {
        let tensors = Model::new(spec)
            .expect("a model")
            .parameters()
            .tensors
            .clone();
        let made: Vec<_> = tensors
            .iter()
            .enumerate()
            .map(|(i, t)| tensor(i, &t.name, &t.shape))
            .collect();
        let views = made.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).expect("a tensor");
            (name, view)
        });
        serialize(views, None).expect("a file")
    }

    fn tiny() -> ModelSpec {
        let mut spec = ModelSpec::reference();
        spec.image = crate::shape::ImageShape::new(2, 2, 1);
        spec.encoder = [3].into();
        spec.latent = 2.into();
        spec
    }

    #[test]
    fn floats_of_other_widths_are_converted() {
        let spec = tiny();
        for (dtype, bytes) in [
            (Dtype::F64, 0.5_f64.to_le_bytes().to_vec()),
            (Dtype::F16, f16::from_f32(0.5).to_le_bytes().to_vec()),
            (Dtype::BF16, bf16::from_f32(0.5).to_le_bytes().to_vec()),
            (Dtype::F32, 0.5_f32.to_le_bytes().to_vec()),
        ] {
            let file = file_with(&spec, |_, name, shape| {
                let count = shape.iter().product();
                (name.to_owned(), dtype, shape.to_vec(), bytes.repeat(count))
            });
            let weights = Weights::from_bytes(&file, &spec, Path::new("a")).expect("weights");
            for (name, _, values) in weights.iter() {
                assert!(values.iter().all(|&v| v == 0.5), "{dtype:?} {name}");
            }
        }
    }

    #[test]
    fn a_changed_file_is_refused_and_one_that_says_nothing_of_itself_is_not() {
        let spec = tiny();
        let weights = Weights::initial(&spec, 1).expect("weights");
        let mut bytes = weights.to_bytes().expect("a file");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let read = |bytes: &[u8]| Weights::from_bytes(bytes, &spec, Path::new("some.file"));
        let error = read(&bytes).expect_err("a changed value").to_string();
        assert!(error.contains("damaged"), "{error}");
        let plain = Weights::serialized(weights.named("")).expect("a file");
        assert_eq!(read(&plain).expect("tensors without a hash"), weights);
    }

    #[test]
    fn what_does_not_fit_the_model_is_named() {
        let spec = tiny();
        let refused = |file: &[u8]| {
            let error =
                Weights::from_bytes(file, &spec, Path::new("some.file")).expect_err("refused");
            assert_eq!(error.exit_code(), 3);
            let error = error.to_string();
            assert!(error.contains("some.file"), "{error}");
            error
        };
        let zeros = |shape: &[usize]| vec![0; 4 * shape.iter().product::<usize>()];
        let error = refused(&file_with(&spec, |i, name, shape| {
            let name = if i == 2 { "fc9.weight" } else { name };
            (name.to_owned(), Dtype::F32, shape.to_vec(), zeros(shape))
        }));
        for part in [
            "fc21.weight is missing",
            "the model has fc1.weight [3, 4], fc1.bias [3], fc21.weight [2, 3]",
            "the file has",
            "fc9.weight [2, 3]",
        ] {
            assert!(error.contains(part), "no {part:?} in {error}");
        }
        let error = refused(&file_with(&spec, |i, name, shape| {
            let dtype = if i == 4 { Dtype::I32 } else { Dtype::F32 };
            (name.to_owned(), dtype, shape.to_vec(), zeros(shape))
        }));
        assert!(
            error.contains("fc22.weight") && error.contains("I32"),
            "{error}"
        );
        let error = refused(&file_with(&spec, |i, name, shape| {
            let mut bytes = zeros(shape);
            if i == 1 {
                bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
            }
            (name.to_owned(), Dtype::F32, shape.to_vec(), bytes)
        }));
        assert!(
            error.contains("fc1.bias") && error.contains("finite"),
            "{error}"
        );
        let mut bigger = tiny();
        bigger.likelihood = crate::model::Likelihood::Gaussian {
            sigma: crate::model::Sigma::Learned(1.0),
        };
        let error = refused(&file_with(&bigger, |_, name, shape| {
            (name.to_owned(), Dtype::F32, shape.to_vec(), zeros(shape))
        }));
        assert!(error.contains("log_sigma is not part"), "{error}");
        let error = refused(b"PK\x03\x04archive/data.pkl");
        assert!(error.contains("save_file"), "{error}");
        // A header that says it is longer than the file, and one of 2^63 bytes.
        for length in [1_000_u64, 1 << 63] {
            let error = refused(&[&length.to_le_bytes()[..], b"{}"].concat());
            assert!(error.contains("not a whole"), "{error}");
        }
    }
}
