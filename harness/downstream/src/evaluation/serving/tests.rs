//! Servers that fail in the ways that real ones do.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// Answers every request by what comes after its path: a status and a body, or nothing at all.
pub(in super::super) fn server(answer: fn(&str) -> Option<(u16, &'static str)>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        // Kept, so that a request without an answer hangs and does not end.
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).unwrap();
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default();
            if let Some((status, body)) = answer(path) {
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(body.as_bytes());
            }
            open.push(stream);
        }
    });
    url
}

pub(in super::super) const ONE: &str = r#"{"data": [{"id": "smol"}]}"#;
pub(in super::super) const REPLY: &str = r#"{"choices": [{"message": {"content": "yes"}}]}"#;

fn serve_url(url: &str, model: Option<&str>) -> Result<Served, ServingError> {
    let target = Target::Url { url: url.to_owned(), model: model.map(str::to_owned) };
    let options =
        ServingOptions { answer_within: Duration::from_secs(1), ..ServingOptions::default() };
    let stop = AtomicBool::new(false);
    serve(&target, Path::new("none"), &options, Path::new("none"), &stop)
}

#[test]
fn a_server_that_answers_is_taken_with_its_only_model() {
    let url = server(|path| Some((200, if path.ends_with("models") { ONE } else { REPLY })));
    for given in [url.clone(), format!("{url}/"), format!("{url}/v1")] {
        let served = serve_url(&given, None).unwrap();
        assert_eq!((served.model.name.as_str(), served.url), ("smol", format!("{url}/v1")));
    }
    let error = serve_url(&url, Some("other")).unwrap_err().to_string();
    assert!(error.contains("has smol, not the model `other`"), "{error}");
}

#[test]
fn a_server_that_fails_is_told_before_anything_is_scored() {
    type Answer = fn(&str) -> Option<(u16, &'static str)>;
    let cases: [(Answer, &str); 6] = [
        (
            |_| Some((500, "out of memory")),
            "the server answers 500 to URL/v1/models: out of memory",
        ),
        (|_| None, "the server hangs: URL/v1/models gave no answer within 1 s"),
        (
            |path| if path.ends_with("models") { Some((200, ONE)) } else { Some((500, "")) },
            "the server answers 500 to URL/v1/chat/completions: nothing",
        ),
        (
            |path| path.ends_with("models").then_some((200, ONE)),
            "the server hangs: URL/v1/chat/completions gave no answer within 1 s",
        ),
        (
            |_| Some((200, "<html>")),
            "URL/v1/models answers, but not as an OpenAI-compatible server: <html>",
        ),
        (
            |_| Some((200, r#"{"data": [{"id": "a"}, {"id": "b"}]}"#)),
            "URL/v1 has a, b, and one is scored at a time",
        ),
    ];
    for (answer, said) in cases {
        let url = server(answer);
        let error = serve_url(&url, None).unwrap_err().to_string().replace(&url, "URL");
        assert!(error.starts_with(said), "{error}");
        assert!(error.contains("\nhint: "), "{error}");
    }
}

#[test]
fn a_server_that_is_away_is_told() {
    let url = format!("http://127.0.0.1:{}", free_port().unwrap());
    let error = serve_url(&url, None).unwrap_err().to_string();
    assert!(error.starts_with("no server answers at"), "{error}");
}

#[test]
fn what_is_no_model_and_what_is_not_installed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let error = Target::from_path(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is no model"), "{error}");
    let file = folder.path().join("a.gguf");
    std::fs::write(&file, "GGUF").unwrap();
    let target = Target::from_path(&file).unwrap();
    let stop = AtomicBool::new(false);
    let options = ServingOptions::default();
    let log = folder.path().join("log");
    let error = serve(&target, folder.path(), &options, &log, &stop).unwrap_err().to_string();
    assert!(error.ends_with("hint: scripts/engines llama-server"), "{error}");

    // An environment whose server ends at once.
    let bin = folder.path().join("llama-server/bin");
    std::fs::create_dir_all(&bin).unwrap();
    let manifest = r#"{"engine": "llama-server", "packages": {}}"#;
    std::fs::write(folder.path().join("llama-server/engine.json"), manifest).unwrap();
    std::os::unix::fs::symlink("/bin/false", bin.join("llama-server")).unwrap();
    let error = serve(&target, folder.path(), &options, &log, &stop).unwrap_err().to_string();
    assert!(error.contains("failed (exit status: 1)"), "{error}");
}
