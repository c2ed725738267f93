//! The gradient of a linear layer and the update by it in one: no gradient is written or read.

use super::adam::{self, Rates};
use super::matmul;
use super::product::{self, Store};
use crate::kernel::{Binding, Bound, Call, Kernel, Layout, Real, Rows, bind};

/// Texts in the place of the matrix product's own.
pub(super) const PARAMS: &str = include_str!("../../shaders/weight_update/params.wgsl");
pub(super) const STORE_VEC4: &str = include_str!("../../shaders/weight_update/store_vec4.wgsl");
pub(super) const STORE_SCALAR: &str = include_str!("../../shaders/weight_update/store_scalar.wgsl");

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Outputs of the layer.
        m: u32,
        /// Its inputs.
        n: u32,
        /// Rows of the batch.
        k: u32,
        /// Place of the bias behind the start of the weight.
        bias: u32,
        /// ln β1
        log_beta1: f32,
        /// ln β2
        log_beta2: f32,
        /// 1 − β1
        rate1: f32,
        /// 1 − β2
        rate2: f32,
        /// Added to the root of the second moment.
        epsilon: f32,
        /// Decoupled weight decay, per unit of learning rate.
        decay: f32,
    }
}

/// AdamW (see [`adam`]) on a layer's weight `[out, in]` with the gradient `a[rows, out]ᵀ · b[rows, in]`, and on
/// its bias `[out]` with that of the sums over rows of `a`.
///
/// Bindings: a, b; parameters, first and second moment of weight and bias; counters `[step, …]` (already
/// counting this step), scalars `[learning rate, gradient scale]`.
pub static KERNEL: Kernel = Kernel {
    name: "weight_update",
    bindings: &[
        Binding::read("a"),
        Binding::read("b"),
        Binding::update("parameters"),
        Binding::update("first"),
        Binding::update("second"),
        Binding::words("counters"),
        Binding::read("scalars"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |call| sizes(call).into_iter().map(u64::from).product(),
    variants: |call, device| product::variants(call, sizes(call), device, Store::Update),
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for a layer of `inputs` to `outputs` values whose bias lies `bias` values behind its weight.
pub fn call(rows: usize, inputs: usize, outputs: usize, bias: usize, decay: f32) -> Call {
    let adam = adam::params(0, decay);
    let params = Params {
        m: outputs as u32,
        n: inputs as u32,
        k: rows as u32,
        bias: bias as u32,
        log_beta1: adam.log_beta1,
        log_beta2: adam.log_beta2,
        rate1: adam.rate1,
        rate2: adam.rate2,
        epsilon: adam.epsilon,
        decay: adam.decay,
    };
    Call::new(params, &[("TRANSPOSE_A", 1)])
}

impl From<Params> for adam::Params {
    fn from(p: Params) -> Self {
        Self {
            count: 0,
            log_beta1: p.log_beta1,
            log_beta2: p.log_beta2,
            rate1: p.rate1,
            rate2: p.rate2,
            epsilon: p.epsilon,
            decay: p.decay,
        }
    }
}

fn sizes(call: &Call) -> [u32; 3] {
    let p: Params = call.params();
    [p.m, p.n, p.k]
}

/// Rows of a weight that are updated by the rows of a product.
struct Updated<'a, F> {
    /// Parameters, first and second moments.
    arenas: [&'a mut [F]; 3],
    n: usize,
    rates: Rates<F>,
}

impl<F: Real> Rows<F> for Updated<'_, F> {
    fn split(self, above: usize) -> (Self, Self) {
        let Self { arenas, n, rates } = self;
        let [p, m, v] = arenas.map(|arena| arena.split_at_mut(above * n));
        let part = |arenas| Self { arenas, n, rates };
        (part([p.0, m.0, v.0]), part([p.1, m.1, v.1]))
    }

    #[inline(always)]
    fn take(self, _: usize, memory: &mut Vec<F>, compute: impl FnOnce(&mut [F])) {
        let len = self.arenas[0].len();
        if memory.len() < len {
            memory.resize(len, F::ZERO);
        }
        let gradient = &mut memory[..len];
        compute(gradient);
        self.rates.update(self.arenas, gradient);
    }
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [a, b, parameters, first, second, counters, scalars] = bind(bound);
    let p: Params = call.params();
    let (m, n) = (p.m as usize, p.n as usize);
    let rates = Rates::new(&p.into(), counters.words(), scalars.floats());
    let arenas = [parameters, first, second].map(|arena| arena.floats_mut());
    let [p, first, second] = arenas.map(|arena| arena.split_at_mut(p.bias as usize));
    let weight = Updated {
        arenas: [p.0, first.0, second.0].map(|arena| &mut arena[..m * n]),
        n,
        rates,
    };
    let bias = [p.1, first.1, second.1].map(|arena| &mut arena[..m]);
    let sizes = sizes(call).map(|size| size as usize);
    matmul::with_operands(call, [a.floats(), b.floats()], |a, b| {
        rayon::join(
            || F::transposed_product(sizes, a, (b, Layout::Rows), weight),
            || update_bias(a, bias, rates),
        );
    });
}

/// Updates a bias by the sums over rows of `a`, some values at a time.
fn update_bias<F: Real>(a: &[F], arenas: [&mut [F]; 3], rates: Rates<F>) {
    const PART: usize = 64;
    let m = arenas[0].len();
    let [p, first, second] = arenas.map(|arena| arena.chunks_mut(PART));
    for (i, ((p, first), second)) in p.zip(first).zip(second).enumerate() {
        let mut sums = [F::ZERO; PART];
        let sums = &mut sums[..p.len()];
        matmul::add_rows(a, m, i * PART, sums);
        rates.update([p, first, second], sums);
    }
}
