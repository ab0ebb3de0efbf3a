//! A server of one's own, on the standard library's sockets: says what a test makes it say, and keeps
//! what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// Header lines in lower case.
    pub(crate) head: String,
    /// `Null` where there is none.
    pub(crate) body: Value,
}

/// What to do about it.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A status, header lines (each with its line break) and a body.
    Say(u16, &'static str, String),
    /// These bytes as the body, with status 200.
    Bytes(&'static [u8]),
    /// Half of a body whose length was announced, or not, and then nothing.
    Half { announced: bool },
    /// Nothing at all.
    HangUp,
    /// This, after a while.
    Later(Duration, Box<Act>),
}

impl Act {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Say(status, "", body.to_string())
    }
}

/// A server that runs until the test's process ends.
pub(crate) struct TestServer {
    /// Up to and with `/v1`.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl TestServer {
    /// Answers each request by its number from 0.
    pub(crate) fn start(act: impl Fn(usize, &Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (kept, act) = (Arc::clone(&asked), Arc::new(act));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, act) = (Arc::clone(&kept), Arc::clone(&act));
                thread::spawn(move || {
                    let Some(asked) = read(&stream) else { return };
                    let number = {
                        let mut kept = kept.lock().unwrap();
                        kept.push(asked.clone());
                        kept.len() - 1
                    };
                    perform(act(number, &asked), stream);
                });
            }
        });
        Self { url, asked }
    }

    /// Everything asked so far, in the order of its coming.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The bodies of everything asked so far.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.asked().into_iter().map(|asked| asked.body).collect()
    }
}

/// An address where nobody answers.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

/// A chat completion with this text: 7 tokens of prompt, as many of reply as it has words.
pub(crate) fn completion(text: &str, finish: &str) -> Value {
    json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
            "finish_reason": finish}],
        "usage": {"prompt_tokens": 7, "completion_tokens": text.split_whitespace().count()},
    })
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let path = head.split_whitespace().nth(1)?.to_owned();
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { path, head, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

fn perform(act: Act, mut stream: TcpStream) {
    // Whoever asked may be gone: that is part of some tests.
    let mut send = |text: String| drop(stream.write_all(text.as_bytes()));
    match act {
        Act::Bytes(body) => {
            let length = body.len();
            send(format!(
                "HTTP/1.1 200 Ok\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
            ));
            drop(stream.write_all(body));
        }
        Act::Say(status, headers, body) => {
            let length = body.len();
            send(format!(
                "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            ));
        }
        Act::Half { announced } => {
            let length = if announced { "content-length: 900\r\n" } else { "" };
            send(format!("HTTP/1.1 200 Ok\r\nconnection: close\r\n{length}\r\n{{\"choices\": [{{"));
        }
        Act::HangUp => {}
        Act::Later(pause, act) => {
            thread::sleep(pause);
            perform(*act, stream);
        }
    }
}
