//! Every statistic of a trial at the paper's size: 51,000 candidates with 153,000 response reviews, and
//! as many instruction reviews, from a seed set of 52,000 items.
//!
//! `GRA_BENCH_REPLICATES=10000` also runs once with so many replicates and permutations, which takes too
//! long to repeat, and prints seconds and peak memory.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use criterion::Criterion;
use gra_analysis::reviewers::committee::Committee;
use gra_analysis::reviewers::quality::{Quality, Scored};
use gra_analysis::statistics::bootstrap::{Bootstrap, Cluster};
use gra_analysis::statistics::holm::holm;
use gra_analysis::statistics::permutation::Permutation;
use gra_analysis::trial::lineage::seed_items;
use gra_synth::candidate::{Candidate, InstructionReview, Outcome, ResponseReview, Roles};
use gra_synth::committee::{Decision, Scores};
use gra_synth::domain::Domain;
use gra_synth::pool::ItemId;
use gra_synth::request::ModelName;
use gra_synth::stream::Stream;

const CANDIDATES: u32 = 51_000;
const SEED_ITEMS: usize = 52_000;
const MODELS: [(&str, &str); 5] = [
    ("llama-3.1-8b", "llama"),
    ("qwen2.5-7b", "qwen"),
    ("internlm3-8b", "internlm"),
    ("mistral-7b", "mistral"),
    ("tulu-3-8b", "llama"),
];

struct Trial {
    candidates: Vec<Candidate>,
    scored: Vec<Scored>,
    families: BTreeMap<ModelName, String>,
}

/// Six scores around a candidate's quality.
fn scores(draw: &mut Stream, quality: u8) -> Scores {
    Scores::whole([(); 6].map(|()| quality + u8::try_from(draw.below(4)).unwrap_or(0)))
}

fn candidate(number: u32, models: &[ModelName], draw: &mut Stream) -> Candidate {
    let mut seats = draw.choose(5, 5).into_iter().map(|place| models[place].clone());
    let mut seat = || seats.next().expect("five models");
    let roles = Roles {
        generator: seat(),
        reviewers: vec![seat(), seat(), seat()],
        adjudicator: Some(seat()),
        summariser: models[0].clone(),
    };
    let item = u32::try_from(draw.below(SEED_ITEMS)).unwrap_or(0);
    let id = ItemId::Candidate { round: 1, number };
    let mut candidate =
        Candidate::drawn(id, 0, Some(Domain::Math), vec![ItemId::Seed(item)], roles);
    let quality = u8::try_from(draw.below(4)).unwrap_or(0) + 4;
    for (seat, reviewer) in (0..).zip(candidate.roles.reviewers.clone()) {
        let bits = [(); 3].map(|()| draw.below(50) > 0);
        let (scores, by) = (scores(draw, quality), reviewer.clone());
        candidate.instruction_reviews.push(InstructionReview { seat, reviewer, bits });
        let review = ResponseReview { seat, reviewer: by, scores, comment: None };
        candidate.response_reviews.push(review);
    }
    let accepted = candidate.tally().is_some_and(|tally| tally.mu() >= 8.0);
    candidate.decision = Some(if accepted { Decision::Accept } else { Decision::Reject });
    candidate.outcome = Some(if accepted { Outcome::Accepted } else { Outcome::Rejected });
    candidate
}

fn trial() -> Trial {
    let mut draw = Stream::named(42, &["bench", "statistics"]);
    let models = MODELS.map(|(model, _)| ModelName::new(model));
    let candidates: Vec<Candidate> =
        (0..CANDIDATES).map(|number| candidate(number, &models, &mut draw)).collect();
    let items = seed_items(&candidates);
    let mut score = |(candidate, item): (&Candidate, ItemId)| {
        let mu = candidate.tally()?.mu();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a score from 4 to 10"
        )]
        let quality = (candidate.response_reviews[0].scores.values()[0] as u8).min(7);
        let judge = (draw.below(100) > 0).then(|| scores(&mut draw, quality).mean());
        Some(Scored { item, accepted: candidate.is_sample(), mu, judge })
    };
    let scored = candidates.iter().zip(items).filter_map(&mut score).collect();
    let families = MODELS.map(|(model, family)| (ModelName::new(model), family.to_owned())).into();
    Trial { candidates, scored, families }
}

fn statistics(trial: &Trial, bootstrap: Bootstrap, permutation: Permutation) {
    black_box(Committee::of(&trial.candidates, &trial.families, bootstrap).expect("families"));
    black_box(Quality::of(&trial.scored, 8.0, bootstrap).expect("finite"));
    let above = |row: &Scored| Some(Cluster::single(row.judge? - row.mu));
    let differences: Vec<Cluster> = trial.scored.iter().filter_map(above).collect();
    let (first, second) = differences.split_at(differences.len() / 2);
    let sign_flip = permutation.sign_flip(&differences, &["judge"]);
    black_box(holm(&[sign_flip, permutation.shuffle(first, second, &["halves"])]));
}

#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
fn once(trial: &Trial, replicates: usize) {
    let start = Instant::now();
    let permutation = Permutation { run_seed: 42, permutations: replicates };
    statistics(trial, Bootstrap { run_seed: 42, replicates }, permutation);
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("peak unknown");
    println!("{replicates} replicates and permutations: {seconds:.1} s; {peak}");
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let trial = trial();
    let mut group = criterion.benchmark_group("51,000 candidates, 153,000 response reviews");
    for replicates in [0, 100] {
        let bootstrap = Bootstrap { run_seed: 42, replicates };
        let permutation = Permutation { run_seed: 42, permutations: replicates };
        group.bench_function(format!("{replicates} replicates"), |bencher| {
            bencher.iter(|| statistics(&trial, bootstrap, permutation));
        });
    }
    group.finish();
    criterion.final_summary();
    let replicates = std::env::var("GRA_BENCH_REPLICATES").ok();
    if let Some(replicates) = replicates.and_then(|number| number.parse().ok()) {
        once(&trial, replicates);
    }
}
