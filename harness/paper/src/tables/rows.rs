//! The paper's cells, in its order, and what was measured of them; below them models that are none of the paper's.

use std::collections::BTreeMap;

use super::{Block, Cell, Heading, Row, Table};
use crate::benchmarks::difference::{self, ScoreSum};
use crate::benchmarks::{Benchmarks, ModelScores, OtherModel, Trained};
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

/// A row of ten benchmarks and their average, to be filled.
struct WholeRow<'a> {
    label: String,
    path: String,
    printed: Option<&'a PrintedScores>,
    measured: Option<&'a ModelScores>,
    rounds: Option<u8>,
}

/// Rows of ten benchmarks, each compared with one of them.
fn block(
    title: String,
    rows: &[WholeRow<'_>],
    is_reference: impl Fn(&WholeRow<'_>) -> bool,
) -> Block {
    // Where GRA was not measured, the first row that was stands in: differences need something to be taken to.
    let measured = || rows.iter().filter(|row| row.measured.is_some());
    let reference = measured().find(|row| is_reference(row)).or_else(|| measured().next());
    let filled = rows.iter().map(|row| row.fill(reference)).collect();
    Block { title, rows: filled, reference: reference.map(|row| row.label.clone()) }
}

impl WholeRow<'_> {
    fn fill(&self, reference: Option<&WholeRow<'_>>) -> Row {
        // A row has no difference to itself.
        let pair = reference.filter(|reference| reference.path != self.path);
        let pair = pair.and_then(|reference| self.measured.zip(reference.measured));
        let column = |benchmark: Benchmark| Cell {
            path: format!("{}/{benchmark}", self.path),
            printed: self.printed.map(|scores| scores.column(benchmark)),
            here: self.measured.and_then(|model| model.score(benchmark)),
            less_reference: pair
                .and_then(|(of, less)| difference::on_benchmark(of, less, benchmark)),
            ..Cell::default()
        };
        let average = Cell {
            path: format!("{}/avg", self.path),
            printed: self.printed.map(|scores| scores.average),
            // Table 2 prints averages alone, so only here is there a mean to hold one against.
            recomputed: self.printed.map(PrintedScores::mean),
            here: self.measured.and_then(ModelScores::average),
            less_reference: pair.and_then(|(of, less)| difference::of_averages(of, less)),
            ..Cell::default()
        };
        let cells = Benchmark::ALL.map(column).into_iter().chain([average]).collect();
        Row { label: self.label.clone(), rounds: self.rounds, cells }
    }
}

pub(super) fn main(paper: &Reference, measured: &Benchmarks) -> (Vec<Heading>, Vec<Block>) {
    let of_paper = |(base, seed): (BaseModel, SeedDataset)| {
        let row = |source: DataSource| {
            let model = measured.chosen(base, seed, source);
            Some(WholeRow {
                label: source.title().to_owned(),
                path: format!("table1/{base}/{seed}/{source}"),
                printed: Some(paper.main(base, seed, source)?),
                measured: model.and_then(|model| measured.of(model)),
                rounds: model.and_then(|model| model.round),
            })
        };
        let rows: Vec<WholeRow<'_>> = DataSource::MAIN.into_iter().filter_map(row).collect();
        let is_gra = |row: &WholeRow<'_>| row.label == DataSource::Gra.title();
        block(format!("{}, {}", base.title(), seed.title()), &rows, is_gra)
    };
    let blocks = pairs().map(of_paper).chain(other_models(measured));
    (headings(), blocks.collect())
}

/// A block for each base model, seed set and protocol that is none of the paper's.
fn other_models(measured: &Benchmarks) -> Vec<Block> {
    let mut blocks: BTreeMap<String, Vec<WholeRow<'_>>> = BTreeMap::new();
    for (model, scores) in measured.others() {
        let OtherModel { protocol, base, seed, source, round } = model;
        let title = format!("{base}, {seed}, {protocol}");
        // Sources of the paper are called as in its own blocks, others as their lines say.
        let known: Option<DataSource> = source.parse().ok();
        let mut label = known.map_or_else(|| source.clone(), |source| source.title().to_owned());
        if let Some(round) = round {
            label = format!("{label}, round {round}");
        }
        let rounds = round.map_or_else(String::new, |round| format!("/{round}"));
        let path = format!("here/{protocol}/{base}/{seed}/{source}{rounds}");
        let row = WholeRow { label, path, printed: None, measured: Some(scores), rounds: *round };
        blocks.entry(title).or_default().push(row);
    }
    // Labels of GRA's data say rounds at most: "GRA, refined seed data" is another source.
    let is_gra =
        |row: &WholeRow<'_>| row.label.split(", round ").next() == Some(DataSource::Gra.title());
    blocks.into_iter().map(|(title, rows)| block(title, &rows, is_gra)).collect()
}

pub(super) fn iterations(paper: &Reference, measured: &Benchmarks) -> (Vec<Heading>, Vec<Block>) {
    let of_paper = |(base, seed): (BaseModel, SeedDataset)| {
        let row = |round: u8| {
            let iteration = paper.iteration(base, seed, round)?;
            let model = Trained { base, seed, source: DataSource::Gra, round: Some(round) };
            Some(WholeRow {
                label: format!("round {round}, {}K", iteration.thousands),
                path: format!("table3/{base}/{seed}/{round}"),
                printed: Some(&iteration.scores),
                measured: measured.of(model),
                rounds: Some(round),
            })
        };
        let rows: Vec<WholeRow<'_>> = ITERATIONS.into_iter().filter_map(row).collect();
        block(format!("{}, {}", base.title(), seed.title()), &rows, |_| true)
    };
    (headings(), pairs().map(of_paper).collect())
}

pub(super) fn seed_data(paper: &Reference, measured: &Benchmarks) -> (Vec<Heading>, Vec<Block>) {
    let of_base = |base: BaseModel| {
        let scores = |seed, source| measured.of(measured.chosen(base, seed, source)?);
        let less_gra = |seed, source: DataSource| -> Option<ScoreSum> {
            let gra = scores(seed, DataSource::Gra).filter(|_| source != DataSource::Gra)?;
            difference::of_averages(scores(seed, source)?, gra)
        };
        let row = |source: DataSource| {
            // A cell of Table 2 is an average of ten benchmarks, so its model may differ from its neighbours'.
            let cell = |seed: SeedDataset| {
                Some(Cell {
                    path: format!("table2/{base}/{seed}/{source}/avg"),
                    printed: Some(paper.seed_data(base, seed, source)?),
                    here: scores(seed, source).and_then(ModelScores::average),
                    less_reference: less_gra(seed, source),
                    ..Cell::default()
                })
            };
            let cells = SeedDataset::ALL.map(cell).into_iter().collect::<Option<Vec<Cell>>>()?;
            Some(Row { label: source.title().to_owned(), rounds: None, cells })
        };
        let rows = DataSource::SEED_DATA.into_iter().filter_map(row).collect();
        let reference = Some(DataSource::Gra.title().to_owned());
        Block { title: base.title().to_owned(), rows, reference }
    };
    let headings = SeedDataset::ALL.map(|seed| Heading { group: "", title: seed.title() });
    (headings.to_vec(), BaseModel::ALL.map(of_base).to_vec())
}

/// Marks the largest printed value of each column in each block, all of them when several are equal.
pub(super) fn mark_best(table: &mut Table) {
    for block in &mut table.blocks {
        for column in 0..table.headings.len() {
            // Within a block only: base models and seed sets are not compared with each other.
            let best = block.rows.iter().filter_map(|row| row.cells[column].printed).max();
            for row in &mut block.rows {
                let cell = &mut row.cells[column];
                cell.is_best = best.is_some() && cell.printed == best;
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
