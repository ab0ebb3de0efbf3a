//! A judge's scores of a trial's candidates, from a CSV file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use gra_synth::candidate::Candidate;
use gra_synth::pool::ItemId;

/// Reads the columns `id` and `score`; an empty score is a missing one.
pub(super) fn read(path: &Path, candidates: &[Candidate]) -> Result<BTreeMap<ItemId, f64>> {
    let known: BTreeSet<ItemId> = candidates.iter().map(|candidate| candidate.id).collect();
    let name = path.display();
    let mut csv =
        csv::Reader::from_path(path).with_context(|| format!("cannot read judge scores {name}"))?;
    let header = csv.headers().with_context(|| format!("judge scores {name}"))?.clone();
    let column = |wanted: &str| {
        header.iter().position(|name| name == wanted).with_context(|| {
            format!("judge scores {name} have no column `{wanted}`\nhint: the header is `id,score`")
        })
    };
    let (id_column, score_column) = (column("id")?, column("score")?);
    let mut scores = BTreeMap::new();
    for (line, record) in (2..).zip(csv.records()) {
        let record = record.with_context(|| format!("judge scores {name}"))?;
        let (id, score) = (&record[id_column], &record[score_column]);
        let id: ItemId = id.parse().with_context(|| format!("judge scores {name}, line {line}"))?;
        if !known.contains(&id) {
            bail!("judge scores {name}, line {line}: the trial has no candidate {id}");
        }
        if score.is_empty() {
            continue;
        }
        let Some(value) = score.parse().ok().filter(|value: &f64| value.is_finite()) else {
            bail!("judge scores {name}, line {line}: `{score}` is no score");
        };
        if scores.insert(id, value).is_some() {
            bail!("judge scores {name}, line {line}: {id} has a score already");
        }
    }
    Ok(scores)
}
