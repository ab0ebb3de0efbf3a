//! `view`: candidates and their trails in a browser, served from the store.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use clap::Args;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::session::{GlobalArgs, on_interrupt};
use crate::terminal;
use crate::trial::stored::TrialSelection;
use crate::view::{self, Viewer};

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

pub(crate) fn run(args: &ViewArgs, global: &GlobalArgs) -> Result<()> {
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
    let (stop, stopped) = oneshot::channel();
    on_interrupt(move || {
        // A server that ended by itself hears nothing.
        let _ = stop.send(());
    })?;
    let mut out = terminal::stdout();
    let candidates = viewer.candidates();
    writeln!(out, "{candidates} candidates at http://{address}/ until Ctrl-C")?;
    out.flush()?;
    drop(out);
    viewer.serve(listener, async { stopped.await.unwrap_or_default() }).await
}
