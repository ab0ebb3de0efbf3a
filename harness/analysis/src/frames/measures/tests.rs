//! The guide's three lines stand there word by word; the same measure by [`means`] gives the number counted by
//! hand. Groups without a value, which the filters in Python drop, have a null here.

use gra_synth::candidate::Candidate;
use polars::prelude::{ParquetReader, SerReader};

use super::*;
use crate::frames::{self, MeasuredSample};
use crate::ifd::{Loss, LossPair};
use crate::trial::funnel::Funnel;
use crate::trial_by_hand::{accepted, every_outcome, failed, rejected};

const GUIDE: &str = include_str!("../../../../guide/measuring.md");

/// A frame as a user finds it: written and read back.
fn published(frame: &DataFrame) -> DataFrame {
    let mut bytes = Vec::new();
    frames::write_parquet(frame, &mut bytes).unwrap();
    ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap()
}

fn in_the_guide(line: &str) {
    assert!(GUIDE.lines().any(|written| written.trim() == line), "the guide lacks: {line}");
}

fn texts(frame: &DataFrame, column: &str) -> Vec<String> {
    let texts = frame.column(column).unwrap().str().unwrap().iter();
    texts.map(|text| text.unwrap_or("null").to_owned()).collect()
}

fn numbers(frame: &DataFrame, column: &str) -> Vec<Option<f64>> {
    frame.column(column).unwrap().f64().unwrap().iter().collect()
}

#[test]
fn acceptance_by_generator() {
    in_the_guide(
        r#"candidates.filter(pl.col("outcome") != "failed").group_by("generator").agg(pl.col("outcome").is_in(["accepted", "surplus"]).mean())"#,
    );
    let mut candidates = every_outcome();
    candidates.push(failed(10));
    for candidate in &mut candidates[5..] {
        candidate.roles.generator = gra_synth::request::ModelName::new("qwen");
    }
    let frame = published(&frames::candidates(&candidates).unwrap());
    let found = means(&frame, &["generator"], PASSED).unwrap();
    assert_eq!(texts(&found, "generator"), ["llama", "qwen"]);
    for (group, mean) in
        [&candidates[..5], &candidates[5..]].into_iter().zip(numbers(&found, "mean"))
    {
        // The funnel counts the undecided one of the second group as tried.
        let decided: Vec<_> = group.iter().filter(|c| c.outcome.is_some()).cloned().collect();
        assert_eq!(mean, Funnel::of(&decided).acceptance_rate());
    }
}

#[test]
fn scores_by_reviewer() {
    in_the_guide(
        r#"reviews.filter(pl.col("stage") == "response-review").group_by("reviewer").agg(pl.col("mean").mean())"#,
    );
    let candidates = every_outcome();
    let frame = published(&frames::reviews(&candidates).unwrap());
    let scores = RowMeasure::column("mean").only("stage", "response-review");
    let found = means(&frame, &["reviewer"], scores).unwrap();
    // The adjudicator has a group and no mean: it reviewed no response.
    assert_eq!(texts(&found, "reviewer"), ["internlm", "mistral", "qwen", "tulu"]);
    assert_eq!(numbers(&found, "mean")[3], None);
    assert!(means(&frame, &["mean"], scores).is_err(), "a key and the value of one name");
    for (reviewer, mean) in texts(&found, "reviewer").iter().zip(numbers(&found, "mean")).take(3) {
        let reviews = candidates.iter().flat_map(|candidate| &candidate.response_reviews);
        let own = reviews.filter(|review| review.reviewer.as_str() == reviewer);
        let own: Vec<f64> = own.map(|review| review.scores.mean()).collect();
        let n = f64::from(u32::try_from(own.len()).unwrap());
        assert!((mean.unwrap() - own.iter().sum::<f64>() / n).abs() < 1e-12, "{reviewer}");
    }
}

#[test]
fn loss_ratio_below_one_by_domain() {
    in_the_guide(
        r#"samples.filter(pl.col("loss_ratio") < 1).group_by("domain").agg(pl.col("loss_ratio").mean())"#,
    );
    let sample = |number: u32, domain, conditional| MeasuredSample {
        id: format!("s{number:05}"),
        items: vec![format!("s{number:05}")],
        domain,
        generator: None,
        round: None,
        instruction: "Name a colour.".to_owned(),
        response: Some("Grey.".to_owned()),
        mu: None,
        sigma: None,
        judge: None,
        second_judge: None,
        difficulty: Some(Ok(LossPair {
            conditional: Loss { mean: conditional, tokens: 3 },
            direct: Loss { mean: 2.0, tokens: 3 },
            truncated: false,
        })),
        nearest_distance: None,
    };
    let [math, none] = [Some(gra_synth::domain::Domain::Math), None];
    let samples =
        [sample(0, math, 1.0), sample(1, math, 3.0), sample(2, none, 0.5), sample(3, math, 0.6)];
    let frame = published(&frames::samples(&samples).unwrap());
    let below_1 = RowMeasure::number("loss_ratio", |ratio| (ratio < 1.0).then_some(ratio));
    let found = means(&frame, &["domain"], below_1).unwrap();
    assert_eq!(texts(&found, "domain"), ["null", "Math"]);
    assert_eq!(numbers(&found, "mean"), [Some(0.25), Some(0.4)]);
}

#[test]
fn nothing_has_columns_and_no_groups() {
    let empty = frames::candidates(&[]).unwrap();
    let found = means(&empty, &["generator", "domain"], MU).unwrap();
    assert_eq!((found.height(), found.width()), (0, 4));
    assert!(means(&empty, &["no such column"], MU).is_err());
    assert!(means(&empty, &[], MU).is_err());
    let values = RowValues::<u32>::from_frame(vec![], &empty, [MU]).unwrap();
    assert_eq!(values.mean(0).value, None);
}

#[test]
fn rows_that_share_an_item_have_wider_intervals() {
    let candidates: Vec<Candidate> =
        (0..24).map(|n| if n % 3 == 0 { rejected(n) } else { accepted(n) }).collect();
    let frame = frames::outcomes(&candidates).unwrap();
    let width = |items: Vec<Vec<u32>>| {
        let passed = RowValues::from_frame(items, &frame, [PASSED]).unwrap().mean(0);
        assert_eq!((passed.n, passed.value), (24, Some(2.0 / 3.0)));
        let interval = passed.interval.unwrap();
        assert!(interval.low >= 0.0 && interval.high <= 1.0, "a share");
        interval.high - interval.low
    };
    let alone = width((0..24).map(|row| vec![row]).collect());
    // What failed shares an item with what failed.
    let shared = width((0..24).map(|row| vec![row, 100 + u32::from(row % 3 == 0)]).collect());
    assert!(shared > 2.0 * alone, "{shared} {alone}");
}
