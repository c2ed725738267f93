//! Learning rate and weight of the KL as functions of the step.
//!
//! They are computed on the host, in double precision, for an epoch at a time: every device follows the same
//! table, and a run that goes on from a checkpoint follows the one that it left.

use std::f64::consts::PI;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::option::{self, defaults};
use crate::train::Span;

/// Share of each cycle in which the weight of the KL rises (Fu et al. 2019).
const RISING: f64 = 0.5;

/// What the learning rate does after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// It stays
    #[default]
    Constant,
    /// It falls to 0 at the last step, along half a cosine (Loshchilov & Hutter 2017)
    Cosine,
    /// It is multiplied by --lr-step-factor whenever --lr-step-every has gone by
    Step,
}

/// The learning rate as a share of what it is at most.
#[derive(Args, Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LearningRate {
    /// What the learning rate does after its warm-up
    #[arg(id = "lr_schedule", long = "lr-schedule", value_enum, default_value_t = Decay::Constant, help_heading = "Training")]
    #[serde(rename = "lr-schedule")]
    pub decay: Decay,
    /// How long the learning rate rises linearly to --lr at the start: 2epochs, 500steps
    #[arg(
        id = "lr_warmup",
        long = "lr-warmup",
        value_name = "LENGTH",
        default_value = "0",
        help_heading = "Training"
    )]
    #[serde(rename = "lr-warmup")]
    pub warm_up: Span,
    /// How often --lr-schedule step lowers the learning rate
    #[arg(
        id = "lr_step_every",
        long = "lr-step-every",
        value_name = "LENGTH",
        default_value = "10epochs",
        help_heading = "Training"
    )]
    #[serde(rename = "lr-step-every")]
    pub step_every: Span,
    /// Factor by which --lr-schedule step multiplies the learning rate
    #[arg(
        id = "lr_step_factor",
        long = "lr-step-factor",
        value_name = "FACTOR",
        value_parser = option::number::<f64>,
        default_value_t = 0.1,
        help_heading = "Training"
    )]
    #[serde(rename = "lr-step-factor")]
    pub step_factor: f64,
}

impl Default for LearningRate {
    fn default() -> Self {
        defaults()
    }
}

/// The KL weight relative to beta, 0 to 1.
#[derive(Args, Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KlWeight {
    /// How long the KL weight, or with --capacity the target of the KL, rises linearly from 0 at the start (Bowman et al.
    /// 2016)
    #[arg(
        id = "kl_warmup",
        long = "kl-warmup",
        value_name = "LENGTH",
        default_value = "0",
        help_heading = "Training"
    )]
    #[serde(rename = "kl-warmup")]
    pub warm_up: Span,
    /// Number of cycles; in each the KL weight, or with --capacity the target of the KL, rises from 0 over the first half, then
    /// stays (Fu et al. 2019); 0 turns this off
    #[arg(
        id = "kl_cycles",
        long = "kl-cycles",
        value_name = "NUMBER",
        value_parser = option::count::<u32>,
        default_value_t = 0,
        help_heading = "Training"
    )]
    #[serde(rename = "kl-cycles")]
    pub cycles: u32,
}

impl Default for KlWeight {
    fn default() -> Self {
        defaults()
    }
}

/// Steps of training that a share is a function of.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// Steps of an epoch.
    pub batches: usize,
    /// Epochs.
    pub epochs: u32,
}

impl Course {
    fn steps(self) -> f64 {
        self.batches as f64 * f64::from(self.epochs)
    }
}

fn steps(option: &str, span: Span, batches: usize) -> Result<f64> {
    match span.steps(batches) {
        Some(steps) => Ok(steps as f64),
        None => Err(Error::config(
            format!("`{option} = {span}`: a schedule goes by epochs or steps"),
            format!("`{option} = 2epochs`, or `{option} = 500steps`"),
        )),
    }
}

impl LearningRate {
    /// Whether it is the same at every step.
    pub fn is_constant(&self) -> bool {
        self.warm_up.is_zero() && self.decay == Decay::Constant
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] with the option at fault.
    pub fn validate(&self) -> Result<()> {
        steps("lr-warmup", self.warm_up, 1)?;
        steps("lr-step-every", self.step_every, 1)?;
        if self.step_every.is_zero() {
            return Err(Error::config(
                "`lr-step-every = 0`: the learning rate cannot fall at every instant",
                "`lr-step-every = 10epochs`",
            ));
        }
        if !(self.step_factor > 0.0 && self.step_factor <= 1.0) {
            return Err(Error::config(
                format!(
                    "`lr-step-factor = {}`: expected a number above 0, 1 at most",
                    self.step_factor
                ),
                "`lr-step-factor = 0.1`",
            ));
        }
        Ok(())
    }

    /// The share at the step after `done` steps.
    ///
    /// # Errors
    /// [`Error::Config`] where a span is not one of steps.
    pub fn share(&self, done: u64, course: Course) -> Result<f64> {
        let done = done as f64;
        let warm_up = steps("lr-warmup", self.warm_up, course.batches)?;
        if done < warm_up {
            // Not 0 at first: that step would be lost.
            return Ok((done + 1.0) / (warm_up + 1.0));
        }
        Ok(match self.decay {
            Decay::Constant => 1.0,
            Decay::Cosine => {
                let past = (done - warm_up) / (course.steps() - warm_up).max(1.0);
                0.5 * (1.0 + (PI * past.min(1.0)).cos())
            }
            Decay::Step => {
                let every = steps("lr-step-every", self.step_every, course.batches)?;
                self.step_factor.powf((done / every.max(1.0)).floor())
            }
        })
    }
}

impl KlWeight {
    /// Whether it is 1 at every step.
    pub fn is_constant(&self) -> bool {
        self.warm_up.is_zero() && self.cycles == 0
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] with the option at fault.
    pub fn validate(&self) -> Result<()> {
        steps("kl-warmup", self.warm_up, 1)?;
        if !self.warm_up.is_zero() && self.cycles > 0 {
            return Err(Error::config(
                format!(
                    "`kl-warmup = {}` beside `kl-cycles = {}`: the weight of the KL rises once, or in cycles",
                    self.warm_up, self.cycles
                ),
                "one of the two",
            ));
        }
        Ok(())
    }

    /// The share at the step after `done` steps.
    ///
    /// # Errors
    /// [`Error::Config`] where a span is not one of steps.
    pub fn share(&self, done: u64, course: Course) -> Result<f64> {
        let done = done as f64;
        if self.cycles > 0 {
            let cycle = (course.steps() / f64::from(self.cycles)).max(1.0);
            return Ok((done % cycle / (RISING * cycle)).min(1.0));
        }
        let warm_up = steps("kl-warmup", self.warm_up, course.batches)?;
        Ok(if done < warm_up { done / warm_up } else { 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COURSE: Course = Course {
        batches: 10,
        epochs: 10,
    };

    fn rates(rate: LearningRate, at: &[u64]) -> Vec<f64> {
        rate.validate().expect("a valid schedule");
        at.iter()
            .map(|&done| rate.share(done, COURSE).expect("a share"))
            .collect()
    }

    fn weights(weight: KlWeight, at: &[u64]) -> Vec<f64> {
        weight.validate().expect("a valid schedule");
        at.iter()
            .map(|&done| weight.share(done, COURSE).expect("a share"))
            .collect()
    }

    #[test]
    fn a_warm_up_rises_linearly_and_loses_no_step() {
        let rate = LearningRate {
            warm_up: Span::Steps(4),
            ..LearningRate::default()
        };
        assert_eq!(rates(rate, &[0, 1, 3, 4, 99]), [0.2, 0.4, 0.8, 1.0, 1.0]);
    }

    #[test]
    fn a_cosine_falls_from_one_to_zero_behind_the_warm_up() {
        let rate = LearningRate {
            warm_up: Span::Epochs(2.0),
            decay: Decay::Cosine,
            ..LearningRate::default()
        };
        let found = rates(rate, &[20, 60, 99, 100, 200]);
        assert_eq!(found[0], 1.0);
        assert!((found[1] - 0.5).abs() < 1e-12, "{found:?}");
        assert!(found[2] > 0.0 && found[2] < 1e-3, "{found:?}");
        assert!(found[3] < 1e-12 && found[4] < 1e-12, "{found:?}");
    }

    #[test]
    fn steps_down_are_counted_from_the_start() {
        let rate = LearningRate {
            decay: Decay::Step,
            step_every: Span::Epochs(3.0),
            step_factor: 0.5,
            ..LearningRate::default()
        };
        assert_eq!(
            rates(rate, &[0, 29, 30, 59, 60]),
            [1.0, 1.0, 0.5, 0.5, 0.25]
        );
    }

    #[test]
    fn the_weight_of_the_kl_rises_from_zero_once_or_in_cycles() {
        let once = KlWeight {
            warm_up: Span::Epochs(4.0),
            cycles: 0,
        };
        assert_eq!(weights(once, &[0, 10, 40, 99]), [0.0, 0.25, 1.0, 1.0]);
        let cycles = KlWeight {
            cycles: 2,
            ..KlWeight::default()
        };
        let found = weights(cycles, &[0, 5, 25, 49, 50, 75]);
        assert_eq!(found, [0.0, 0.2, 1.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn schedules_that_mean_nothing_are_refused_by_their_option() {
        let rate = |rate: LearningRate| rate.validate().expect_err("a bad schedule").to_string();
        let bad = rate(LearningRate {
            warm_up: Span::Minutes(1.0),
            ..LearningRate::default()
        });
        assert!(bad.contains("`lr-warmup = 1 minute`"), "{bad}");
        for factor in [0.0, 1.5, f64::NAN] {
            let bad = rate(LearningRate {
                step_factor: factor,
                ..LearningRate::default()
            });
            assert!(bad.contains("`lr-step-factor = "), "{bad}");
        }
        let both = KlWeight {
            warm_up: Span::Steps(1),
            cycles: 1,
        };
        let bad = both.validate().expect_err("both").to_string();
        assert!(bad.contains("`kl-cycles = "), "{bad}");
    }
}
