//! `view`: candidates and their trails in a browser, served from the store.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use clap::Args;

use crate::cli::Places;
use crate::failure::note;
use crate::interrupt;
use crate::report::Scope;
use crate::store::Store;
use crate::terminal::{self, Printed};
use crate::view::{self, Viewer};

/// `view`
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// EXPERIMENT, or EXPERIMENT/VARIANT/seed-N [default: all trials of the store].
    subject: Option<String>,
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

pub(crate) async fn start(args: ViewArgs, places: &Places) -> Result<()> {
    let scope = Scope { name: args.subject, seed: args.seed };
    let viewer = tokio::task::block_in_place(|| {
        Viewer::load(Store::open_read_only(&places.store())?, &scope)
    })?;
    let listener = view::listen(SocketAddr::new(args.host, args.port)).await?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        note(
            "everyone who can reach this address can read all prompts, replies and seed items of the \
             store; nothing can be changed",
        );
    }
    let stop = interrupt::wait();
    let mut out = terminal::stdout(Printed::Text);
    let candidates = viewer.candidates();
    writeln!(out, "{candidates} candidates at http://{address}/ until Ctrl-C")?;
    out.flush()?;
    drop(out);
    viewer.serve(listener, stop).await
}
