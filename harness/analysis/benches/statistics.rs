//! Statistics of a trial: a mean at the paper's size, 51,000 candidates with 153,000 response reviews, and as many
//! instruction reviews, from a seed set of 52,000 items; all of committee and judge for 2,000 candidates.
//!
//! `GRA_BENCH_WHOLE=1` also runs the latter once at the paper's size, which takes too long to repeat, and prints
//! seconds and peak memory.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use criterion::Criterion;
use gra_analysis::reviewers::committee::Committee;
use gra_analysis::reviewers::quality::{Quality, Scored};
use gra_analysis::statistics::dependence::Dependence;
use gra_analysis::statistics::inference;
use gra_analysis::trial::lineage;
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
    let shown = 2 + draw.below(3);
    let examples = draw.choose(SEED_ITEMS, shown).into_iter();
    let examples = examples.map(|item| ItemId::Seed(u32::try_from(item).unwrap_or(0))).collect();
    let id = ItemId::Candidate { round: 1, number };
    let mut candidate = Candidate::drawn(id, 0, Some(Domain::Math), examples, roles);
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

fn trial(candidates: u32) -> Trial {
    let mut draw = Stream::named(42, &["bench", "statistics"]);
    let models = MODELS.map(|(model, _)| ModelName::new(model));
    let candidates: Vec<Candidate> =
        (0..candidates).map(|number| candidate(number, &models, &mut draw)).collect();
    let mut score = |candidate: &Candidate| {
        let mu = candidate.tally()?.mu();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a score from 4 to 10"
        )]
        let quality = (candidate.response_reviews[0].scores.values()[0] as u8).min(7);
        let judge = (draw.below(100) > 0).then(|| scores(&mut draw, quality).mean());
        Some(Scored {
            items: lineage(candidate),
            accepted: candidate.is_sample(),
            rejected: !candidate.is_sample(),
            mu,
            judge,
        })
    };
    let scored = candidates.iter().filter_map(&mut score).collect();
    let families = MODELS.map(|(model, family)| (ModelName::new(model), family.to_owned())).into();
    Trial { candidates, scored, families }
}

fn statistics(trial: &Trial) {
    black_box(Committee::of(&trial.candidates, &trial.families).expect("families"));
    black_box(Quality::of(&trial.scored, 8.0).expect("finite"));
}

fn means(trial: &Trial) {
    let values: Vec<Option<f64>> =
        trial.scored.iter().map(|row| Some(row.judge? - row.mu)).collect();
    let dependence = Dependence::by_items(trial.scored.iter().map(|row| &row.items));
    black_box(inference::mean(&values, &dependence));
}

#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
fn once(trial: &Trial) {
    let start = Instant::now();
    statistics(trial);
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("peak unknown");
    println!("committee and judge: {seconds:.1} s; {peak}");
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let of_all = trial(CANDIDATES);
    let mut group = criterion.benchmark_group("51,000 candidates, 153,000 response reviews");
    group.bench_function("a mean", |bencher| bencher.iter(|| means(&of_all)));
    group.finish();
    let of_few = trial(2_000);
    let mut group = criterion.benchmark_group("2,000 candidates, 6,000 response reviews");
    group.bench_function("committee and judge", |bencher| bencher.iter(|| statistics(&of_few)));
    group.finish();
    criterion.final_summary();
    if std::env::var_os("GRA_BENCH_WHOLE").is_some() {
        once(&of_all);
    }
}
