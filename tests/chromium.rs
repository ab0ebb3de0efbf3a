//! A headless Chromium, driven over `WebDriver`: just enough of the protocol to look at a page, type and
//! click. Debian's packages `chromium` and `chromium-driver` bring both.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Keys that are no letters, by their code points in `WebDriver`.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const UP: &str = "\u{e013}";
pub(crate) const RIGHT: &str = "\u{e014}";
pub(crate) const DOWN: &str = "\u{e015}";

/// As many as will do on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one window; it ends with this.
pub(crate) struct Chromium {
    driver: Child,
    port: u16,
    session: String,
    /// Removed with this.
    profile: tempfile::TempDir,
}

impl Chromium {
    /// Starts one. Without the packages the test is skipped with a word, or fails where
    /// `GRA_REQUIRE_BROWSER` is set.
    pub(crate) fn start() -> Option<Self> {
        let on_path = |program: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(program).exists())
        };
        if !on_path("chromedriver") || !on_path("chromium") {
            assert!(
                std::env::var_os("GRA_REQUIRE_BROWSER").is_none(),
                "no chromium or chromedriver, and GRA_REQUIRE_BROWSER is set: run scripts/setup"
            );
            println!("skipped: no chromium or chromedriver here; scripts/setup installs them");
            return None;
        }
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=WARNING"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = port(&mut driver);
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { driver, port, session: String::new(), profile };
        let profile = format!("--user-data-dir={}", browser.profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1200,900",
            &profile,
        ];
        let answer = browser.request(
            "POST",
            "/session",
            Some(&json!({ "capabilities": { "alwaysMatch": {
                "goog:chromeOptions": { "args": arguments },
                "goog:loggingPrefs": { "browser": "ALL" },
            } } })),
        );
        answer["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        Some(browser)
    }

    /// One exchange over HTTP/1.0, whose answers end with the connection.
    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let body = body.map(ToString::to_string).unwrap_or_default();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text).unwrap();
        let answer: Value = serde_json::from_slice(&text).unwrap();
        let value = answer["value"].clone();
        assert!(value["error"].is_null(), "{method} {path}: {value}");
        value
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        self.request("POST", &format!("/session/{}/{path}", self.session), Some(body))
    }

    /// Opens an address.
    pub(crate) fn open(&self, url: &str) {
        self.ask("url", &json!({ "url": url }));
    }

    /// Opens a file.
    pub(crate) fn open_file(&self, path: &Path) {
        self.open(&format!("file://{}", path.display()));
    }

    /// What an expression of the page is.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.ask("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// An expression's text.
    pub(crate) fn text(&self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&self, expression: &str) {
        let started = Instant::now();
        while self.value(&format!("Boolean({expression})")) != Value::Bool(true) {
            assert!(started.elapsed() < PATIENCE, "never true: {expression}\n{:?}", self.errors());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub(crate) fn press(&self, keys: &str) {
        let press = |key: char| {
            let key = key.to_string();
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        self.ask(
            "actions",
            &json!({ "actions": [{
            "type": "key", "id": "keyboard", "actions": actions,
        }] }),
        );
    }

    /// Warnings and errors on the console since this was last asked.
    pub(crate) fn errors(&self) -> Vec<String> {
        let entries = self.ask("se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().cloned().unwrap_or_default();
        let is_bad = |entry: &Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        let bad = entries.iter().filter(|entry| is_bad(entry));
        bad.map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.request("DELETE", &format!("/session/{}", self.session), None);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The port that a driver says it listens on.
fn port(driver: &mut Child) -> u16 {
    let output = BufReader::new(driver.stdout.take().unwrap());
    for line in output.lines().map_while(Result::ok) {
        let said = line.split("on port ").nth(1);
        let port = said.and_then(|rest| rest.trim_end_matches('.').parse().ok());
        if let Some(port) = port.filter(|port| *port != 0) {
            return port;
        }
    }
    panic!("chromedriver said no port");
}
