//! The paper's cells, in its order, and what was measured of them.

use super::{Block, Cell, Heading, Row, Table};
use crate::benchmarks::{BenchmarkScore, Benchmarks, Trained};
use crate::exact::Ratio;
use crate::vocabulary::GROUPS;
use crate::{BaseModel, Benchmark, DataSource, ITERATIONS, PrintedScores, Reference, SeedDataset};

/// Headings of the ten benchmarks under their groups, and of the average.
fn headings() -> Vec<Heading> {
    let groups = GROUPS.iter().flat_map(|(group, columns)| std::iter::repeat_n(*group, *columns));
    let benchmarks = groups.zip(Benchmark::ALL);
    let benchmarks =
        benchmarks.map(|(group, benchmark)| Heading { group, title: benchmark.title() });
    benchmarks.chain([Heading { group: "", title: "AVG" }]).collect()
}

fn pairs() -> impl Iterator<Item = (BaseModel, SeedDataset)> {
    BaseModel::ALL.into_iter().flat_map(|base| SeedDataset::ALL.map(|seed| (base, seed)))
}

pub(super) fn main(paper: &Reference, measured: &Benchmarks) -> (Vec<Heading>, Vec<Block>) {
    let block = |(base, seed): (BaseModel, SeedDataset)| {
        let row = |source: DataSource| {
            let scores = paper.main(base, seed, source)?;
            let model = measured.chosen(base, seed, source);
            let path = format!("table1/{base}/{seed}/{source}");
            Some(whole_row(source.title().to_owned(), &path, scores, measured, model))
        };
        let rows = DataSource::MAIN.into_iter().filter_map(row).collect();
        Block { title: format!("{}, {}", base.title(), seed.title()), rows }
    };
    (headings(), pairs().map(block).collect())
}

pub(super) fn iterations(paper: &Reference, measured: &Benchmarks) -> (Vec<Heading>, Vec<Block>) {
    let block = |(base, seed): (BaseModel, SeedDataset)| {
        let row = |round: u8| {
            let iteration = paper.iteration(base, seed, round)?;
            let model = Trained { base, seed, source: DataSource::Gra, round: Some(round) };
            let model = measured.models().find(|found| *found == model);
            let label = format!("round {round}, {}K", iteration.thousands);
            let path = format!("table3/{base}/{seed}/{round}");
            Some(whole_row(label, &path, &iteration.scores, measured, model))
        };
        let rows = ITERATIONS.into_iter().filter_map(row).collect();
        Block { title: format!("{}, {}", base.title(), seed.title()), rows }
    };
    (headings(), pairs().map(block).collect())
}

pub(super) fn seed_data(paper: &Reference, measured: &Benchmarks) -> (Vec<Heading>, Vec<Block>) {
    let block = |base: BaseModel| {
        let row = |source: DataSource| {
            let mut row =
                Row { label: source.title().to_owned(), here: Vec::new(), cells: Vec::new() };
            for seed in SeedDataset::ALL {
                // A cell of Table 2 is an average of ten benchmarks, so its model may differ from its neighbours'.
                let model = measured.chosen(base, seed, source);
                row.here.extend(model);
                row.cells.push(Cell {
                    path: format!("table2/{base}/{seed}/{source}/avg"),
                    printed: paper.seed_data(base, seed, source)?,
                    recomputed: None,
                    is_best: false,
                    note: None,
                    here: model.and_then(|model| measured.average(model)),
                });
            }
            Some(row)
        };
        let rows = DataSource::SEED_DATA.into_iter().filter_map(row).collect();
        Block { title: base.title().to_owned(), rows }
    };
    let headings = SeedDataset::ALL.map(|seed| Heading { group: "", title: seed.title() });
    (headings.to_vec(), BaseModel::ALL.map(block).to_vec())
}

/// A row of ten benchmarks and their average.
fn whole_row(
    label: String,
    path: &str,
    scores: &PrintedScores,
    measured: &Benchmarks,
    model: Option<Trained>,
) -> Row {
    let cell = |column: &str, printed, here: Option<BenchmarkScore>| Cell {
        path: format!("{path}/{column}"),
        printed,
        recomputed: None,
        is_best: false,
        note: None,
        here,
    };
    let mut cells: Vec<Cell> = Benchmark::ALL
        .into_iter()
        .map(|benchmark| {
            let here = model.and_then(|model| measured.score(model, benchmark));
            cell(benchmark.id(), scores.column(benchmark), here)
        })
        .collect();
    // Table 2 prints averages alone, so only here is there a mean to hold one against.
    let average = cell("avg", scores.average, model.and_then(|model| measured.average(model)));
    cells.push(Cell { recomputed: Some(scores.mean()), ..average });
    Row { label, here: model.into_iter().collect(), cells }
}

/// Marks the largest printed value of each column in each block, all of them when several are equal.
pub(super) fn mark_best(table: &mut Table) {
    for block in &mut table.blocks {
        for column in 0..table.headings.len() {
            // Within a block only: base models and seed sets are not compared with each other.
            let best = block.rows.iter().map(|row| row.cells[column].printed).max();
            for row in &mut block.rows {
                row.cells[column].is_best = Some(row.cells[column].printed) == best;
            }
        }
    }
}

/// The row of a block whose last column is the largest when averages are recomputed.
pub(super) fn best_by_columns(block: &Block) -> Option<usize> {
    let mean = |row: &Row| row.cells.last().and_then(|cell| cell.recomputed);
    let means: Vec<Ratio> = block.rows.iter().map(mean).collect::<Option<_>>()?;
    let best = means.iter().max()?;
    means.iter().position(|mean| mean == best)
}
