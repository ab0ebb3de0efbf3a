//! `report` and `view`: an experiment or a trial as one HTML file, and its candidates in a browser, served from the store.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::session::{GlobalArgs, on_interrupt};
use crate::trial::TrialId;
use crate::trial::stored::TrialSelection;
use crate::view::{self, Viewer};
use crate::{report, terminal};
use gra_files::write_atomic;

/// Write one HTML file about an experiment or a trial: verdict, tables, figures, every sample.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench report ablation                          results/ablation/report.html
  gra-bench report ablation --seed 42 --out ablation.html
  gra-bench report ablation/gra/seed-42

The file needs no network and no server. Trials that are not finished are told as far as they got.")]
pub(crate) struct ReportArgs {
    /// EXPERIMENT, EXPERIMENT/VARIANT/seed-N, or a folder that `synth` made
    pub(super) subject: String,
    /// Only this run seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// File to write [default: report.html in the experiment's results, or TRIAL.report.html].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn report(args: &ReportArgs, global: &GlobalArgs) -> Result<()> {
    let store = global.read_store()?;
    let html = report::render(&store, global.results(), &args.subject, args.seed)?;
    let path = args.out.clone().unwrap_or_else(|| default_path(args, global));
    write_atomic(&path, html.as_bytes())?;
    writeln!(terminal::stdout(), "{}", path.display())?;
    Ok(())
}

fn default_path(args: &ReportArgs, global: &GlobalArgs) -> PathBuf {
    let name = args.subject.trim_end_matches('/');
    let file = match (name.parse::<TrialId>(), args.seed) {
        (Ok(trial), _) => format!("{trial}.report.html"),
        (Err(_), Some(seed)) => format!("{name}/seed-{seed}.report.html"),
        (Err(_), None) => format!("{name}/report.html"),
    };
    global.results().join(file)
}

/// Browse candidates and their trails in a web browser, served from the store.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gra-bench view                                     every trial of the store
  gra-bench view ablation --port 8080
  gra-bench view ablation/gra/seed-42

It reads the store and changes nothing, and listens on this machine alone unless --host names
another address.")]
pub(crate) struct ViewArgs {
    /// EXPERIMENT, EXPERIMENT/VARIANT/seed-N, or a folder that `synth` made [default: all trials of the store].
    pub(super) subject: Option<String>,
    /// Only this run seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Address to listen on. Any other than this machine's own shows the store to every machine that reaches it.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
}

pub(crate) fn view(args: &ViewArgs, global: &GlobalArgs) -> Result<()> {
    let selection =
        TrialSelection { names: args.subject.iter().cloned().collect(), seed: args.seed };
    let viewer = Viewer::load(global.read_store()?, &selection)?;
    Runtime::new()?.block_on(serve(viewer, SocketAddr::new(args.host, args.port)))
}

async fn serve(viewer: Viewer, address: SocketAddr) -> Result<()> {
    let listener = view::listen(address).await?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        terminal::say(
            "everyone who can reach this address can read all prompts, replies and seed items of the \
             store; nothing can be changed",
        );
    }
    // Ctrl-C is heard by a thread, and the server waits for it as for a request.
    let (stop, stopped) = oneshot::channel();
    on_interrupt(move || {
        // A server that ended by itself hears nothing.
        let _ = stop.send(());
    })?;
    let mut out = terminal::stdout();
    let candidates = viewer.candidates();
    writeln!(out, "{candidates} candidates at http://{address}/ until Ctrl-C")?;
    // A script that starts it reads the address at once; nothing else is written while it serves.
    out.flush()?;
    drop(out);
    viewer.serve(listener, async { stopped.await.unwrap_or_default() }).await
}
