//! Where a graph's parameters lie in the arena, and what they are called.

use super::{Axes, Graph, Init};
use crate::plan::{ALIGNMENT, Slice};
use crate::rng::{Purpose, Stream};

/// A named parameter as PyTorch has it, and its place in the arena.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// `fc1.weight`
    pub name: String,
    /// `[out, in]` for a weight, `[out]` for a bias.
    pub shape: Vec<usize>,
    /// How its values lie there, where that is another order.
    axes: Option<Axes>,
    /// First value in the arena.
    pub offset: usize,
    /// Its first values.
    init: Init,
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

    /// Its values, out of an arena.
    pub fn taken<T: Copy>(&self, arena: &[T]) -> Vec<T> {
        let own = &arena[self.offset..self.offset + self.len()];
        match &self.axes {
            None => own.to_vec(),
            Some(axes) => axes.places().map(|place| own[place]).collect(),
        }
    }

    /// Puts its values into an arena.
    pub fn put<T: Copy>(&self, values: &[T], arena: &mut [T]) {
        let own = &mut arena[self.offset..self.offset + self.len()];
        match &self.axes {
            None => own.copy_from_slice(values),
            Some(axes) => axes
                .places()
                .zip(values)
                .for_each(|(place, &value)| own[place] = value),
        }
    }
}

impl Axes {
    /// Place in the arena of each of the tensor's values in turn.
    fn places(&self) -> impl Iterator<Item = usize> + '_ {
        // Values from one to the next along each axis of the arena.
        let stride = |axis: usize| self.sizes[axis + 1..].iter().product::<usize>();
        let mut axes: Vec<_> = self
            .order
            .iter()
            .map(|&axis| [self.sizes[axis], stride(axis)])
            .collect();
        axes.reverse();
        (0..self.sizes.iter().product()).map(move |mut rest| {
            let of = |&[size, stride]: &[usize; 2]| {
                let index = rest % size;
                rest /= size;
                index * stride
            };
            axes.iter().map(of).sum()
        })
    }
}

/// Layout of all parameters of a graph in one arena.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Named tensors, in the order of the layers.
    pub tensors: Vec<Tensor>,
    /// Values of the arena, padding included.
    pub len: usize,
    /// First value and number of values of each parameter of the graph.
    places: Vec<(usize, usize)>,
}

impl Parameters {
    /// The layout: one parameter after another, each from a multiple of [`ALIGNMENT`] on.
    pub fn new(graph: &Graph) -> Self {
        let (mut places, mut len) = (Vec::new(), 0_usize);
        for parameter in graph.parameters() {
            let values: usize = parameter.shape.iter().product();
            places.push((len, values));
            len = (len + values).next_multiple_of(ALIGNMENT);
        }
        let mut tensors = Vec::new();
        // Those of a node together, by its names: a layer's weight and bias, then those of the layer beside it.
        let mut next = 0;
        while next < places.len() {
            let owner = graph
                .nodes()
                .iter()
                .find(|node| node.parameters.contains(&next));
            let range = owner.map_or(next..next + 1, |node| node.parameters.clone());
            let parts = graph.parameters()[next].tensors.len();
            for part in 0..parts {
                for index in range.clone() {
                    let (info, (offset, values)) = (&graph.parameters()[index], places[index]);
                    let mut shape = info.shape.clone();
                    shape[0] /= parts;
                    let mut axes = info.axes.clone();
                    if let Some(axes) = &mut axes {
                        axes.sizes[0] /= parts;
                    }
                    tensors.push(Tensor {
                        name: info.tensors[part].clone(),
                        axes,
                        offset: offset + part * (values / parts),
                        shape,
                        init: info.init,
                    });
                }
            }
            next = range.end;
        }
        Self {
            tensors,
            len,
            places,
        }
    }

    /// Parameters without padding.
    pub fn count(&self) -> usize {
        self.tensors.iter().map(Tensor::len).sum()
    }

    /// A parameter of the graph, in the arena or a buffer of the same layout.
    pub fn slice(&self, parameter: usize, arena: Slice) -> Slice {
        let (offset, len) = self.places[parameter];
        Slice {
            offset,
            len,
            ..arena
        }
    }

    /// Values of a parameter of the graph.
    pub fn values(&self, parameter: usize) -> usize {
        self.places[parameter].1
    }

    /// The tensor at the beginning of a parameter of the graph.
    ///
    /// # Panics
    /// Where the graph has no such parameter.
    pub fn first_tensor(&self, parameter: usize) -> &Tensor {
        let (offset, _) = self.places[parameter];
        let found = self.tensors.iter().find(|tensor| tensor.offset == offset);
        found.expect("a parameter of one tensor or more")
    }

    /// Values of a parameter with the padding behind it.
    pub(super) fn padded(&self, parameter: usize) -> usize {
        self.places[parameter].1.next_multiple_of(ALIGNMENT)
    }

    /// Parameters that follow each other, with the padding between them.
    pub(super) fn span(&self, parameters: std::ops::Range<usize>, arena: Slice) -> Slice {
        let of = |index: usize| self.places.get(index).copied().unwrap_or_default();
        let (offset, (last, len)) = (of(parameters.start).0, of(parameters.end - 1));
        Slice {
            offset,
            len: last + len - offset,
            ..arena
        }
    }

    /// Initial values of the arena; padding is zero.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut arena = vec![0.0; self.len];
        for (index, tensor) in self.tensors.iter().enumerate() {
            let values = &mut arena[tensor.offset..tensor.offset + tensor.len()];
            match tensor.init {
                Init::Constant(value) => values.fill(value),
                Init::Uniform { fan_in } => {
                    let bound = 1.0 / (fan_in as f32).sqrt();
                    let mut stream = Stream::new(seed, Purpose::Initialisation, index as u32);
                    values.fill_with(|| bound * (2.0 * stream.uniform() - 1.0));
                }
            }
        }
        arena
    }
}
