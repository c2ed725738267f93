//! `elbo explore` in a browser: headless Chromium by WebDriver, with WebGPU and without it.
//!
//! Where Chromium or its driver is missing, the tests of the page say so and are skipped, unless
//! `ELBO_TEST_WEB=require` is set. On Debian and Ubuntu: apt-get install chromium chromium-driver.

mod browser;
mod exported;
mod http;
mod page;
mod served;
mod support;
