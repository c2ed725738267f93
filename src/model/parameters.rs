//! Where a model's parameters lie in the arena, and what they are called.
//!
//! With L hidden layers: encoder `fc1` … `fcL`; heads `fc(L+1)1` (mu) and `fc(L+1)2` (logvar), or the
//! code `fc(L+1)` of an autoencoder; decoder `fc(L+2)` … `fc(2L+2)`. For the reference model that is
//! `fc1 fc21 fc22 fc3 fc4`, as in PyTorch's example. A learned sigma is `log_sigma`, of shape `[1]`.

use crate::model::{Likelihood, ModelKind, ModelSpec};
use crate::plan::{ALIGNMENT, MAX_BOUND, Slice};
use crate::rng::{Purpose, Stream};

/// A named parameter as PyTorch has it, and its place in the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// `fc1.weight`
    pub name: String,
    /// `[out, in]` for a weight, `[out]` for a bias.
    pub shape: Vec<usize>,
    /// First value in the arena.
    pub offset: usize,
    /// Inputs of the layer it belongs to, which sets the range of its initial values.
    fan_in: usize,
}

impl Tensor {
    /// Values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values; never the case in a valid model.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A linear layer's place in the arena; the two heads of a VAE are one layer.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    pub(super) name: String,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    weight: usize,
    bias: usize,
}

impl Linear {
    /// `[out, in]` of the arena, or of a buffer of the same layout.
    pub(super) fn weight(&self, arena: Slice) -> Slice {
        Slice {
            offset: self.weight,
            len: self.inputs * self.outputs,
            ..arena
        }
    }

    /// Weight and bias, with the padding between them.
    pub(super) fn all(&self, arena: Slice) -> Slice {
        Slice {
            offset: self.weight,
            len: self.bias + self.outputs - self.weight,
            ..arena
        }
    }

    /// `[out]`
    pub(super) fn bias(&self, arena: Slice) -> Slice {
        Slice {
            offset: self.bias,
            len: self.outputs,
            ..arena
        }
    }
}

/// Layout of all parameters of a model in one arena.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Named tensors, in the order of the layers.
    pub tensors: Vec<Tensor>,
    /// Values of the arena, padding included.
    pub len: usize,
    /// Hidden layers, then the heads (the code of an autoencoder).
    pub(super) encoder: Vec<Linear>,
    pub(super) decoder: Vec<Linear>,
    log_sigma: Option<usize>,
}

/// Collects layers one after another.
#[derive(Default)]
struct Arena {
    tensors: Vec<Tensor>,
    len: usize,
}

impl Arena {
    /// Adds a layer whose outputs are shared out equally to the names.
    fn linear(&mut self, names: &[String], inputs: usize, outputs: usize) -> Linear {
        let weight = self.len;
        let bias = (weight + inputs * outputs).next_multiple_of(ALIGNMENT);
        let share = outputs / names.len();
        for (i, name) in names.iter().enumerate() {
            self.tensors.push(Tensor {
                name: format!("{name}.weight"),
                shape: vec![share, inputs],
                offset: weight + i * share * inputs,
                fan_in: inputs,
            });
            self.tensors.push(Tensor {
                name: format!("{name}.bias"),
                shape: vec![share],
                offset: bias + i * share,
                fan_in: inputs,
            });
        }
        self.len = (bias + outputs).next_multiple_of(ALIGNMENT);
        Linear {
            name: names.join("|"),
            inputs,
            outputs,
            weight,
            bias,
        }
    }

    fn stack(&mut self, first: usize, widths: &[usize]) -> Vec<Linear> {
        widths
            .windows(2)
            .enumerate()
            .map(|(i, pair)| self.linear(&[format!("fc{}", first + i)], pair[0], pair[1]))
            .collect()
    }
}

impl Parameters {
    /// The layout of a valid specification.
    pub fn new(spec: &ModelSpec) -> Self {
        let values = spec.image.values();
        let depth = spec.hidden.len();
        let mut arena = Arena::default();
        let mut widths = vec![values];
        widths.extend(&spec.hidden);
        let mut encoder = arena.stack(1, &widths);
        let last = widths[depth];
        encoder.push(match spec.kind {
            ModelKind::Ae => arena.linear(&[format!("fc{}", depth + 1)], last, spec.latent),
            ModelKind::Vae => {
                let names = [1, 2].map(|head| format!("fc{}{head}", depth + 1));
                arena.linear(&names, last, 2 * spec.latent)
            }
        });
        widths.reverse();
        widths.insert(0, spec.latent);
        let decoder = arena.stack(depth + 2, &widths);
        let learned = matches!(spec.likelihood, Likelihood::Gaussian { learned: true, .. });
        let log_sigma = learned.then_some(arena.len);
        if learned {
            arena.tensors.push(Tensor {
                name: "log_sigma".to_owned(),
                shape: vec![1],
                offset: arena.len,
                fan_in: 0,
            });
            arena.len += ALIGNMENT;
        }
        Self {
            tensors: arena.tensors,
            len: arena.len,
            encoder,
            decoder,
            log_sigma,
        }
    }

    /// Values of the encoder's output a row: mu and logvar, or the code.
    pub fn head_values(&self) -> usize {
        self.encoder.last().map_or(0, |heads| heads.outputs)
    }

    /// Parameters without padding.
    pub fn count(&self) -> usize {
        self.tensors.iter().map(Tensor::len).sum()
    }

    /// Whether every device can bind each layer's parameters as one.
    pub(super) fn layers_are_bindable(&self) -> bool {
        let mut layers = self.encoder.iter().chain(&self.decoder);
        layers.all(|layer| layer.bias + layer.outputs - layer.weight <= MAX_BOUND)
    }

    /// The place of a learned log sigma in a buffer laid out like the arena.
    pub(super) fn log_sigma(&self, arena: Slice) -> Option<Slice> {
        self.log_sigma.map(|offset| Slice {
            offset,
            len: 1,
            ..arena
        })
    }

    /// Initial values of the arena: uniform in ±1/√(inputs) for weights and biases, as PyTorch's
    /// `nn.Linear` has it; padding is zero.
    pub fn initial(&self, spec: &ModelSpec, seed: u64) -> Vec<f32> {
        let mut arena = vec![0.0; self.len];
        for (index, tensor) in self.tensors.iter().enumerate() {
            let values = &mut arena[tensor.offset..tensor.offset + tensor.len()];
            if tensor.fan_in == 0 {
                values.fill(spec.log_sigma());
                continue;
            }
            let bound = 1.0 / (tensor.fan_in as f32).sqrt();
            let mut stream = Stream::new(seed, Purpose::Initialisation, index as u32);
            values.fill_with(|| bound * (2.0 * stream.uniform() - 1.0));
        }
        arena
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_model_has_the_names_and_count_of_the_pytorch_example() {
        let parameters = Parameters::new(&ModelSpec::reference());
        let names: Vec<&str> = parameters.tensors.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "fc1.weight",
                "fc1.bias",
                "fc21.weight",
                "fc21.bias",
                "fc22.weight",
                "fc22.bias",
                "fc3.weight",
                "fc3.bias",
                "fc4.weight",
                "fc4.bias"
            ]
        );
        assert_eq!(parameters.count(), 652_824);
    }

    #[test]
    fn tensors_do_not_overlap() {
        let mut spec = ModelSpec::reference();
        spec.hidden = vec![7, 5];
        spec.latent = 3;
        spec.likelihood = Likelihood::Gaussian {
            sigma: 1.0,
            learned: true,
        };
        let parameters = Parameters::new(&spec);
        let mut owned = vec![0; parameters.len];
        for tensor in &parameters.tensors {
            for place in &mut owned[tensor.offset..tensor.offset + tensor.len()] {
                *place += 1;
            }
        }
        assert!(owned.iter().all(|&owners| owners <= 1));
        assert_eq!(owned.iter().sum::<usize>(), parameters.count());
    }
}
