//! The weight of the KL's gradient where it varies: warm-up and free bits.

use crate::kernel::{Binding, Bound, Call, Kernel, Real, bind, elementwise};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of the heads.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
        /// Nats of each latent dimension's KL that are free, or those at which the whole KL is held.
        nats: f32,
    }
}

/// How the gradient of the KL is weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// By the relative KL weight, and by 0 where the mean KL of a latent dimension over the batch is within so many nats
    /// (Kingma et al. 2016, eq. 15).
    FreeBits(f32),
    /// By the mean KL of the batch less the relative KL weight of so many nats, within −1 and 1: the slope of Huber's loss,
    /// which is |KL − C| (Burgess et al. 2018, eq. 8) but within a nat.
    Capacity(f32),
}

/// Multiplies the gradient of beta · KL by what a [`Rule`] says; selector `CAPACITY`.
///
/// Bindings: units `[latent, 4]` as [`super::latent_units`] leaves them, scalars `[learning rate, gradient scale,
/// relative KL weight]`, d_heads `[rows, 2·latent]`.
pub static KERNEL: Kernel = Kernel {
    name: "kl_weight",
    bindings: &[
        Binding::read("units"),
        Binding::read("scalars"),
        Binding::update("d_heads"),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        let p: Params = call.params();
        elementwise(
            &[include_str!("../../shaders/kl_weight.wgsl")],
            p.rows * 2 * p.latent,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `rows` heads.
pub fn call(rows: usize, latent: usize, rule: Rule) -> Call {
    let (nats, capacity) = match rule {
        Rule::FreeBits(nats) => (nats, 0),
        Rule::Capacity(nats) => (nats, 1),
    };
    let params = Params {
        rows: rows as u32,
        latent: latent as u32,
        nats,
    };
    Call::new(params, &[("CAPACITY", capacity)])
}

/// A value within −1 and 1; NaN of a NaN.
fn within_one<F: Real>(value: F) -> F {
    if value > F::ONE {
        F::ONE
    } else if value < -F::ONE {
        -F::ONE
    } else {
        value
    }
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [units, scalars, d_heads] = bind(bound);
    let p: Params = call.params();
    let share = scalars.floats()[2];
    let units = units.floats();
    if call.selector("CAPACITY") != 0 {
        let kl: F = units.iter().step_by(4).copied().sum();
        let kl = kl / F::new(f64::from(p.rows));
        let slope = within_one(kl - F::new(f64::from(p.nats)) * share);
        d_heads.floats_mut().iter_mut().for_each(|d| *d *= slope);
        return;
    }
    let bound = F::new(f64::from(p.nats * p.rows as f32));
    for gradients in d_heads.floats_mut().chunks_mut(p.latent as usize) {
        for (gradient, unit) in gradients.iter_mut().zip(units.chunks(4)) {
            *gradient *= if unit[0] <= bound { F::ZERO } else { share };
        }
    }
}
