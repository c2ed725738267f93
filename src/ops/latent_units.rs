//! Each latent dimension's share of the KL, and how much its mean varies.

use super::{LOGVAR_BOUND, bounded, lib};
use crate::kernel::{
    Access, Binding, Bound, Call, ELEMENTWISE_GROUP, Kernel, Real, bind, elementwise,
};

crate::params! {
    /// Parameters of [`KERNEL`].
    pub struct Params {
        /// Rows of the heads.
        rows: u32,
        /// Values of a latent code.
        latent: u32,
    }
}

/// Sums over a batch of each latent dimension's KL, mu and mu², and how many logvar are beyond their bound.
///
/// Bindings: heads `[rows, 2·latent]`, units `[latent, 4]`. Selector `ADD`: 1 adds to what units
/// hold.
pub static KERNEL: Kernel = Kernel {
    name: "latent_units",
    bindings: &[
        Binding::read("heads"),
        Binding::update("units").used(|call| match call.selector("ADD") {
            0 => Access::Write,
            _ => Access::Update,
        }),
    ],
    fields: Params::FIELDS,
    multiply_adds: |_| 0,
    variants: |call, _| {
        elementwise(
            &[
                lib::EXP,
                lib::LATENT,
                include_str!("../../shaders/latent_units.wgsl"),
            ],
            call.params::<Params>().latent * ELEMENTWISE_GROUP,
        )
    },
    twin: twin::<f32>,
    oracle: twin::<f64>,
};

/// The call for `rows` heads; with `add` on top of earlier sums.
pub fn call(rows: usize, latent: usize, add: bool) -> Call {
    let params = Params {
        rows: rows as u32,
        latent: latent as u32,
    };
    Call::new(params, &[("ADD", u32::from(add))])
}

fn twin<F: Real>(call: &Call, bound: &mut [Bound<'_, F>]) {
    let [heads, units] = bind(bound);
    let latent = call.params::<Params>().latent as usize;
    let add = call.selector("ADD") != 0;
    f64::scratch(4 * latent, |sums| {
        let (sums, _) = sums.as_chunks_mut();
        add_up(heads.floats(), sums);
        for (unit, sums) in units.floats_mut().chunks_mut(4).zip(sums) {
            for (value, sum) in unit.iter_mut().zip(sums.map(F::new)) {
                *value = if add { *value + sum } else { sum };
            }
        }
    });
}

/// Sums of (KL, mu, mu², whether logvar is beyond its bound) for each latent dimension.
fn add_up<F: Real>(heads: &[F], sums: &mut [[f64; 4]]) {
    let latent = sums.len();
    let half = F::new(0.5);
    let bound = F::new(LOGVAR_BOUND);
    sums.fill([0.0; 4]);
    for head in heads.chunks(2 * latent) {
        let (mu, logvar) = head.split_at(latent);
        for ((sum, &mu), &raw) in sums.iter_mut().zip(mu).zip(logvar) {
            let logvar = bounded(raw);
            let kl = half * (logvar.exp() + mu * mu - F::ONE - logvar);
            let beyond = raw > bound || raw < -bound;
            let beyond = if beyond { F::ONE } else { F::new(0.0) };
            for (sum, term) in sum.iter_mut().zip([kl, mu, mu * mu, beyond]) {
                *sum += term.wide();
            }
        }
    }
}
