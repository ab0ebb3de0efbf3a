//! Workers that die, speak out of turn and lose their owner. The worker is this test program, told by
//! an argument to stand in for one, and by the name of its pool how to behave.

#![allow(unsafe_code, reason = "a worker ends itself by a signal")]

use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gra_synth::pool::ItemId;
use gra_synth::request::{
    Embedding, Failure, ModelName, Portion, Prompt, Reply, Request, RequestId, Sampling,
    ScoreReading, Stage,
};
use gra_synth::shape::Shape;

use super::{Answer, Ask, News, Program, Setup, WorkerEngine, receive, send, serve};
use crate::dispatcher::Dispatcher;
use crate::engine::{ChunkProgress, Engine, EngineError, EngineResult, Watch};
use crate::llama::settings::EngineSettings;
use crate::model_pool::{ModelFileError, ModelPool};
use crate::score::{Border, Context, Passage, PassageScore};
use crate::scripted::{complete_reply, toy_embedding};

const ROLE: &str = "a-worker-stands-here";

/// Not a test when it runs among the others.
#[test]
fn stand_in() {
    if std::env::args().any(|argument| argument == ROLE) {
        let Err(error) = serve(StandIn);
        panic!("{error}");
    }
}

/// Behaves as the name of its pool says.
struct StandIn(Setup);

impl StandIn {
    /// What follows this word in the pool's name.
    fn told(&self, word: &str) -> Option<&str> {
        self.0.pool.name.strip_prefix(word)
    }

    /// Dies once, and leaves a file to know it by.
    fn killed_once(&self) {
        if let Some(file) = self.told("killed once ")
            && std::fs::File::create_new(file).is_ok()
        {
            // SAFETY: takes a number; ends this process.
            unsafe { libc::raise(libc::SIGKILL) };
        }
    }
}

impl Engine for StandIn {
    fn complete(&mut self, chunk: &[Request], watch: &mut Watch<'_>) -> EngineResult<Vec<Reply>> {
        let slots = self.0.settings.slots;
        watch(ChunkProgress { slots, ..ChunkProgress::default() });
        self.killed_once();
        if let Some(most) = self.told("aborts above ").map(|n| n.parse::<u32>().unwrap())
            && slots > most
        {
            eprintln!("assertion failed: {slots} slots\u{1b}[2J");
            std::process::abort();
        }
        let one = |r: &Request| u64::MAX - r.seed == 2;
        if self.told("aborts on the third").is_some() && chunk.iter().any(one) {
            eprintln!("assertion failed: it is the third");
            std::process::abort();
        }
        if let Some(what) = self.told("cannot evaluate")
            && (what.is_empty() || chunk.iter().any(one))
        {
            let (model, reason) = ("model".to_owned(), "return code -3".to_owned());
            return Err(EngineError::Evaluation { model, reason });
        }
        if self.told("sleeps").is_some() {
            std::thread::sleep(Duration::from_secs(600));
        }
        if let Some(code) = self.told("exits with ") {
            std::process::exit(code.parse().unwrap());
        }
        if self.told("prints").is_some() {
            println!("{{\"Done\":[]}}");
            print!("half a line");
        }
        let reply = |r: &Request| complete_reply(&r.prompt.text(), format!("{slots}: {}", r.seed));
        Ok(chunk.iter().map(reply).collect())
    }

    fn score(
        &mut self,
        passages: &[Passage],
        _: &mut Watch<'_>,
    ) -> EngineResult<Vec<PassageScore>> {
        self.killed_once();
        let score = |passage: &Passage| PassageScore {
            log_probs: vec![-0.1, -f32::MIN_POSITIVE / 8.0, -88.000_01],
            context_tokens: u32::try_from(passage.continuation.len()).unwrap(),
            truncated: true,
            first_unscored: false,
        };
        Ok(passages.iter().map(score).collect())
    }

    fn embed(&mut self, texts: &[String]) -> EngineResult<Vec<Embedding>> {
        self.killed_once();
        let odd = [f32::MIN_POSITIVE / 8.0, -0.0, 0.1, f32::NAN, f32::INFINITY];
        let vector = |text: &String| match text.as_str() {
            "odd" => Embedding::new(Arc::from(odd)),
            "long" => Embedding::in_windows(Arc::from(odd), Arc::from([odd, odd].concat())),
            text => toy_embedding(text),
        };
        Ok(texts.iter().map(vector).collect())
    }

    fn fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        let name = model.to_string();
        let path = PathBuf::from("a/file.gguf");
        let reason = "a reason: with \"quotes\"\nand lines".to_owned();
        Err(match model.as_str() {
            "unknown" => EngineError::UnknownModel { model: model.clone() },
            "load" => EngineError::Load { model: name, path, reason },
            "unusable" => EngineError::Unusable { model: name, reason },
            "evaluation" => EngineError::Evaluation { model: name, reason },
            "missing" => {
                let (what, why) = ("the file".to_owned(), "not there".to_owned());
                ModelFileError::Missing { model: name, what, path, why, hint: reason }.into()
            }
            "file" => {
                let error = std::io::Error::from_raw_os_error(libc::EACCES).to_string();
                ModelFileError::File { model: name, path, error }.into()
            }
            "hash" => {
                let (found, pinned) = ("00".to_owned(), "11".to_owned());
                ModelFileError::WrongHash { model: name, path, found, pinned }.into()
            }
            "script" => EngineError::NotScripted { request: reason, model: model.clone() },
            _ => return Ok(format!("stand-in;{name};λ")),
        })
    }

    fn scoring_fingerprint(&mut self, model: &ModelName) -> EngineResult<String> {
        Ok(format!("scores of {model}"))
    }

    fn encoder_fingerprint(&mut self) -> EngineResult<String> {
        Ok("stand-in".to_owned())
    }
}

fn setup(behaviour: &str) -> Setup {
    let text = format!(
        "name = '{behaviour}'\n[encoder]\nname = \"encoder\"\npath = \"none\"\n\
         [[model]]\nname = \"model\"\npath = \"none\"\n"
    );
    let pool = ModelPool::parse(&text, Path::new("test.toml"), Path::new("")).unwrap();
    Setup { pool, settings: EngineSettings::default() }
}

fn program() -> Program {
    Program::this(["--exact", "--nocapture", "worker::tests::stand_in", ROLE]).unwrap()
}

/// An owner whose worker behaves so, and what it hears: lines, and crashes after `!`.
fn owner(behaviour: &str) -> (WorkerEngine, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let news = Arc::clone(&heard);
    let engine = WorkerEngine::new(program(), setup(behaviour), move |said| {
        news.lock().unwrap().push(match said {
            News::Line(line) => line.to_owned(),
            News::Crash(what) => format!("! {what}"),
        });
    });
    (engine, heard)
}

fn crashes(heard: &Mutex<Vec<String>>) -> Vec<String> {
    let heard = heard.lock().unwrap();
    heard.iter().filter_map(|line| line.strip_prefix("! ")).map(str::to_owned).collect()
}

fn chunk(count: u32) -> Vec<Request> {
    let request = |number| Request {
        id: RequestId { subject: ItemId::Seed(number), stage: Stage::Summary, seat: 0, attempt: 0 },
        model: ModelName::new("model"),
        prompt: Prompt { role: Arc::from("Role.\n"), sample: format!("Sample {number}.\n") },
        shape: Shape::free(),
        portion: Portion::Whole,
        score_reading: ScoreReading::Sampled,
        sampling: Sampling::default(),
        max_tokens: 8,
        seed: u64::MAX - u64::from(number),
    };
    (0..count).map(request).collect()
}

/// The replies, and with how many slots they were made.
fn complete(engine: &mut WorkerEngine, count: u32) -> EngineResult<(u32, usize)> {
    let mut slots = 0;
    let replies = engine.complete(&chunk(count), &mut |so_far| slots = so_far.slots)?;
    for (request, reply) in chunk(count).iter().zip(&replies) {
        assert_eq!(reply.text, format!("{slots}: {}", request.seed));
    }
    Ok((slots, replies.len()))
}

#[test]
fn a_worker_that_was_killed_runs_its_chunk_again_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("killed");
    let (mut engine, heard) = owner(&format!("killed once {}", file.display()));
    assert_eq!(complete(&mut engine, 3).unwrap(), (16, 3));
    assert_eq!(engine.crashes(), 1);
    let [news] = crashes(&heard).try_into().unwrap();
    assert!(news.contains("SIGKILL") && news.ends_with("it runs again"), "{news}");
    std::fs::remove_file(&file).unwrap();
    let texts = ["one".to_owned()];
    assert_eq!(engine.embed(&texts).unwrap(), [toy_embedding("one")]);
    assert_eq!(engine.crashes(), 2);
}

#[test]
fn a_worker_that_aborts_runs_fewer_at_once_and_the_next_chunk_all_again() {
    let (mut engine, heard) = owner("aborts above 2");
    assert_eq!(complete(&mut engine, 20).unwrap(), (2, 20));
    assert_eq!(engine.crashes(), 3, "at 16, 8 and 4");
    let news = crashes(&heard);
    assert!(news[0].contains("SIGABRT"), "{news:?}");
    assert!(news[2].ends_with("again with 2 at once instead of 4"), "{news:?}");
    assert_eq!(complete(&mut engine, 20).unwrap(), (2, 20));
    assert_eq!(engine.crashes(), 6, "it began at 16 again");
    assert_eq!(complete(&mut engine, 3).unwrap(), (1, 3), "three never ran more than three");
    assert_eq!(engine.crashes(), 7);
}

#[test]
fn a_worker_that_always_dies_is_an_error_with_its_last_words() {
    let (mut engine, _) = owner("aborts above 0");
    let error = complete(&mut engine, 20).unwrap_err();
    assert!(matches!(&error, EngineError::Crashed { times: 5, .. }), "{error:?}");
    let text = error.to_string();
    for part in ["5 times on model `model`", "SIGABRT", "\n  | assertion failed: 1 slots", "hint: "]
    {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");

    let (mut engine, heard) = owner("exits with 7");
    let error = complete(&mut engine, 1).unwrap_err();
    assert!(matches!(error, EngineError::Crashed { times: 2, .. }), "{error:?}");
    assert!(crashes(&heard)[0].contains("exit code 7"));
}

/// A dispatcher whose only worker behaves so.
fn dispatcher(behaviour: &str) -> (Dispatcher, Arc<Mutex<Vec<String>>>) {
    let (engine, heard) = owner(behaviour);
    (Dispatcher::new(vec![Box::new(engine)]), heard)
}

#[test]
fn a_call_that_kills_its_worker_is_a_failed_call() {
    let (mut engine, heard) = dispatcher("aborts on the third");
    let replies = engine.complete(&chunk(5), &mut |_| {}).unwrap();
    for (number, (request, reply)) in chunk(5).iter().zip(&replies).enumerate() {
        if number == 2 {
            assert_eq!(reply.failure(), Some(Failure::Crash));
            let said = &reply.text;
            assert!(said.contains("SIGABRT") && said.contains("it is the third"), "{said}");
        } else {
            assert_eq!(reply.text, format!("16: {}", request.seed));
        }
    }
    // Together with 5, 2 and 1 sequences, then alone, twice.
    assert_eq!(engine.crashes(), 5, "{:?}", crashes(&heard));
    // Alone in its chunk it is known by what the model has answered before.
    let alone = engine.complete(&chunk(3)[2..], &mut |_| {}).unwrap();
    assert_eq!(alone[0].failure(), Some(Failure::Crash));
    let (mut engine, _) = dispatcher("aborts on the third");
    let unknown = engine.complete(&chunk(3)[2..], &mut |_| {});
    assert!(matches!(unknown, Err(EngineError::Crashed { .. })), "is it the call or the model?");
}

#[test]
fn a_call_that_its_worker_cannot_evaluate_is_a_failed_call() {
    let (mut engine, _) = dispatcher("cannot evaluate the third");
    let replies = engine.complete(&chunk(5), &mut |_| {}).unwrap();
    let failures: Vec<_> = replies.iter().map(Reply::failure).collect();
    assert_eq!(failures, [None, None, Some(Failure::Evaluation), None, None]);
    assert_eq!(engine.crashes(), 0);
    // The model fails on everything: no call's failure.
    let (mut engine, _) = dispatcher("cannot evaluate");
    let error = engine.complete(&chunk(5), &mut |_| {}).unwrap_err();
    assert!(matches!(error, EngineError::Evaluation { .. }), "{error}");
}

#[test]
fn a_program_that_is_no_worker_is_an_error() {
    let text = |program| {
        let mut engine = WorkerEngine::new(program, setup("plain"), |_| {});
        engine.encoder_fingerprint().unwrap_err().to_string()
    };
    let other = Program::this(["--list"]).unwrap();
    let text_of_other = text(other);
    assert!(text_of_other.contains("exit code 0"), "{text_of_other}");
    let missing = text(Program::at(PathBuf::from("/nowhere/gra-bench")));
    assert!(missing.contains("cannot be started"), "{missing}");
}

#[test]
fn stray_prints_are_lines_and_not_answers() {
    let (mut engine, heard) = owner("prints");
    assert_eq!(complete(&mut engine, 2).unwrap(), (16, 2));
    assert_eq!(complete(&mut engine, 1).unwrap(), (16, 1));
    drop(engine);
    let patience = Instant::now() + Duration::from_secs(10);
    while !heard.lock().unwrap().iter().any(|line| line == "{\"Done\":[]}") {
        assert!(Instant::now() < patience, "{:?}", heard.lock().unwrap());
    }
}

#[test]
fn errors_keep_their_kind_and_text() {
    let (mut engine, _) = owner("plain");
    let mut original = StandIn(setup("plain"));
    let names = ["unknown", "load", "unusable", "evaluation", "missing", "file", "hash", "script"];
    for name in names.map(ModelName::new) {
        let (sent, made) = (engine.fingerprint(&name), original.fingerprint(&name));
        let (sent, made) = (sent.unwrap_err(), made.unwrap_err());
        assert_eq!(format!("{sent:?} {sent}"), format!("{made:?} {made}"));
    }
    assert_eq!(engine.fingerprint(&ModelName::new("model")).unwrap(), "stand-in;model;λ");
    assert_eq!(engine.crashes(), 0);
}

#[test]
fn vectors_keep_every_bit() {
    let (mut engine, _) = owner("plain");
    let texts = ["odd", "even", "long"].map(str::to_owned);
    let bits = |vectors: Vec<Embedding>| -> Vec<Vec<u32>> {
        let values = vectors.iter().flat_map(|text| [text.vector(), text.windows()]);
        values.map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
    };
    let expected = StandIn(setup("plain")).embed(&texts).unwrap();
    assert_eq!(bits(engine.embed(&texts).unwrap()), bits(expected));
}

#[test]
fn scores_keep_every_bit() {
    let (mut engine, _) = owner("plain");
    let passage = |text: &str| Passage {
        model: ModelName::new("model"),
        context: Context::text("before"),
        continuation: text.to_owned(),
        border: Border::default(),
        max_tokens: Some(9),
    };
    let passages = [passage("a"), passage("bcd")];
    let expected = StandIn(setup("plain")).score(&passages, &mut |_| {}).unwrap();
    assert_eq!(engine.score(&passages, &mut |_| {}).unwrap(), expected);
    let fingerprint = engine.scoring_fingerprint(&ModelName::new("model")).unwrap();
    assert_eq!(fingerprint, "scores of model");
}

#[test]
fn a_worker_without_owner_ends_in_the_middle_of_a_chunk() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut worker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "worker::tests::stand_in", ROLE])
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    send(&mut ours, &Ask::Hello(std::borrow::Cow::Owned(setup("sleeps")))).unwrap();
    send(&mut ours, &Ask::Complete(chunk(1).into())).unwrap();
    let mut heard = BufReader::new(ours);
    let first: Answer<()> = receive(&mut heard).unwrap().unwrap();
    assert!(matches!(first, Answer::Progress(_)), "it is at work");
    drop(heard);
    let patience = Instant::now() + Duration::from_secs(10);
    let status = loop {
        if let Some(status) = worker.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < patience, "it goes on without its owner");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{status}");
}
