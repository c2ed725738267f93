//! Graphs of layers that take and give maps.

use elbo::graph::Value;
use elbo::layers::{Activation, convolution, transposed_convolution};

use super::{Case, Sketch};

impl Sketch {
    fn conv(&mut self, x: Value, channels: usize, [kernel, stride]: [usize; 2]) -> Value {
        let name = self.name();
        let attrs = convolution::attrs(channels, kernel, stride);
        let made = self.graph.node(&convolution::LAYER, attrs, &name, &[x]);
        made.expect("a convolution")
    }

    fn deconv(
        &mut self,
        x: Value,
        channels: usize,
        [kernel, stride]: [usize; 2],
        to: [usize; 2],
    ) -> Value {
        let name = self.name();
        let attrs = transposed_convolution::attrs(channels, kernel, stride, to);
        let layer = &transposed_convolution::LAYER;
        let made = self.graph.node(layer, attrs, &name, &[x]);
        made.expect("a transposed convolution")
    }
}

/// Convolutions there and back, of odd sizes, with activations that go into them and one that does not, through a
/// residual block, with linear layers between maps.
pub(super) fn convolutions() -> [Case; 3] {
    let (mut sketch, x) = Sketch::new(&[5, 6, 2]);
    let h = sketch.conv(x, 3, [3, 2]);
    let h = sketch.activation(h, Activation::Tanh);
    let h = sketch.conv(h, 4, [3, 1]);
    let h = sketch.activation(h, Activation::Silu);
    let h = sketch.deconv(h, 3, [4, 2], [6, 6]);
    let h = sketch.activation(h, Activation::Tanh);
    let y = sketch.conv(h, 1, [1, 1]);
    let there = sketch.case("convolutions", x, y);
    let (mut sketch, x) = Sketch::new(&[3, 3, 2]);
    let h = sketch.deconv(x, 2, [3, 2], [5, 6]);
    let h = sketch.activation(h, Activation::Tanh);
    let inner = sketch.conv(h, 3, [3, 1]);
    let inner = sketch.activation(inner, Activation::Tanh);
    let inner = sketch.conv(inner, 2, [3, 1]);
    let y = sketch.add(inner, h);
    let residual = sketch.case("a residual block of convolutions", x, y);
    let (mut sketch, x) = Sketch::new(&[4, 4, 2]);
    let h = sketch.conv(x, 3, [4, 2]);
    let h = sketch.activation(h, Activation::Tanh);
    let h = sketch.linear(h, 5);
    let h = sketch.activation(h, Activation::Tanh);
    let h = sketch.map(h, [2, 2, 3]);
    let h = sketch.activation(h, Activation::Tanh);
    let y = sketch.deconv(h, 2, [4, 2], [4, 4]);
    [
        there,
        residual,
        sketch.case("linear layers between maps", x, y),
    ]
}
