//! `marketstream-e2e`: the demo, and the killer that the scenarios run in a pod.

use anyhow::Result;
use clap::{Parser, Subcommand};
use marketstream_e2e::{demo, kill};

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
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Demo => demo::run().await,
        Command::Kill { container_id } => kill::container(&container_id),
    }
}
