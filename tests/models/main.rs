//! Whole models: against PyTorch, finite differences, plain loops, seeded faults and known results.

mod accounting;
mod augment;
mod average;
mod by_hand;
mod choices;
mod conditional;
mod faults;
mod given_back;
mod golden;
mod gradients;
mod graphs;
mod inference;
#[path = "../shared/python.rs"]
mod interpreter;
mod latents;
mod mnist;
mod modules;
mod not_finite;
mod objectives;
mod parts;
mod processes;
mod reproducibility;
mod resume;
mod schedules;
mod shards;
mod sigma;
#[path = "../shared/skipped.rs"]
mod skipped;
mod step_by_step;
mod support;
mod tensorboard;
mod traffic;
mod view;
mod windows;
