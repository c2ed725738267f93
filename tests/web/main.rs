//! Pages in a browser, headless Chromium by WebDriver: that of a run, and that of `elbo explore` with WebGPU and
//! without it.
//!
//! Where Chromium or its driver is missing, these tests say so and are skipped, unless
//! `ELBO_TEST_REQUIRE` holds `web`. On Debian and Ubuntu: apt-get install chromium chromium-driver.

mod browser;
mod exported;
mod http;
mod page;
mod report;
mod served;
#[path = "../shared/skipped.rs"]
mod skipped;
mod support;
