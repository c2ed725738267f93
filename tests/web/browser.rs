//! A browser, by the W3C's WebDriver protocol.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::skipped::skipped;

/// Names of the browser's program, by distribution.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Time for anything that a page does. Software rendering on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// The key by which WebDriver marks an element (section 11 of the standard).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Browsers are large: one at a time.
static ONE: Mutex<()> = Mutex::new(());

pub(crate) struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
    _profile: TempDir,
    _one: MutexGuard<'static, ()>,
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let files = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

impl Browser {
    /// A browser with WebGPU (in software) or without it. None, with a word, where there is no Chromium.
    pub(crate) fn open(webgpu: bool) -> Option<Self> {
        let (Some(browser), Some(driver)) = (find(&BROWSERS), find(&["chromedriver"])) else {
            let what =
                "no Chromium with its driver (Debian: apt-get install chromium chromium-driver)";
            skipped("web", what);
            return None;
        };
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut driver, port) = start(&driver);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(2 * PATIENCE));
        let agent: ureq::Agent = config.build().into();
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut arguments = vec![
            "--headless=new".to_owned(),
            // Containers run as root, which the sandbox refuses. Nothing but our own page is visited.
            "--no-sandbox".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--window-size=1400,1000".into(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        if webgpu {
            // Also offers SwiftShader, where there is no GPU.
            arguments.push("--enable-unsafe-webgpu".into());
        } else {
            arguments.push("--disable-features=WebGPU".into());
            arguments.push("--disable-gpu".into());
        }
        let options = json!({ "binary": browser, "args": arguments });
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let made = request(
            &agent,
            "POST",
            &format!("{port}/session"),
            Some(&capabilities),
        );
        let session = match made {
            Ok(value) => format!(
                "{port}/session/{}",
                value["sessionId"].as_str().expect("an id")
            ),
            Err(error) => {
                driver.kill().expect("the driver ends");
                panic!("{}: {error}", browser.display());
            }
        };
        Some(Self {
            driver,
            session,
            agent,
            _profile: profile,
            _one: one,
        })
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}{path}", self.session);
        request(&self.agent, method, &url, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn visit(&self, url: &str) {
        self.call("POST", "/url", Some(&json!({ "url": url })));
    }

    /// Runs a function's body in the page and gives what it returns; a promise is waited for.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.run_with(script, &json!([]))
    }

    /// The same with `arguments`.
    pub(crate) fn run_with(&self, script: &str, arguments: &Value) -> Value {
        let body = json!({ "script": script, "args": arguments });
        self.call("POST", "/execute/sync", Some(&body))
    }

    /// Opens the page of a file.
    pub(crate) fn open_file(&self, path: &Path) {
        self.visit(&format!("file://{}", path.display()));
    }

    /// A command of Chromium's own protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.call("POST", "/goog/cdp/execute", Some(&body))
    }

    /// A screen of this many pixels, dark or light.
    pub(crate) fn screen(&self, width: u32, height: u32, dark: bool) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [feature] }),
        );
    }

    /// Waits until an expression is true in the page.
    pub(crate) fn wait(&self, condition: &str) {
        let start = Instant::now();
        while self.run(&format!("return Boolean({condition})")) != json!(true) {
            let shown = || self.run("return document.body.innerText");
            assert!(
                start.elapsed() < PATIENCE,
                "{condition} stays false in {}",
                shown()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn element(&self, selector: &str) -> String {
        let body = json!({ "using": "css selector", "value": selector });
        let found = self.call("POST", "/element", Some(&body));
        let id = found[ELEMENT].as_str().expect("an element");
        format!("/element/{id}")
    }

    /// Clicks as a user does; fails where something else lies above.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.call("POST", &format!("{element}/click"), Some(&json!({})));
    }

    /// Types into an element; a file's path into a chooser of files.
    pub(crate) fn keys(&self, selector: &str, text: &str) {
        let path = format!("{}/value", self.element(selector));
        self.call("POST", &path, Some(&json!({ "text": text })));
    }

    pub(crate) fn choose(&self, selector: &str, file: &Path) {
        self.keys(selector, file.to_str().expect("UTF-8"));
    }

    /// Presses the pointer at the first place within an element, drags it along the others, and lets go. Places are
    /// pixels from the element's upper left corner.
    pub(crate) fn drag(&self, selector: &str, places: &[[f64; 2]]) {
        let script = format!(
            "const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center' }});
             const b = e.getBoundingClientRect(); return [b.left, b.top]"
        );
        let corner = self.run(&script);
        let at = |axis: usize, place: &[f64; 2]| {
            (corner[axis].as_f64().expect("a corner") + place[axis]).round() as i64
        };
        let go = |place: &[f64; 2]| json!({ "type": "pointerMove", "duration": 0, "x": at(0, place), "y": at(1, place) });
        let mut actions = vec![
            go(&places[0]),
            json!({ "type": "pointerDown", "button": 0 }),
        ];
        actions.extend(places[1..].iter().map(go));
        actions.push(json!({ "type": "pointerUp", "button": 0 }));
        let body = json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": actions }] });
        self.call("POST", "/actions", Some(&body));
    }

    /// What the page and the browser complained of so far.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.call("POST", "/se/log", Some(&json!({ "type": "browser" })));
        let entries = log.as_array().expect("a log").iter();
        entries
            .map(|entry| format!("{}: {}", entry["level"], entry["message"]))
            .filter(|entry| !entry.contains("No available adapters"))
            .collect()
    }

    /// Keeps a picture of the page in the folder that `ELBO_SCREENSHOTS` names, for whoever wants to look.
    pub(crate) fn screenshot(&self, name: &str) {
        use base64::Engine;
        if let Some(folder) = env::var_os("ELBO_SCREENSHOTS") {
            let text = self.call("GET", "/screenshot", None);
            let png =
                base64::engine::general_purpose::STANDARD.decode(text.as_str().expect("base64"));
            let path = Path::new(&folder).join(format!("{name}.png"));
            fs::write(path, png.expect("base64")).expect("a screenshot");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; the driver alone would leave it behind.
        let _ = request(&self.agent, "DELETE", &self.session, None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Starts the driver on a free port, which it names.
fn start(driver: &Path) -> (Child, String) {
    let mut child = Command::new(driver)
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the driver starts");
    let stdout = child.stdout.take().expect("piped");
    let mut lines = BufReader::new(stdout).lines();
    let port = lines.find_map(|line| {
        let line = line.expect("text");
        let (_, port) = line.split_once("started successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    let port = port.expect("the driver names its port");
    // It goes on to write, and must not wait for a reader.
    thread::spawn(move || lines.for_each(drop));
    (child, format!("http://127.0.0.1:{port}"))
}

fn request(
    agent: &ureq::Agent,
    method: &str,
    url: &str,
    body: Option<&Value>,
) -> Result<Value, String> {
    let response = match (method, body) {
        ("POST", Some(body)) => agent
            .post(url)
            .header("Content-Type", "application/json")
            .send(body.to_string()),
        ("DELETE", _) => agent.delete(url).call(),
        _ => agent.get(url).call(),
    };
    let mut response = response.map_err(|error| error.to_string())?;
    let text = response
        .body_mut()
        .with_config()
        .limit(64 << 20)
        .read_to_string();
    let text = text.map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    match response.status().is_success() {
        true => Ok(answer["value"].take()),
        false => Err(format!(
            "{}: {}",
            answer["value"]["error"], answer["value"]["message"]
        )),
    }
}
