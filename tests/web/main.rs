//! Pages in a browser: Chromium, driven through chromedriver. Where they are not installed the tests are skipped,
//! and say so; `ELBO_TEST_WEB=require` makes that an error.

mod report;
mod support;
