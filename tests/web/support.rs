//! A headless Chromium, by the HTTP protocol of chromedriver.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A browser with one page, closed when dropped.
pub(crate) struct Browser {
    driver: Child,
    agent: ureq::Agent,
    /// Address of the session.
    session: String,
    /// The browser's own folder.
    _profile: TempDir,
}

impl Browser {
    /// A fresh browser. Without one the test is skipped, unless `ELBO_TEST_WEB=require` makes that an error.
    pub(crate) fn open() -> Option<Self> {
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        match driver {
            Ok(driver) => Some(Self::start(driver)),
            Err(e) if env::var("ELBO_TEST_WEB").is_ok_and(|value| value == "require") => {
                panic!("ELBO_TEST_WEB=require, but chromedriver does not start: {e}")
            }
            Err(e) => {
                eprintln!(
                    "SKIPPED: pages in a browser; chromedriver does not start ({e}): install chromium and \
                     chromium-driver"
                );
                None
            }
        }
    }

    fn start(mut driver: Child) -> Self {
        let output = driver.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(output).lines();
        let port = lines.by_ref().find_map(|line| {
            let line = line.expect("text");
            let (_, rest) = line.split_once("successfully on port ")?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.expect("chromedriver says its port");
        // It would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().expect("a temporary folder");
        let agent = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        let mut browser = Self {
            driver,
            agent,
            session: format!("http://127.0.0.1:{port}/session"),
            _profile: profile,
        };
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            &profile,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let opened = browser.post("", &wanted);
        let id = opened["sessionId"].as_str().expect("a session");
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// Opens the page of a file.
    pub(crate) fn open_file(&self, path: &Path) {
        self.post(
            "/url",
            &json!({"url": format!("file://{}", path.display())}),
        );
    }

    /// What the body of a function in the page returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// A command of the DevTools protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.post("/goog/cdp/execute", &body)
    }

    /// A screen of this many pixels, dark or light.
    pub(crate) fn screen(&self, width: u32, height: u32, dark: bool) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if dark { "dark" } else { "light" };
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({"features": [feature]}),
        );
    }

    /// What the page has written to the console since the last look, errors of its own among it.
    pub(crate) fn console(&self) -> Vec<String> {
        let lines = self.post("/se/log", &json!({"type": "browser"}));
        let lines = lines.as_array().expect("lines").iter();
        lines.map(|line| line["message"].to_string()).collect()
    }

    /// A picture of the screen, kept in the folder that `ELBO_TEST_SCREENS` names, if it is set.
    pub(crate) fn keep_screen(&self, name: &str) {
        if let Some(folder) = env::var_os("ELBO_TEST_SCREENS") {
            let picture = self.get("/screenshot");
            let picture = BASE64_STANDARD.decode(picture.as_str().expect("a picture"));
            let path = Path::new(&folder).join(name);
            std::fs::write(path, picture.expect("base64")).expect("a screenshot");
        }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let address = format!("{}{path}", self.session);
        let request = self.agent.post(&address);
        let request = request.header("content-type", "application/json");
        let mut response = request.send(body.to_string()).expect("an answer");
        value(&response.body_mut().read_to_string().expect("text"))
    }

    fn get(&self, path: &str) -> Value {
        let address = format!("{}{path}", self.session);
        let mut response = self.agent.get(&address).call().expect("an answer");
        let body = response.body_mut().with_config().limit(64 << 20);
        value(&body.read_to_string().expect("text"))
    }
}

fn value(text: &str) -> Value {
    let answer: Value = serde_json::from_str(text).expect("JSON");
    let value = answer["value"].clone();
    assert!(value.get("error").is_none(), "{value}");
    value
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes the browser; what fails here has failed before.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
