//! Whole runs on a pool whose models a server holds, with the embeddings made here.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::real_model::models;
use crate::workbench::{Workbench, published};

const GRA: &str = "[[variant]]\nname = \"gra\"\n";

/// A server that answers as llama-server does, with replies of the form that it is held to, until the
/// test's process ends. Gives its address.
pub(crate) fn serve() -> String {
    serve_until(Arc::new(AtomicI64::new(i64::MAX)), completion)
}

/// The same with completions of another kind.
pub(crate) fn serve_saying(say: fn(&Value) -> Value) -> String {
    serve_until(Arc::new(AtomicI64::new(i64::MAX)), say)
}

/// The same for so many replies; from then on it says that it is busy.
pub(crate) fn serve_until(replies: Arc<AtomicI64>, say: fn(&Value) -> Value) -> String {
    serve_but(move |asked| {
        let busy = replies.fetch_sub(1, Ordering::Relaxed) <= 0;
        let body = if busy { json!({"error": {"message": "busy"}}) } else { say(asked) };
        Some((if busy { 503 } else { 200 }, body.to_string()))
    })
}

/// The same, but for the questions that `instead` has another answer to: a status and a body.
pub(crate) fn serve_but(
    instead: impl Fn(&Value) -> Option<(u16, String)> + Send + Sync + 'static,
) -> String {
    let instead: Arc<Instead> = Arc::new(instead);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let instead = Arc::clone(&instead);
            thread::spawn(move || answer(&stream, &*instead));
        }
    });
    url
}

type Instead = dyn Fn(&Value) -> Option<(u16, String)> + Send + Sync;

fn answer(mut stream: &TcpStream, instead: &Instead) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let (status, reply) = match head.split_whitespace().nth(1).unwrap() {
        "/v1/models" => {
            (200, json!({"data": [{"id": "small.gguf", "owned_by": "llamacpp"}]}).to_string())
        }
        "/props" => {
            let props = json!({"model_path": "/data/small.gguf", "build_info": "b1-test",
                "chat_template": "{{ messages }}", "default_generation_settings": {"n_ctx": 2048}});
            (200, props.to_string())
        }
        _ => {
            let asked: Value = serde_json::from_slice(&body).unwrap();
            instead(&asked).unwrap_or_else(|| (200, completion(&asked).to_string()))
        }
    };
    let length = reply.len();
    let head =
        format!("HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    let _ = stream.write_all((head + &reply).as_bytes());
}

/// A number that the question's words and seed determine.
pub(crate) fn draw(asked: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    asked["messages"][0]["content"].as_str().unwrap().hash(&mut hasher);
    asked["seed"].as_u64().unwrap().hash(&mut hasher);
    hasher.finish()
}

/// A well-behaved answer to a question.
pub(crate) fn completion(asked: &Value) -> Value {
    let draw = draw(asked);
    let word = |at: u32| {
        ["tides", "bridges", "clocks", "glass", "salt", "bees", "ice", "rust"]
            [usize::from((draw >> at).to_le_bytes()[0] % 8)]
    };
    let grammar = asked["grammar"].as_str().unwrap_or_default().replace("\\x22", "'");
    let begun = grammar.trim_start_matches("root ::= \"").split('"').next().unwrap();
    let begun = begun.replace("\\n", "\n").replace("\\x5B", "[").replace("\\x5D", "]");
    let text = match begun.as_str() {
        "<bod>'domain': '" => "<bod>\"domain\": \"QA\"<eod>".to_owned(),
        "<bod>'summary': '" => {
            format!("<bod>\"summary\": \"About {} and {}\"<eod>", word(0), word(8))
        }
        "<bok>'keywords': " => format!("<bok>\"keywords\": [\"{}\"]<eok>", word(0)),
        "<boa>'domain': '" => {
            format!("<boa>\"domain\": \"QA\", \"keywords\": [\"{}\"]<eoa>", word(0))
        }
        "<boi>" => format!("<boi>Compare {} with {}, case {draw}.<eoi>", word(0), word(8)),
        "<bos>[" if grammar.contains("(\"0\"") => "<bos>[1,1,1]<eos>".to_owned(),
        "<bos>[" => {
            let scores =
                [0, 8, 16, 24, 32, 40].map(|at| (5 + (draw >> at) % 6).to_string()).join(",");
            let comment = if grammar.contains("<eoc>") { "fine<eoc>" } else { "" };
            format!("<bos>[{scores}]<eos>\n<boc>{comment}")
        }
        // A review whose scores were given before.
        opening if opening.ends_with("<boc>") => format!("{opening}fine<eoc>"),
        probe if probe.starts_with("<probe>") => literal(asked["grammar"].as_str().unwrap()),
        "" => format!("{} and {} differ in {draw}.", word(0), word(8)),
        other => panic!("no form of the method: {other}"),
    };
    let tokens = text.len() / 4;
    json!({"choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": tokens}})
}

/// The text of a grammar that is one literal.
fn literal(grammar: &str) -> String {
    let text = grammar.trim_start_matches("root ::= \"").trim_end_matches("\"\n");
    let mut pieces = text.split("\\x");
    let mut read = pieces.next().unwrap().to_owned();
    for piece in pieces {
        read.push(char::from(u8::from_str_radix(&piece[..2], 16).unwrap()));
        read.push_str(&piece[2..]);
    }
    read
}

/// The pool with every model behind an address, and a teacher.
pub(crate) fn serve_pool(bench: &Workbench, url: &str) {
    let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
    let encoder = &pool[..pool.find("[[model]]").unwrap()];
    let model = |table: &str, name: &str| {
        format!(
            "[[{table}]]\nname = \"{name}\"\nbackend = \"server\"\nurl = \"{url}\"\nmodel = \"small\"\n\
             dialect = \"llama-server\"\nconcurrency = 3\n"
        )
    };
    let mut models: String = (0..5).map(|n| model("model", &format!("m{n}"))).collect();
    models += &model("teacher", "teacher-large");
    bench.write("pool.toml", &format!("{encoder}{models}"));
}

#[test]
fn a_run_on_servers_and_what_can_be_asked_of_it() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 2");
    serve_pool(&bench, &serve());
    let doctor = bench.transcript(&["doctor", "--pool", "pool.toml", "--models", &models]);
    let identity = "identity = \"program=llamacpp;file=small.gguf;build=b1-test;template=";
    for part in [
        "llama-server at http://127.0.0.1",
        identity,
        "replies held to form",
        "forms held: 9 of 9",
        "exit code 0",
    ] {
        assert!(doctor.contains(part), "{part} is missing in:\n{doctor}");
    }
    let plan = bench.transcript(&["plan", "experiment.toml"]);
    assert!(plan.ends_with("exit code 0"), "{plan}");

    let run = ["run", "experiment.toml", "--models", &models, "--json", "-q"];
    let output = bench.run(&run);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(table["rows"][0]["paid_calls"].as_u64().unwrap() > 40, "{table}");
    assert!(table["rows"][0]["accepted"].as_u64().unwrap() >= 3, "{table}");
    let files = published(&bench.path("results"));
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("127.0.0.1"), "{name} holds the address of a server");
    }

    // The same model at another address is the same model: nothing is asked again.
    serve_pool(&bench, &serve());
    let again = bench.run(&run);
    let replayed: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(replayed["rows"][0]["paid_calls"], 0, "{replayed}");
    assert_eq!(published(&bench.path("results")), files);
}

#[test]
fn a_server_that_is_away_ends_a_run_with_a_reason_unless_all_is_stored() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/v1", listener.local_addr().unwrap())
    };
    let run = ["run", "experiment.toml", "--models", &models, "--json", "-q"];
    serve_pool(&bench, &serve());
    assert!(bench.run(&run).status.success());
    let files = published(&bench.path("results"));
    serve_pool(&bench, &away);
    let output = bench.run(&run);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{error}");
    assert!(
        error.contains("the server of model `m0`") && error.contains("the connection failed"),
        "{error}"
    );
    // Pinned, a finished run replays without it.
    let manifest = &files[&Path::new("small/gra/seed-42/manifest.json").display().to_string()];
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let fingerprint = manifest["settings"]["models"]["m0"].as_str().unwrap();
    let identity = &fingerprint[fingerprint.find("program=").unwrap()..];
    let pool = std::fs::read_to_string(bench.path("pool.toml")).unwrap();
    let pinned = format!("dialect = \"llama-server\"\nidentity = \"{identity}\"");
    bench.write("pool.toml", &pool.replace("dialect = \"llama-server\"", &pinned));
    let again = bench.run(&run);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(published(&bench.path("results")), files);
}

#[test]
#[cfg(unix)]
fn an_interrupt_does_not_wait_for_a_busy_server_and_the_run_goes_on_from_there() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 2");
    let results =
        |folder| ["run", "experiment.toml", "--models", &models, "-q", "--results", folder];
    serve_pool(&bench, &serve());
    assert!(bench.run(&results("undisturbed")).status.success());

    let replies = Arc::new(AtomicI64::new(30));
    serve_pool(&bench, &serve_until(Arc::clone(&replies), completion));
    let mut run = bench.command(&results("stopped")).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while replies.load(Ordering::Relaxed) >= 0 {
        assert!(run.try_wait().unwrap().is_none(), "the run ended by itself");
        assert!(began.elapsed() < Duration::from_secs(120), "the server was not asked");
        thread::sleep(Duration::from_millis(5));
    }
    let stopped = Instant::now();
    let id = run.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", "--", &id]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted; everything finished so far is saved"), "{said}");
    assert!(stopped.elapsed() < Duration::from_secs(60), "it waited for the server");

    replies.store(i64::MAX, Ordering::Relaxed);
    assert!(bench.run(&results("stopped")).status.success());
    assert_eq!(published(&bench.path("stopped")), published(&bench.path("undisturbed")));
}

#[test]
fn an_address_that_is_none_is_refused_before_it_is_asked() {
    let bench = Workbench::new(GRA, "rounds = 1");
    let url = serve();
    let host = url.strip_prefix("http://").unwrap();
    for address in
        [host, &format!("http://me:secret@{host}"), &format!("{url}/chat/completions"), "http://"]
    {
        let said = bench.transcript(&["synth", "--server", address, "--out", "data"]);
        assert!(said.contains("--server: the address must begin with http://"), "{said}");
        assert!(said.ends_with("exit code 3") && !bench.path("data").exists(), "{said}");
    }
}

#[test]
fn a_proxy_is_named_and_is_not_for_servers_of_this_machine() {
    let Some(models) = models() else { return };
    let bench = Workbench::new(GRA, "rounds = 1");
    let doctor = |url: &str| {
        serve_pool(&bench, url);
        let mut command = bench.command(&["doctor", "--pool", "pool.toml", "--models", &models]);
        command.env("http_proxy", "http://127.0.0.1:1");
        let output = command.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = doctor("http://models.invalid/v1");
    assert!(said.contains("through the environment's proxy 127.0.0.1:1; NO_PROXY"), "{said}");
    let said = doctor(&serve());
    assert!(said.contains("no problems found"), "{said}");
}
