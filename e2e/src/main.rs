//! `marketstream-e2e`: the demo, and what the scenarios run in pods: the killer, and a volume to be filled.

use anyhow::Result;
use clap::{Parser, Subcommand};
use marketstream_e2e::{ballast, demo, kill};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Scenarios of MarketStream on a real Kubernetes.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the demo on the cluster of KUBECONFIG (and CONTEXT), with the chart installed.
    Demo,
    /// Kills a container's processes with SIGKILL; runs as root in the node's process namespace.
    Kill {
        /// The container's identifier, without the runtime's name.
        #[arg(long)]
        container_id: String,
    },
    /// Says where the node sees a volume of this pod, and holds it until told to end; runs as root in the node's process
    /// namespace.
    Hold(Volume),
    /// Fills a volume to the last byte.
    Fill(Volume),
    /// Makes room on it again.
    Drop(Volume),
}

#[derive(clap::Args)]
struct Volume {
    /// Where the volume is mounted.
    #[arg(long)]
    dir: PathBuf,
}

async fn hold(volume: &Volume) -> Result<()> {
    let mut end = signal(SignalKind::terminate())?;
    println!("{}", ballast::on_the_node(&volume.dir)?);
    end.recv().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Demo => demo::run().await,
        Command::Kill { container_id } => kill::container(&container_id),
        Command::Hold(volume) => hold(&volume).await,
        Command::Fill(volume) => ballast::fill(&volume.dir),
        Command::Drop(volume) => ballast::drop(&volume.dir),
    }
}
