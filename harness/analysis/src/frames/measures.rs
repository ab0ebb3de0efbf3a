//! Measures of rows: their means in groups of any column, and their values for intervals and tests.
//!
//! A measure is made of one column of a frame, by the names that published files have, so it is one line of
//! polars in Python too (`harness/guide/measuring.md` shows three). A row without a value takes no part.

use polars::prelude::{
    ChunkAgg, DataFrame, DataType, NamedFrom, PolarsError, PolarsResult, Series,
    SortMultipleOptions,
};

use crate::statistics::dependence::Dependence;
use crate::statistics::inference::{Estimate, Inference};

/// What is averaged over rows. The mean of what is 0 or 1 is a share.
#[derive(Clone, Copy, Debug)]
pub struct RowMeasure {
    column: &'static str,
    value: Value,
    /// A column of texts, and what it says of the rows that take part; `None` for all rows.
    only: Option<(&'static str, &'static str)>,
    /// What its mean can be.
    range: (f64, f64),
}

/// What a row's cell says; `None` leaves the row out.
#[derive(Clone, Copy, Debug)]
enum Value {
    Number(fn(f64) -> Option<f64>),
    Text(fn(&str) -> Option<f64>),
}

/// The range of a measure of which nothing is known.
const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Whether a candidate passed review and deduplication, surplus included: surplus was cut because the round's
/// target was met, which says nothing about its quality. Candidates without an end take no part: they are
/// undecided, or the engine failed on them.
pub const PASSED: RowMeasure = RowMeasure::text("outcome", |outcome| match outcome {
    "failed" => None,
    "accepted" | "surplus" => Some(1.0),
    _ => Some(0.0),
})
.share();

/// Whether mu reached tau and sigma exceeded delta, of candidates that the whole committee scored.
pub const DISPUTED: RowMeasure = RowMeasure::text("decision", |decision| match decision {
    "dispute" => Some(1.0),
    _ => Some(0.0),
})
.share();

/// The committee's mean, where the whole committee scored.
pub const MU: RowMeasure = RowMeasure::column("mu").score();

impl RowMeasure {
    /// A column of numbers, or of what is true (1) or false (0).
    #[must_use]
    pub const fn column(column: &'static str) -> Self {
        Self::number(column, Some)
    }

    /// A function of such a column.
    #[must_use]
    pub const fn number(column: &'static str, value: fn(f64) -> Option<f64>) -> Self {
        Self { column, value: Value::Number(value), only: None, range: ANY }
    }

    /// A function of a column of texts.
    #[must_use]
    pub const fn text(column: &'static str, value: fn(&str) -> Option<f64>) -> Self {
        Self { column, value: Value::Text(value), only: None, range: ANY }
    }

    /// The same over those rows alone where another column has this text.
    #[must_use]
    pub const fn only(self, column: &'static str, text: &'static str) -> Self {
        Self { only: Some((column, text)), ..self }
    }

    /// The same, of a measure that is 0 or 1 everywhere: the interval of its mean stays between them.
    #[must_use]
    pub const fn share(self) -> Self {
        Self { range: (0.0, 1.0), ..self }
    }

    /// The same, of a measure that is nowhere below 0.
    #[must_use]
    pub const fn non_negative(self) -> Self {
        Self { range: (0.0, f64::INFINITY), ..self }
    }

    /// The same, of scores from 0 to 10.
    #[must_use]
    pub const fn score(self) -> Self {
        Self { range: (0.0, 10.0), ..self }
    }

    fn values(self, frame: &DataFrame) -> PolarsResult<Vec<Option<f64>>> {
        let column = frame.column(self.column)?;
        // A cast makes numbers of counts and of booleans, so one kind of measure reads all three.
        let mut values: Vec<Option<f64>> = match self.value {
            Value::Number(value) => {
                column.cast(&DataType::Float64)?.f64()?.iter().map(|cell| value(cell?)).collect()
            }
            Value::Text(value) => column.str()?.iter().map(|cell| value(cell?)).collect(),
        };
        if let Some((column, text)) = self.only {
            for (value, cell) in values.iter_mut().zip(frame.column(column)?.str()?.iter()) {
                *value = value.filter(|_| cell == Some(text));
            }
        }
        Ok(values)
    }
}

/// Means of a measure in groups of rows that agree in these columns: the columns themselves, then `mean`, null
/// where no row takes part, and `n`, how many do. Groups rise by their columns, missing values first.
///
/// # Errors
/// When there is no column to group by, one of them is called `mean` or `n`, or the frame lacks one of them or the
/// measure's.
pub fn means(frame: &DataFrame, by: &[&str], measure: RowMeasure) -> PolarsResult<DataFrame> {
    if by.is_empty() || by.iter().any(|key| ["mean", "n"].contains(key)) {
        let message = format!(
            "means are grouped by at least one column, none of them `mean` or `n`; asked: [{}]",
            by.join(", ")
        );
        return Err(PolarsError::InvalidOperation(message.into()));
    }
    // Each group is a copy of its rows: the texts of a frame stay out of it.
    let mut rows = frame.select(by.iter().copied())?;
    rows.with_column(Series::new("mean".into(), measure.values(frame)?).into())?;
    // Eager on purpose: the lazy planner alone would double what polars takes to compile (Cargo.toml).
    let aggregate = |group: DataFrame| {
        let values = group.column("mean")?.f64()?;
        let n = u32::try_from(values.len() - values.null_count()).unwrap_or(u32::MAX);
        let mut row = group.select(by.iter().copied())?.head(Some(1));
        row.with_column(Series::new("mean".into(), [values.mean()]).into())?;
        row.with_column(Series::new("n".into(), [n]).into())?;
        Ok(row)
    };
    // Nothing has no groups, and still has its columns.
    if rows.height() == 0 {
        return aggregate(rows).map(|row| row.clear());
    }
    let means = rows.group_by_stable(by.iter().copied())?.apply(aggregate)?;
    means.sort(by.iter().copied(), SortMultipleOptions::default())
}

/// Measures of a frame's rows as numbers, beside the items that each row goes back to: taken out of polars once.
/// Rows that share an item depend on each other.
#[derive(Clone, Debug)]
pub struct RowValues<K> {
    /// By row; its own identity is the first of its items.
    items: Vec<Vec<K>>,
    dependence: Dependence,
    measures: Vec<RowMeasure>,
    /// By measure, then by row.
    values: Vec<Vec<Option<f64>>>,
}

impl<K: Ord> RowValues<K> {
    /// Takes measures of a frame; each row has items, the first of which is the row itself.
    ///
    /// # Errors
    /// When the frame lacks a column that a measure is made of.
    pub fn from_frame(
        items: Vec<Vec<K>>,
        frame: &DataFrame,
        measures: impl IntoIterator<Item = RowMeasure>,
    ) -> PolarsResult<Self> {
        let measures: Vec<RowMeasure> = measures.into_iter().collect();
        let values =
            measures.iter().map(|measure| measure.values(frame)).collect::<PolarsResult<_>>()?;
        Ok(Self {
            dependence: Dependence::by_items(items.iter().map(|items| items.iter())),
            items,
            measures,
            values,
        })
    }

    /// The items of each row.
    #[must_use]
    pub fn items(&self) -> &[Vec<K>] {
        &self.items
    }

    /// The values of a measure by row, in the order of the frame.
    #[must_use]
    pub fn values(&self, measure: usize) -> &[Option<f64>] {
        &self.values[measure]
    }

    /// Mean of a measure over the rows that have a value, with its interval.
    #[must_use]
    pub fn mean(&self, measure: usize) -> Estimate {
        let mean = self.inference(measure).map_or(Estimate::NONE, |mean| mean.estimate());
        let (low, high) = self.measures[measure].range;
        mean.within(low, high)
    }

    /// The same with its standard error; `None` where no row has a value.
    #[must_use]
    pub fn inference(&self, measure: usize) -> Option<Inference> {
        Inference::of_mean(&self.values[measure], &self.dependence)
    }
}

#[cfg(test)]
mod tests {
    //! The guide's three lines stand there word by word; the same measure by [`means`] gives the number counted by
    //! hand. Groups without a value, which the filters in Python drop, have a null here.

    use gra_synth::candidate::Candidate;
    use polars::prelude::{ParquetReader, SerReader};

    use super::*;
    use crate::frames::{self, MeasuredSample};
    use crate::ifd::{Loss, LossPair};
    use crate::trial::Funnel;
    use crate::trial::tests::{accepted, every_outcome, failed, rejected};

    const GUIDE: &str = include_str!("../../../guide/measuring.md");

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
        for (reviewer, mean) in
            texts(&found, "reviewer").iter().zip(numbers(&found, "mean")).take(3)
        {
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
        let samples = [
            sample(0, math, 1.0),
            sample(1, math, 3.0),
            sample(2, none, 0.5),
            sample(3, math, 0.6),
        ];
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
}
