//! `export`: a trial's samples in the formats of other tools.

use std::io::Write;

use anyhow::{Context, Result, bail};

use crate::artifact::write_atomic;
use crate::cli::{ExportArgs, ExportFormat, Places};
use crate::export::{self, CardFacts, Dataset};
use crate::store::{Store, TrialId};

pub(crate) fn run(args: &ExportArgs, places: &Places) -> Result<()> {
    let id: TrialId = args.trial.parse()?;
    let store = Store::open_existing(&places.store())?;
    let trial = store.trial(&id)?;
    if !trial.finished {
        bail!(
            "trial {id} is not finished\nhint: run its experiment again; it goes on where it was"
        );
    }
    let candidates = store.candidates(trial.row)?;
    let card: CardFacts = serde_json::from_str(&trial.card)
        .with_context(|| format!("the stored description of {id} is damaged"))?;
    let name = id.to_string().replace('/', "-");
    let dataset = Dataset { name: &name, card: &card, candidates: &candidates };
    let wanted = |file: &str| {
        let of = |format| args.format.is_empty() || args.format.contains(&format);
        match file {
            "alpaca.json" => of(ExportFormat::Alpaca),
            "sharegpt.jsonl" => of(ExportFormat::Sharegpt),
            "samples.parquet" => of(ExportFormat::Parquet),
            _ => true,
        }
    };
    let mut out = std::io::stdout().lock();
    for file in export::files(&dataset)?.into_iter().filter(|file| wanted(file.name)) {
        let path = args.out.join(file.name);
        write_atomic(&path, &file.bytes)?;
        writeln!(out, "{}", path.display())?;
    }
    let samples = candidates.iter().filter(|candidate| candidate.is_sample()).count();
    writeln!(out, "{samples} samples of {id}")?;
    Ok(())
}
