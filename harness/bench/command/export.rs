//! `export`: a trial's samples in the formats of other tools.

use std::io::Write;

use anyhow::Result;

use crate::artifact::write_atomic;
use crate::cli::{ExportArgs, ExportFormat, Places};
use crate::export::{self, Dataset};
use crate::finished::FinishedTrial;
use crate::store::Store;

pub(crate) fn run(args: &ExportArgs, places: &Places) -> Result<()> {
    let store = Store::open_read_only(&places.store())?;
    let FinishedTrial { id, card, candidates, .. } =
        FinishedTrial::load(&store, args.trial.parse()?)?;
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
