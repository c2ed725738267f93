//! A mixture of Gaussians by expectation maximisation (Dempster, Laird & Rubin 1977).
//!
//! Its own code, as no crate has it that would do. Of those that are kept up, linfa-clustering 0.8 has full covariances. It
//! takes exponentials of log densities as they are, without the largest one taken from them, so that codes of 512 dimensions
//! end in an error (`EmptyCluster`). It tells neither likelihood nor iterations, draws nothing, and makes no mixture of what a
//! file holds. It would bring 18 crates more, among them ndarray and a second `rand`: 26 s of building on two cores. Ten of its
//! Gaussians take 22 and 34 s of processor time for 60,000 codes of 20 dimensions, these 1.0 and 3.8 s
//! (`benches/runs/2026-11-30-prior.md`).

#[cfg(test)]
mod tests;

use std::f64::consts::TAU;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::cluster::{Clusters, Codes};
use super::mixture::{Component, Mixture};
use crate::error::{Error, Result};
use crate::host::check_memory;

/// The fit ends where an iteration gains less than this, in nats per code, as Ghosh et al. end it.
const TOLERANCE: f64 = 1e-3;
/// Most iterations, as many as theirs.
const MOST_ITERATIONS: usize = 2000;
/// Variance of a Gaussian of an average number of codes that comes from the ridge, as a share of that of all codes.
const RIDGE: f64 = 1e-6;
/// A Gaussian with less than this of a code has no codes.
const LEAST_MASS: f64 = 1e-6;
/// Codes are added in so many parts, one after another within each: the sums do not depend on the number of threads.
const PARTS: usize = 16;
/// Codes at once.
const BLOCK: usize = 128;
/// Codes whose sums stay in registers.
const LANES: usize = 32;
/// Sums of a product of two columns that are added at its end.
const SUMS: usize = 8;

/// A mixture, and how it came to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The mixture.
    pub mixture: Mixture,
    /// How many codes it was fitted to.
    pub codes: usize,
    /// How many times it was improved.
    pub iterations: usize,
    /// Mean of the codes' log density under it, nats per code; over the dimensions in which they differ.
    pub log_likelihood: f64,
    /// Whether it came to its end, where further iterations gain next to nothing.
    pub converged: bool,
}

impl Fit {
    /// Fits a mixture of so many Gaussians with full covariances to `codes`, `[codes, latent]`.
    ///
    /// It begins with clusters of k-means++ by the seed, all with the covariance within them. What is maximised is the log
    /// likelihood less ½ λ Σ tr(D Σₖ⁻¹), with the variances D of all codes and a small λ: each covariance gets a ridge of
    /// λ/Nₖ·D, so that a Gaussian of few codes cannot shrink to a point. A dimension in which all codes are the same has no
    /// variance in the mixture. Equal codes and seeds give equal bits, whatever the number of threads.
    ///
    /// For sampling from autoencoders: Ghosh et al. 2020, "From Variational to Deterministic Autoencoders", ex-post density
    /// estimation, which takes ten.
    ///
    /// # Errors
    /// [`Error::Config`] where the codes are not whole rows, one is not finite, all are the same, or there are fewer codes
    /// than Gaussians or no Gaussian; [`Error::Device`] where the host has no memory for it.
    pub fn of(codes: &[f32], latent: usize, components: usize, seed: u64) -> Result<Self> {
        check(codes, latent, components)?;
        let codes = Codes::new(codes, latent);
        if codes.dims() == 0 {
            return Err(Error::config(
                format!(
                    "all {} codes are the same: there is no density to fit",
                    codes.len()
                ),
                "a model that was trained for longer, or other data",
            ));
        }
        let values = components as u64 * (codes.dims() * (codes.dims() + 1) / 2) as u64;
        check_memory(
            &format!("{components} covariances of {} dimensions", codes.dims()),
            8 * (PARTS as u64 + 4) * values,
            "fewer Gaussians: a smaller number in `prior = mixture:…`",
        )?;
        let mut state = State::first(&codes, components, seed)?;
        let mut sums = state.sums(&codes);
        let mut fit = (0, false);
        while fit.0 < MOST_ITERATIONS && !fit.1 {
            let next = state.improved(&codes, &sums)?;
            let found = next.sums(&codes);
            fit.1 =
                (found.log_likelihood - sums.log_likelihood).abs() < TOLERANCE * codes.len() as f64;
            (state, sums) = (next, found);
            fit.0 += 1;
        }
        Ok(Self {
            mixture: state.expanded(&codes)?,
            codes: codes.len(),
            iterations: fit.0,
            log_likelihood: sums.log_likelihood / codes.len() as f64,
            converged: fit.1,
        })
    }
}

fn check(codes: &[f32], latent: usize, components: usize) -> Result<()> {
    if latent == 0 || codes.is_empty() || !codes.len().is_multiple_of(latent) {
        return Err(Error::config(
            format!("{} values are not codes of {latent} each", codes.len()),
            "whole codes, one at least",
        ));
    }
    let count = codes.len() / latent;
    if components == 0 || components > count {
        return Err(Error::config(
            format!("`prior = mixture:{components}`: {count} codes make 1 to {count} Gaussians"),
            format!("`prior = mixture:{}`", count.min(10)),
        ));
    }
    match codes.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::config(
            format!("code {} is not finite", at / latent),
            "images with values like those that the model was trained on, or another run",
        )),
    }
}

/// A mixture of the dimensions in which codes differ, about their mean.
struct State {
    components: Vec<Component>,
    /// log(weight) − ½ log |2π·covariance| of each.
    constants: Vec<f64>,
}

/// What an iteration needs to know of all codes.
struct Sums {
    /// Sum of the log densities, nats.
    log_likelihood: f64,
    /// Codes of each component, by how much of them is its.
    masses: Vec<f64>,
    /// Sums of what is its of (x − mean), `[components, dims]`.
    firsts: Vec<f64>,
    /// And of (x − mean)(x − mean)ᵀ, the lower half by rows.
    seconds: Vec<f64>,
}

impl Sums {
    fn zero(components: usize, dims: usize) -> Self {
        Self {
            log_likelihood: 0.0,
            masses: vec![0.0; components],
            firsts: vec![0.0; components * dims],
            seconds: vec![0.0; components * (dims * (dims + 1) / 2)],
        }
    }

    fn add(&mut self, other: &Self) {
        self.log_likelihood += other.log_likelihood;
        for (to, from) in [
            (&mut self.masses, &other.masses),
            (&mut self.firsts, &other.firsts),
            (&mut self.seconds, &other.seconds),
        ] {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }
}

impl State {
    fn new(components: Vec<Component>) -> Self {
        let constant = |one: &Component| {
            let dims = one.mean().len();
            let diagonal = one.factor().iter().step_by(dims + 1);
            let log_root: f64 = diagonal.map(|value| value.ln()).sum();
            one.weight().ln() - log_root - 0.5 * dims as f64 * TAU.ln()
        };
        Self {
            constants: components.iter().map(constant).collect(),
            components,
        }
    }

    /// Where a fit begins.
    fn first(codes: &Codes<'_>, components: usize, seed: u64) -> Result<Self> {
        let dims = codes.dims();
        let clusters = Clusters::of(codes, components, seed);
        let mut covariance = clusters.within(codes);
        add_ridge(&mut covariance, codes, 1.0);
        let centres = clusters.centres.chunks_exact(dims).zip(&clusters.counts);
        let components = centres.map(|(centre, &count)| {
            let weight = count as f64 / codes.len() as f64;
            Component::new(weight, centre.to_vec(), covariance.clone())
        });
        Ok(Self::new(components.collect::<Result<_>>()?))
    }

    /// The mixture that is the most likely one by how much of each code is each component's.
    fn improved(&self, codes: &Codes<'_>, sums: &Sums) -> Result<Self> {
        let (dims, count) = (codes.dims(), codes.len() as f64);
        let average = count / self.components.len() as f64;
        let half = dims * (dims + 1) / 2;
        let components = self.components.iter().enumerate().map(|(number, before)| {
            let mass = sums.masses[number];
            if mass < LEAST_MASS {
                return Ok(before.clone().weighing(0.0));
            }
            let first = &sums.firsts[number * dims..][..dims];
            let moved: Vec<f64> = first.iter().map(|sum| sum / mass).collect();
            let mean = before.mean().iter().zip(&moved).map(|(a, b)| a + b);
            let mut covariance = vec![0.0; dims * dims];
            let mut seconds = sums.seconds[number * half..][..half].iter();
            for (i, row) in covariance.chunks_exact_mut(dims).enumerate() {
                for (j, (to, sum)) in row[..=i].iter_mut().zip(&mut seconds).enumerate() {
                    *to = sum / mass - moved[i] * moved[j];
                }
            }
            add_ridge(&mut covariance, codes, average / mass);
            Component::new(mass / count, mean.collect(), covariance)
        });
        Ok(Self::new(components.collect::<Result<_>>()?))
    }

    /// The log likelihood of codes, and how much of each is each component's.
    fn sums(&self, codes: &Codes<'_>) -> Sums {
        let blocks = codes.len().div_ceil(BLOCK);
        let arch = Arch::new();
        let parts = (0..PARTS).into_par_iter().map(|part| {
            let range = part * blocks / PARTS..(part + 1) * blocks / PARTS;
            arch.dispatch(Part {
                state: self,
                codes,
                range,
            })
        });
        let parts: Vec<Sums> = parts.collect();
        let mut sums = Sums::zero(self.components.len(), codes.dims());
        parts.iter().for_each(|part| sums.add(part));
        sums
    }

    /// The same mixture of all dimensions.
    fn expanded(self, codes: &Codes<'_>) -> Result<Mixture> {
        let latent = codes.mean.len();
        let components = self.components.iter().map(|one| {
            let mut mean = codes.mean.clone();
            let mut covariance = vec![0.0; latent * latent];
            for (i, &row) in codes.varying.iter().enumerate() {
                mean[row] += one.mean()[i];
                for (j, &column) in codes.varying[..=i].iter().enumerate() {
                    let value = one.covariance()[i * codes.dims() + j];
                    covariance[row * latent + column] = value;
                    covariance[column * latent + row] = value;
                }
            }
            Component::new(one.weight(), mean, covariance)
        });
        Mixture::new(components.collect::<Result<_>>()?)
    }
}

/// Adds the ridge of a component with 1/`share` of an average one's codes.
fn add_ridge(covariance: &mut [f64], codes: &Codes<'_>, share: f64) {
    let diagonal = covariance.iter_mut().step_by(codes.dims() + 1);
    for (to, variance) in diagonal.zip(&codes.variance) {
        *to += RIDGE * share * variance;
    }
}

/// Sums over some blocks of the codes.
struct Part<'a> {
    state: &'a State,
    codes: &'a Codes<'a>,
    range: std::ops::Range<usize>,
}

impl WithSimd for Part<'_> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Sums {
        let (components, dims) = (&self.state.components, self.codes.dims());
        let mut sums = Sums::zero(components.len(), dims);
        let mut values = vec![[0.0; BLOCK]; dims];
        let mut centred = vec![[0.0; BLOCK]; dims];
        let mut solved = vec![[0.0; LANES]; dims];
        let mut shares = vec![[0.0; BLOCK]; components.len()];
        let half = dims * (dims + 1) / 2;
        for block in self.range {
            let first = block * BLOCK;
            let count = BLOCK.min(self.codes.len() - first);
            for (dim, values) in values.iter_mut().enumerate() {
                for (at, value) in values[..count].iter_mut().enumerate() {
                    *value = self.codes.value(first + at, dim);
                }
            }
            for (number, component) in components.iter().enumerate() {
                centre(&mut centred, &values, component.mean());
                let distances = distances(&centred, component.factor(), &mut solved);
                let constant = self.state.constants[number];
                shares[number] = distances.map(|square| constant - 0.5 * square);
            }
            sums.log_likelihood += normalise(&mut shares, count);
            for (number, component) in components.iter().enumerate() {
                let mass: f64 = shares[number].iter().sum();
                if mass == 0.0 {
                    continue;
                }
                sums.masses[number] += mass;
                centre(&mut centred, &values, component.mean());
                let firsts = &mut sums.firsts[number * dims..][..dims];
                let seconds = &mut sums.seconds[number * half..][..half];
                moments(&centred, &shares[number], firsts, seconds);
            }
        }
        sums
    }
}

/// x − mean, `[dims, codes]`.
#[inline(always)]
fn centre(centred: &mut [[f64; BLOCK]], values: &[[f64; BLOCK]], mean: &[f64]) {
    for ((to, from), mean) in centred.iter_mut().zip(values).zip(mean) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from - mean;
        }
    }
}

/// (x − mean)ᵀ covariance⁻¹ (x − mean) of each code: the squares of L⁻¹(x − mean), row after row.
#[inline(always)]
fn distances(
    centred: &[[f64; BLOCK]],
    factor: &[f64],
    solved: &mut [[f64; LANES]],
) -> [f64; BLOCK] {
    let dims = centred.len();
    let mut squares = [0.0; BLOCK];
    for first in (0..BLOCK).step_by(LANES) {
        let squares = &mut squares[first..first + LANES];
        for (i, row) in factor.chunks_exact(dims).enumerate() {
            let mut sum = [0.0; LANES];
            sum.copy_from_slice(&centred[i][first..first + LANES]);
            for (weight, known) in row[..i].iter().zip(solved.iter()) {
                for (sum, known) in sum.iter_mut().zip(known) {
                    *sum -= weight * known;
                }
            }
            let scale = row[i].recip();
            for ((to, sum), square) in solved[i].iter_mut().zip(sum).zip(squares.iter_mut()) {
                *to = sum * scale;
                *square += *to * *to;
            }
        }
    }
    squares
}

/// Turns log densities of each component into its share of each code, and gives the sum of the codes' log densities: log Σ
/// exp, from which the largest is taken first. Behind the last code shares are 0.
#[inline(always)]
fn normalise(shares: &mut [[f64; BLOCK]], count: usize) -> f64 {
    let mut total = 0.0;
    for at in 0..BLOCK {
        if at >= count {
            shares.iter_mut().for_each(|of_one| of_one[at] = 0.0);
            continue;
        }
        let largest = shares.iter().map(|of_one| of_one[at]);
        let largest = largest.fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for of_one in shares.iter_mut() {
            of_one[at] = (of_one[at] - largest).exp();
            sum += of_one[at];
        }
        shares.iter_mut().for_each(|of_one| of_one[at] /= sum);
        total += largest + sum.ln();
    }
    total
}

/// Adds what is a component's of x − mean and of its products, the lower half by rows.
#[inline(always)]
fn moments(
    centred: &[[f64; BLOCK]],
    shares: &[f64; BLOCK],
    firsts: &mut [f64],
    seconds: &mut [f64],
) {
    let mut seconds = seconds.iter_mut();
    for (i, (column, first)) in centred.iter().zip(firsts).enumerate() {
        let mut own = [0.0; BLOCK];
        for ((own, share), value) in own.iter_mut().zip(shares).zip(column) {
            *own = share * value;
        }
        *first += own.iter().sum::<f64>();
        for (other, second) in centred[..=i].iter().zip(&mut seconds) {
            let mut sums = [0.0; SUMS];
            let pieces = own.as_chunks::<SUMS>().0.iter();
            for (own, other) in pieces.zip(other.as_chunks::<SUMS>().0) {
                for ((sum, a), b) in sums.iter_mut().zip(own).zip(other) {
                    *sum += a * b;
                }
            }
            *second += sums.iter().sum::<f64>();
        }
    }
}
