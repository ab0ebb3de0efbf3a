//! Draws every figure from made-up facts, at the size of a real experiment, and says what it took:
//! `cargo run --release -p gra-analysis --example gallery -- FOLDER [CANDIDATES]`.
//!
//! The facts are noise with a shape; only time and legibility can be judged by them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use gra_analysis::compute::{Compute, MEMBER_PARAMETERS, Parameters, TEACHER_PARAMETERS};
use gra_analysis::figure::averages::{Averages, AveragesFigure, Bar, BarGroup};
use gra_analysis::figure::compute::ComputeReadings;
use gra_analysis::figure::font::Fonts;
use gra_analysis::figure::plane::Plane;
use gra_analysis::figure::rounds::{Rounds, Series};
use gra_analysis::figure::variants::{VariantPanel, Variants};
use gra_analysis::figure::violins::{Violin, Violins};
use gra_analysis::figure::{Figure, FigureError, compute, decisions, raters, squares};
use gra_analysis::rescore::{Record, Rule, rescore};
use gra_analysis::statistics::inference::{Estimate, Interval};
use gra_analysis::trial::{CallFact, Funnel, TrialFacts};
use gra_synth::candidate::{Candidate, InstructionReview, Outcome, ResponseReview, Roles};
use gra_synth::committee::{Decision, Scores, Thousandths};
use gra_synth::domain::Domain;
use gra_synth::method::Method;
use gra_synth::pool::ItemId;
use gra_synth::request::{ModelName, RequestId, Stage};
use gra_synth::stream::Stream;
use gra_synth::variant::Variant;

const MODELS: [&str; 5] =
    ["llama-3.1-8b", "qwen2.5-7b", "internlm3-8b", "mistral-7b-v0.3", "tulu-3-8b"];
const TRIAL: &str = "made-up/gra/seed-42";

type Draws<'a> = &'a dyn Fn() -> Result<Figure, FigureError>;

#[expect(clippy::print_stdout, reason = "the measurement is what this program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder?")?;
    let count: u32 = arguments.next().map_or(Ok(10_000), |count| count.parse())?;
    std::fs::create_dir_all(&folder)?;
    let mut draw = Stream::named(42, &["gallery"]);
    let candidates: Vec<Candidate> =
        (0..count).map(|number| candidate(number, &mut draw)).collect();
    let all = Instant::now();
    let figures: [(&str, Draws<'_>); 12] = [
        ("averages", &averages),
        ("rounds", &rounds),
        ("variants", &variants),
        ("funnel", &|| decisions::funnel(TRIAL, &Funnel::of(&candidates))),
        ("reviewers", &|| raters::reviewers(TRIAL, &scores(&candidates), 8.0)),
        ("raters", &|| raters::committee_and_judge(TRIAL, &pairs(&candidates), 8.0, None)),
        ("violins", &|| violins(count)),
        ("agreement", &|| squares::agreement(TRIAL, &candidates, &[])),
        ("domains", &|| squares::domains(TRIAL, &candidates, &[])),
        ("acceptance", &|| sensitivity(&candidates)),
        ("compute", &|| spending(&candidates)),
        ("plane", &|| plane(count)),
    ];
    for (what, figure) in figures {
        let start = Instant::now();
        let figure = figure()?;
        let drawn = start.elapsed();
        let png = figure.png(&Fonts::bundled())?;
        for collision in figure.collisions() {
            println!("{what}: {collision}");
        }
        let path = Path::new(&folder);
        std::fs::write(path.join(format!("{}.svg", figure.name)), &figure.svg)?;
        std::fs::write(path.join(format!("{}.png", figure.name)), &png)?;
        let (svg, png) = (figure.svg.len() / 1024, png.len() / 1024);
        let whole = start.elapsed();
        println!(
            "{what:<10} {drawn:>9.1?} drawn, {whole:>9.1?} with PNG; {svg} KiB SVG, {png} KiB PNG"
        );
    }
    println!("{count} candidates: {:.2?} in all", all.elapsed());
    Ok(())
}

fn below(draw: &mut Stream, n: u32) -> u32 {
    u32::try_from(draw.below(n as usize)).unwrap_or(0)
}

/// About normal, around 0, of standard deviation 1.
fn noise(draw: &mut Stream) -> f64 {
    (0..12).map(|_| f64::from(below(draw, 1_000)) / 1_000.0).sum::<f64>() - 6.0
}

fn candidate(number: u32, draw: &mut Stream) -> Candidate {
    let order = draw.choose(MODELS.len(), MODELS.len());
    let name = |place: usize| ModelName::new(MODELS[order[place]]);
    let roles = Roles {
        generator: name(0),
        reviewers: vec![name(1), name(2), name(3)],
        adjudicator: Some(name(4)),
        summariser: name(0),
    };
    let examples = vec![ItemId::Seed(below(draw, 500))];
    let domain = Domain::ALL[draw.below(7)];
    let id = ItemId::Candidate { round: 1, number };
    let mut candidate = Candidate::drawn(id, 0, Some(domain), examples, roles);
    let fate = below(draw, 100);
    if fate < 9 {
        let stage = Stage::Response;
        candidate.outcome =
            Some(if fate < 6 { Outcome::Malformed { stage } } else { Outcome::RepeatedKeywords });
        return candidate;
    }
    let reviewers = candidate.roles.reviewers.clone();
    for (seat, reviewer) in (0..).zip(reviewers.clone()) {
        let bits = [true, fate > 20 || seat > 0, true];
        candidate.instruction_reviews.push(InstructionReview { seat, reviewer, bits });
    }
    if fate <= 20 {
        candidate.outcome = Some(Outcome::Vetoed);
        return candidate;
    }
    let quality = 8.2 + noise(draw);
    for (seat, reviewer) in (0..).zip(reviewers) {
        let lenient = if reviewer.as_str().starts_with('m') { 1.0 } else { 0.0 };
        let own = 0.8 * noise(draw);
        let scores =
            Scores::whole([(); 6].map(|()| score(quality + lenient + own + 0.7 * noise(draw))));
        candidate.response_reviews.push(ResponseReview { seat, reviewer, scores, comment: None });
    }
    let method = Method::default();
    let decision = candidate.tally().map(|tally| tally.decide(method.tau, method.delta));
    candidate.decision = decision;
    candidate.outcome = Some(match decision {
        Some(Decision::Reject) | None => Outcome::Rejected,
        Some(Decision::Dispute) if fate.is_multiple_of(2) => Outcome::AdjudicatedOut,
        Some(_) if fate > 95 => Outcome::Duplicate,
        Some(_) => Outcome::Accepted,
    });
    if decision == Some(Decision::Dispute) {
        let scores = Scores::whole([if fate.is_multiple_of(2) { 7 } else { 9 }; 6]);
        let reviewer = name(4);
        candidate.adjudication = Some(ResponseReview { seat: 0, reviewer, scores, comment: None });
    }
    candidate
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 10")]
fn score(value: f64) -> u8 {
    value.round().clamp(1.0, 10.0) as u8
}

fn scores(candidates: &[Candidate]) -> BTreeMap<(usize, String), Vec<f64>> {
    let mut scores: BTreeMap<(usize, String), Vec<f64>> = BTreeMap::new();
    for review in candidates.iter().flat_map(|candidate| &candidate.response_reviews) {
        let place = MODELS.iter().position(|model| *model == review.reviewer.as_str());
        let reviewer = (place.unwrap_or_default(), review.reviewer.to_string());
        scores.entry(reviewer).or_default().push(review.scores.mean());
    }
    scores
}

fn pairs(candidates: &[Candidate]) -> Vec<(f64, f64)> {
    let mut draw = Stream::named(42, &["judge"]);
    let samples = candidates.iter().filter(|candidate| candidate.is_sample());
    let mus: Vec<f64> = samples.filter_map(|c| Some(c.tally()?.mu())).collect();
    mus.into_iter()
        .map(|mu| (mu, (mu + 0.4 + 0.8 * noise(&mut draw)).round().clamp(1.0, 10.0)))
        .collect()
}

fn estimate(value: f64, half: f64, n: usize) -> Estimate {
    Estimate {
        n,
        value: Some(value),
        interval: Some(Interval { low: value - half, high: value + half }),
    }
}

fn averages() -> Result<Figure, FigureError> {
    let group = |name: &str, values: [f64; 4], ours: Option<Estimate>| BarGroup {
        name: name.to_owned(),
        bars: ["seed", "GRA", "32B", "72B"]
            .into_iter()
            .zip(values)
            .map(|(source, value)| Bar {
                source: source.to_owned(),
                paper: Some(value),
                ours: ours.filter(|_| source == "GRA"),
                less_gra: None,
            })
            .collect(),
    };
    let groups = vec![
        group("Alpaca", [49.32, 60.36, 55.36, 53.03], Some(estimate(57.0, 2.5, 3))),
        group("WizardLM", [45.71, 62.17, 52.33, 52.93], None),
        group("Condor", [50.61, 61.12, 54.93, 51.21], None),
        group("mean", [48.55, 61.22, 54.21, 52.39], None),
    ];
    let model = "Qwen2.5-7B".to_owned();
    Averages { figure: AveragesFigure::Sources, model, groups }.figure()
}

fn rounds() -> Result<Figure, FigureError> {
    let series = |name: &str, values: [f64; 5], ours: Vec<(f64, Estimate)>| Series {
        name: name.to_owned(),
        paper: (1..=5).map(|round| f64::from(round) * 10.0).zip(values).collect(),
        ours,
    };
    let ours = vec![(10.0, estimate(50.4, 1.5, 3)), (20.0, estimate(54.0, 1.5, 3))];
    let series = vec![
        series("Alpaca", [52.23, 55.72, 60.36, 59.52, 59.79], ours),
        series("WizardLM", [54.13, 56.69, 58.04, 60.41, 62.17], vec![]),
        series("Condor", [49.72, 58.56, 59.75, 59.30, 61.13], vec![]),
    ];
    Rounds { model: "Qwen2.5-7B".to_owned(), series }.figure()
}

fn variants() -> Result<Figure, FigureError> {
    let names =
        ["gra", "no-reviewer", "single-reviewer", "majority-vote", "single-model", "fixed-roles"];
    let panel = |name: &str, from: f64, step: f64, missing: &str| VariantPanel {
        name: name.to_owned(),
        cells: (0..6_u32)
            .map(|place| {
                Some(estimate(from + step * f64::from(place), step, 900))
                    .filter(|_| missing.is_empty())
            })
            .collect(),
        missing: missing.to_owned(),
        unit: if from < 1.0 { "share" } else { "points" },
    };
    Variants {
        title: "Variants of made-up".to_owned(),
        variants: names.map(str::to_owned).to_vec(),
        panels: vec![
            panel("acceptance", 0.4, 0.08, ""),
            panel("disputed", 0.2, 0.02, ""),
            panel("mean mu of samples", 8.3, 0.1, ""),
            panel(
                "judge's mean",
                8.3,
                0.1,
                "no judge was asked: gra-bench stats TRIAL --judge MODEL",
            ),
        ],
        caption: "n = 900 candidates each.".to_owned(),
    }
    .figure()
}

fn violins(count: u32) -> Result<Figure, FigureError> {
    let mut draw = Stream::named(42, &["ifd"]);
    let mut violin = |name: &str, centre: f64, paper: &[(f64, &str)]| Violin {
        name: name.to_owned(),
        values: (0..count).map(|_| centre + 0.12 * noise(&mut draw)).collect(),
        paper: paper.iter().map(|(value, what)| (*value, (*what).to_owned())).collect(),
        missing: String::new(),
    };
    let violins = vec![
        violin("seeds", 0.6, &[(0.6124, "if in points"), (0.6617, "if relative")]),
        violin("gra", 0.74, &[(0.7582, "GRA")]),
        violin("distilled", 0.76, &[(0.7549, "72B")]),
    ];
    let [name, title, caption] =
        ["figure-8", "Instruction-following difficulty", "IFD."].map(str::to_owned);
    Violins { name, title, caption, violins }.figure()
}

fn spending(candidates: &[Candidate]) -> Result<Figure, FigureError> {
    let stages = [
        (Stage::Keywords, 900, 40),
        (Stage::Instruction, 700, 90),
        (Stage::Response, 300, 420),
        (Stage::InstructionReview, 1_300, 30),
        (Stage::ResponseReview, 3_000, 150),
        (Stage::Summary, 300, 40),
    ];
    let calls = |candidate: &Candidate| {
        let subject = candidate.id;
        stages.map(|(stage, prompt_tokens, reply_tokens)| CallFact {
            id: RequestId { subject, stage, seat: 0, attempt: 0 },
            model: ModelName::new(MODELS[0]),
            prompt_tokens,
            reply_tokens,
            shared: false,
        })
    };
    let facts = TrialFacts {
        variant: "gra".to_owned(),
        candidates: candidates.to_vec(),
        calls: candidates.iter().flat_map(calls).collect(),
    };
    let of = |parameters| {
        Compute::of(&facts, &Parameters::Assumed(parameters), TEACHER_PARAMETERS, BTreeMap::new())
    };
    let readings = |name: &str, parameters| ComputeReadings {
        name: name.to_owned(),
        stated: of(parameters),
        at_papers_size: of(MEMBER_PARAMETERS),
        sizes: vec![parameters],
    };
    compute::compute(&[
        readings(TRIAL, 1_540_000_000),
        readings("made-up/small/seed-42", 135_000_000),
    ])
}

fn sensitivity(candidates: &[Candidate]) -> Result<Figure, FigureError> {
    let method = Method::default();
    let variant = Variant::gra("gra");
    let own = Rule::recorded(&method, &variant);
    let halves =
        |from: u16, to: u16| (from..=to).map(|half| Thousandths::try_from(f64::from(half) / 2.0));
    let rules = halves(12, 19)
        .flatten()
        .flat_map(|tau| halves(1, 6).flatten().map(move |delta| Rule { tau, delta, ..own }));
    let judge = BTreeMap::new();
    let record =
        Record { candidates, method: &method, variant: &variant, embeddings: None, judge: &judge };
    let grid = rescore(&record, &rules.collect::<Vec<_>>())
        .map_err(|error| FigureError::Drawing(error.to_string()))?;
    squares::acceptance(TRIAL, &grid)
}

fn plane(count: u32) -> Result<Figure, FigureError> {
    let mut draw = Stream::named(42, &["map"]);
    let mut set = |spread: f64| -> Vec<[f64; 2]> {
        let point = |_| {
            let turn = f64::from(below(&mut draw, 12)) / 12.0 * std::f64::consts::TAU;
            let from = 12.0 * spread;
            [from * turn.cos() + 3.0 * noise(&mut draw), from * turn.sin() + 3.0 * noise(&mut draw)]
        };
        (0..count / 2).map(point).collect()
    };
    let (seeds, gra) = (set(0.6), set(1.2));
    Plane {
        name: "figure-5",
        title: "Where the instructions of seeds and gra lie",
        caption: "Made-up points.",
        sets: vec![("seeds", &seeds), ("gra", &gra)],
    }
    .figure()
}
