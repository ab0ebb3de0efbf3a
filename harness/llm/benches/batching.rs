//! Replies per second of one slot and of many: 32 requests like response reviews, one stage's
//! prefix, a 135M model. `GRA_BENCH_MODEL` names another; without any
//! the benchmark is skipped.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use gra_llm::engine::Engine;
use gra_llm::llama::LlamaEngine;
use gra_llm::llama::settings::EngineSettings;
use gra_llm::model_pool::ModelPool;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, Portion, Prompt, Request, RequestId, Sampling, Stage};
use gra_synth::shape::{Part, Shape};

const MODEL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../.models/SmolLM2-135M-Instruct.Q4_1.gguf");

/// The model that `GRA_BENCH_MODEL` names, or the one that the set-up fetched.
fn model() -> String {
    std::env::var("GRA_BENCH_MODEL").unwrap_or_else(|_| MODEL.to_owned())
}

/// Six scores and a comment of at most 48 tokens.
fn review() -> Shape {
    let literal = |text: &str| Part::Literal(text.to_owned());
    let mut parts = vec![literal("<bos>["), Part::Integer { min: 1, max: 10 }];
    for _ in 1..6 {
        parts.extend([literal(","), Part::Integer { min: 1, max: 10 }]);
    }
    parts.push(literal("]<eos>\n<boc>"));
    parts.push(Part::Text { max_tokens: 48, close_at_budget: true });
    parts.push(literal("<eoc>"));
    Shape { parts }
}

/// A prefix of some 390 tokens and samples of some 220, as response reviews have.
fn requests(count: u32) -> Vec<Request> {
    let criteria = "Judge the response on its own merits: is it correct, relevant, clear, complete and \
                safe, and is its style fit for the question? Give whole numbers from 1 to 10. ";
    let role: Arc<str> = Arc::from(format!("You are a strict reviewer. {}", criteria.repeat(9)));
    let request = |number: u32| {
        let claim = format!("Statement {number} follows from statement {}. ", number * 13 % 97);
        let sample = format!(
            "\nInstruction: prove claim {number}.\nResponse: {}\nYour scores and comment:\n",
            claim.repeat(16)
        );
        Request {
            id: RequestId {
                subject: ItemId::Seed(number),
                stage: Stage::ResponseReview,
                seat: 0,
                attempt: 0,
            },
            model: ModelName::new("model"),
            prompt: Prompt { role: Arc::clone(&role), sample },
            shape: review(),
            portion: Portion::Whole,
            sampling: Sampling::default(),
            max_tokens: 144,
            seed: u64::from(number),
        }
    };
    (0..count).map(request).collect()
}

fn engine(slots: u32) -> Option<LlamaEngine> {
    if !Path::new(&model()).exists() {
        return None;
    }
    let text = format!(
        "name = \"bench\"\n[encoder]\nname = \"none\"\npath = \"none\"\n\
         [[model]]\nname = \"model\"\npath = '{}'\n",
        model()
    );
    let pool = ModelPool::parse(&text, Path::new("bench.toml"), Path::new("")).ok()?;
    Some(LlamaEngine::new(pool, EngineSettings { slots, ..EngineSettings::default() }))
}

fn batching(criterion: &mut Criterion) {
    let chunk = requests(32);
    let mut group = criterion.benchmark_group("reviews");
    group.throughput(Throughput::Elements(chunk.len() as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(1));
    for slots in [1, 4, 16] {
        let Some(mut engine) = engine(slots) else { return };
        group.bench_function(BenchmarkId::new("slots", slots), |bencher| {
            bencher.iter(|| engine.complete(&chunk, &mut |_| {}));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    batching(&mut criterion);
    criterion.final_summary();
}
