//! The engine of servers on a real llama-server, with the model that the set-up fetches.
//!
//! The program is the one that `GRA_LLAMA_SERVER` names, or what `scripts/bench-engine` built; without it,
//! or without the model, the tests are skipped, plainly.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gra_llm::engine::Engine;
use gra_llm::model_pool::ModelPool;
use gra_llm::server::{RetryPolicy, ServerEngine};
use gra_synth::request::{Finish, ModelName, Portion, Reply, Request};

use crate::models::{SMOLLM2, model};
use crate::requests::{ROLE, assert_complete, mixed, request};
use crate::shapes::review;

/// A llama-server that ends with this value.
struct Served {
    child: Child,
    port: u16,
}

impl Served {
    fn start(program: &Path, model: &Path) -> Self {
        // Free now, and hardly taken until the server opens it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .arg("-m")
            .arg(model)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["-t", "2", "-np", "4", "-c", "4096", "--no-warmup"])
            .env("GOMP_SPINCOUNT", "1000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    fn engine(&self) -> ServerEngine {
        let text = format!(
            "name = \"test\"\n[encoder]\nname = \"e\"\npath = \"e\"\n[[model]]\nname = \"model\"\n\
             backend = \"server\"\nurl = \"http://127.0.0.1:{}/v1\"\nmodel = \"small\"\n\
             dialect = \"llama-server\"\nconcurrency = 4\ntimeout_s = 120\n",
            self.port
        );
        let pool = ModelPool::parse(&text, Path::new("test.toml"), Path::new("")).unwrap();
        // It answers 503 while it loads, and nobody does before that.
        let wait = Duration::from_millis(500);
        let policy = RetryPolicy { tries: 60, first_wait: wait, longest_wait: wait };
        ServerEngine::new(&pool, policy, Arc::default())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Option<PathBuf> {
    if let Some(named) = env::var_os("GRA_LLAMA_SERVER") {
        return Some(PathBuf::from(named));
    }
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    let built = fs::read_dir(peers).into_iter().flatten().filter_map(Result::ok);
    let found =
        built.map(|entry| entry.path().join("build/bin/llama-server")).find(|p| p.is_file());
    if found.is_none() {
        println!("skipped: no llama-server; GRA_LLAMA_SERVER names one");
    }
    found
}

fn complete(engine: &mut ServerEngine, chunk: &[Request]) -> Vec<Reply> {
    engine.complete(chunk, &mut |_| {}).unwrap()
}

#[test]
fn every_constrained_reply_parses() {
    let (Some(program), Some(file)) = (program(), model(SMOLLM2)) else { return };
    let served = Served::start(&program, &file);
    let mut engine = served.engine();

    let short = |number| Request { max_tokens: 72, ..mixed(number) };
    let chunk: Vec<Request> = (0..10).map(short).collect();
    let replies = complete(&mut engine, &chunk);
    for (request, reply) in chunk.iter().zip(&replies) {
        println!("{}: {:?} {:?}", request.id, reply.finish, reply.text);
        assert!(reply.prompt_tokens > 60, "{reply:?}");
        assert_complete(request, reply);
    }

    let in_portions = |portion: &dyn Fn(usize) -> Portion| -> Vec<Request> {
        let with = |n: u32| Request {
            portion: portion(n as usize),
            max_tokens: 72,
            ..request(n, review(), ROLE, &format!("Sample {n}: 2 + 2 = 5."))
        };
        (0..2).map(with).collect()
    };
    let openings = complete(&mut engine, &in_portions(&|_| Portion::Opening));
    let rests = complete(
        &mut engine,
        &in_portions(&|n| Portion::Rest {
            opening: openings[n].text.clone(),
            tokens: openings[n].reply_tokens,
        }),
    );
    for (opening, rest) in openings.iter().zip(&rests) {
        assert_eq!(opening.finish, Finish::Stop, "{opening:?}");
        assert_eq!(review().opening(&rest.text), Some(opening.text.as_str()));
        assert_complete(&request(0, review(), "", ""), rest);
    }

    let long = request(0, review(), ROLE, &"All work and no play. ".repeat(1500));
    let reply = complete(&mut engine, &[long]).remove(0);
    let Finish::PromptTooLong { tokens, context } = reply.finish else { panic!("{reply:?}") };
    assert!(tokens > 5000 && context == Some(1024), "{reply:?}");

    let showing = engine.look(&ModelName::new("model")).unwrap();
    assert!(showing.constrains);
    println!("{}", showing.identity);
    assert!(showing.identity.contains(&format!("file={SMOLLM2};build=")), "{showing:?}");
    assert!(showing.identity.ends_with(";context=1024"), "{showing:?}");
}
