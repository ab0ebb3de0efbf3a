//! What `eval` does besides scoring: it takes what was scored elsewhere, and looks at the benchmarks' files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use gra_downstream::evaluation::data_cache::FileReport;
use gra_downstream::evaluation::{self, DataCache, Suite};
use gra_paper::grid::{self, Align, Column};
use serde_json::json;

use super::evaluated::{Evaluated, protocol, say, subject};
use crate::benchmark_scores::{DataSubject, TrainedSubject};
use crate::failure::bad_input;
use crate::session::GlobalArgs;
use crate::terminal;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The folder of one OpenCompass run, a summary.csv, or the results file or folder of lm-eval.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Which of several models that are in it, by the name that the engine knows it by.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What the model is in tables: BASE/SEED-SET/SOURCE or BASE/SEED-SET/gra/ROUNDS. Without it, benchmarks.csv is left
    /// as it is.
    #[arg(long = "as", value_name = "SUBJECT", value_parser = subject)]
    subject: Option<(String, DataSubject)>,
    /// Its training seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    training_seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ImportArgs {
    /// The last two names of the path and the model's, so that two imports do not share a folder.
    fn folder_name(&self) -> Result<String> {
        let path = std::path::absolute(&self.path).context("cannot tell the working directory")?;
        let names: Vec<_> = path.iter().rev().take(2).collect();
        let names = names.iter().rev().map(|name| name.to_string_lossy());
        let names: Vec<String> = names.map(Into::into).chain(self.model.clone()).collect();
        let plain = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
        Ok(names.join("-").chars().map(plain).collect())
    }

    pub(super) fn run(&self, global: &GlobalArgs) -> Result<()> {
        let evaluation = evaluation::import(&self.path, self.model.as_deref())
            .map_err(|error| bad_input(error.into()))?;
        let subject = self.subject.clone().map(|(base_model, data)| TrainedSubject {
            base_model,
            data,
            training_seed: self.training_seed,
        });
        let folder = global.results().join("evaluated/imported").join(self.folder_name()?);
        let one = Evaluated { protocol: protocol(&evaluation), folder, subject, evaluation };
        one.evaluation.write(&one.folder)?;
        one.record(global.results())?;
        say(&[one], global.results(), self.json)
    }
}

#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Folder of the files, as OpenCompass lays them out.
    #[arg(long, value_name = "DIR", env = "COMPASS_DATA_CACHE")]
    data: PathBuf,
    /// The suite that is to be scored.
    #[arg(long, value_name = "SUITE", default_value = "paper")]
    suite: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl DataArgs {
    pub(super) fn run(&self) -> Result<()> {
        let suite = Suite::named(&self.suite).map_err(|error| bad_input(error.into()))?;
        let cache = DataCache { folder: self.data.clone() };
        let files = cache.check(&suite);
        let mut out = terminal::json_or_text(self.json);
        if self.json {
            writeln!(out, "{}", json!({ "files": files }))?;
            return Ok(());
        }
        let column = |title: &str, cell: &dyn Fn(&FileReport) -> String| Column {
            title: title.to_owned(),
            cells: files.iter().map(cell).collect(),
            align: Align::Left,
        };
        let columns = [
            column("benchmark", &|file| file.benchmark.to_owned()),
            column("file", &|file| file.file.clone()),
            column("rows", &|file| file.rows.to_string()),
            column("found", &|file| file.state.to_string()),
        ];
        write!(out, "{}", grid::terminal(&columns))?;
        let mut sources: Vec<(&str, &str, &str)> =
            files.iter().map(|file| (file.benchmark, file.source, file.licence)).collect();
        sources.dedup();
        writeln!(out)?;
        for (benchmark, source, licence) in sources {
            writeln!(out, "{benchmark}: {source} ({licence})")?;
        }
        Ok(())
    }
}
