//! What models that were trained on an experiment's data score on the paper's benchmarks: of the rows of `benchmarks.csv`,
//! those of its seed set and its variants, and of the seed set as it is.

use std::path::Path;

use anyhow::Result;
use gra_paper::benchmarks::PAPERS_PROTOCOL;
use gra_paper::{Benchmark, DataSource, exact};

use super::ReportSubject;
use crate::benchmark_scores::DataSubject;
use crate::html::{Html, HtmlTable};
use crate::measured;
use crate::numbers::or_missing;

/// A row for each model, and how many are of other data; nothing where none was scored.
///
/// # Errors
/// When `benchmarks.csv` is damaged.
pub(super) fn trained(subject: &ReportSubject, results: &Path) -> Result<Html> {
    let benchmarks = measured::benchmarks(results)?;
    if benchmarks.is_empty() {
        return Ok(Html::default());
    }
    let own: Vec<DataSubject> =
        subject.trials().map(|(trial, _)| trial.record.subject(&[])).collect();
    let is_own = |seed: &str, source: &str| {
        let is_vanilla = source == DataSource::Vanilla.id();
        own.iter().any(|own| own.seed_dataset == seed && (own.data_source == source || is_vanilla))
    };
    let all = benchmarks.models().count() + benchmarks.others().count();
    let columns =
        ["Base model", "trained on", "scored by", "#trainings"].map(str::to_owned).into_iter();
    let columns = columns.chain(Benchmark::ALL.map(|one| format!("#{}", one.title())));
    let mut table = HtmlTable::new(
        "Per cent, the mean over trainings; an average needs all ten benchmarks",
        columns.chain(["#AVG".to_owned()]),
    );
    let data = |source: &str, seed: &str, round: Option<u8>| match round {
        Some(round) => format!("{source}, round {round} ({seed})"),
        None => format!("{source} ({seed})"),
    };
    let of_paper = benchmarks.models().filter(|model| is_own(model.seed.id(), model.source.id()));
    let of_paper = of_paper.filter_map(|model| {
        let data = data(model.source.title(), model.seed.title(), model.round);
        let names = [model.base.title().to_owned(), data, PAPERS_PROTOCOL.to_owned()];
        Some((names, benchmarks.of(model)?))
    });
    let others = benchmarks.others().filter(|(model, _)| is_own(&model.seed, &model.source));
    let others = others.map(|(model, scores)| {
        let data = data(&model.source, &model.seed, model.round);
        ([model.base.clone(), data, model.protocol.clone()], scores)
    });
    let mut shown = 0;
    for (names, scores) in of_paper.chain(others) {
        shown += 1;
        let found = Benchmark::ALL.map(|one| scores.score(one));
        let trainings = found.iter().flatten().map(|score| score.trainings).max();
        let values = found
            .into_iter()
            .chain([scores.average()])
            .map(|score| or_missing(score, |score| format!("{:.2}", exact::to_f64(score.mean))));
        let cells =
            names.into_iter().chain([trainings.unwrap_or_default().to_string()]).chain(values);
        table.row(cells);
    }
    let mut html = if shown > 0 { table.html() } else { Html::default() };
    let elsewhere = match all - shown {
        0 => String::new(),
        1 => "One model was trained on other data, by its names in <code>benchmarks.csv</code>. "
            .to_owned(),
        n => format!(
            "{n} models were trained on other data, by their names in <code>benchmarks.csv</code>. "
        ),
    };
    html.push(&Html::trusted(format!(
        "<p class=\"hint\">{elsewhere}<code>gra-bench tables</code> has all beside the paper's, with numbers of items, \
         intervals, the spread between trainings and differences to GRA's data.</p>\n"
    )));
    Ok(html)
}
