//! What models that were trained on data sets score on the paper's benchmarks: the rows of `benchmarks.csv`.

use std::path::Path;

use anyhow::Result;
use gra_paper::benchmarks::PAPERS_PROTOCOL;
use gra_paper::{Benchmark, exact};

use crate::html::{Html, HtmlTable};
use crate::measured;
use crate::numbers::or_missing;

/// A row for each model; nothing where none was scored.
///
/// # Errors
/// When `benchmarks.csv` is damaged.
pub(super) fn trained(results: &Path) -> Result<Html> {
    let benchmarks = measured::benchmarks(results)?;
    if benchmarks.is_empty() {
        return Ok(Html::default());
    }
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
    let of_paper = benchmarks.models().filter_map(|model| {
        let data = data(model.source.title(), model.seed.title(), model.round);
        let names = [model.base.title().to_owned(), data, PAPERS_PROTOCOL.to_owned()];
        Some((names, benchmarks.of(model)?))
    });
    let others = benchmarks.others().map(|(model, scores)| {
        let data = data(&model.source, &model.seed, model.round);
        ([model.base.clone(), data, model.protocol.clone()], scores)
    });
    for (names, scores) in of_paper.chain(others) {
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
    let mut html = table.html();
    html.push(&Html::trusted(
        "<p class=\"hint\"><code>gra-bench tables</code> has them beside the paper's, with numbers of items, intervals, the spread \
         between trainings and differences to GRA's data.</p>\n"
            .to_owned(),
    ));
    Ok(html)
}
