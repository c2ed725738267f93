//! Pages in a browser, headless Chromium by WebDriver: that of a run, and that of `elbo explore` with WebGPU and
//! without it.
//!
//! Where Chromium or its driver is missing, these tests say so and are skipped, unless
//! `ELBO_TEST_REQUIRE` holds `web`. On Debian and Ubuntu: apt-get install chromium chromium-driver.

mod browser;
mod conditional;
mod exported;
#[path = "../shared/filled.rs"]
mod filled;
#[expect(dead_code, reason = "other tests need files of other forms from it")]
#[path = "../data/formats.rs"]
mod formats;
mod http;
mod input;
mod kernels;
mod page;
mod phone;
mod report;
mod served;
#[path = "../shared/skipped.rs"]
mod skipped;
mod support;
mod values;
