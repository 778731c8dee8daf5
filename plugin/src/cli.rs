//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};

/// What a MarketStream does, why, and what comes next.
#[derive(Debug, Parser)]
#[command(name = "kubectl marketstream", bin_name = "kubectl marketstream", version)]
pub(crate) struct Cli {
    /// Its namespace; that of the kubeconfig's context when absent.
    #[arg(short, long, global = true)]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig; its current one when absent.
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Streams, open incidents, and what happens next and when.
    Status(Status),
    /// Why something, or nothing, is being done.
    Explain(View),
    /// Incidents with their rungs and actions, and gaps in the recording, the oldest first.
    Timeline(View),
    /// Asks for a new pod, or for one stream to be subscribed again.
    Restart(Restart),
    /// Opens the login gate: the gateway may try to log in again.
    Login(View),
    /// Log of the streamer, or of the gateway.
    Logs(Logs),
    /// The streamer's own health report, through a port-forward.
    Health(View),
    /// Gaps in the recording, and what became of them.
    Gaps(View),
    /// How far the gateway lets a client, port by port, from the pod.
    TestConnection(View),
    /// Fetches a range of a contract from IBKR's history.
    Backfill(Backfill),
}

#[derive(Debug, Args)]
pub(crate) struct Name {
    /// Name of the MarketStream.
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct View {
    #[command(flatten)]
    pub(crate) name: Name,
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value = "text")]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For a terminal.
    Text,
    /// One JSON document.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) view: View,
    /// End with code 3 unless it is healthy, or its market closed.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    pub(crate) view: View,
    /// One stream, such as mnq/BidAsk; the pod when absent.
    pub(crate) stream: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Backfill {
    #[command(flatten)]
    pub(crate) view: View,
    /// Name of the contract in the manifest.
    pub(crate) contract: String,
    /// Tick types, such as Last,BidAsk; all of the contract in the manifest when absent.
    #[arg(long, value_delimiter = ',')]
    pub(crate) tick: Vec<String>,
    /// Start: a time such as 2026-11-24T12:00:00Z, or seconds since 1970.
    #[arg(long)]
    pub(crate) from: String,
    /// End, exclusive.
    #[arg(long)]
    pub(crate) to: String,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) name: Name,
    /// The gateway's log instead of the streamer's.
    #[arg(long)]
    pub(crate) gateway: bool,
    /// Go on until interrupted.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Lines from the end; all when absent.
    #[arg(long)]
    pub(crate) tail: Option<i64>,
    /// Of the container before its last restart.
    #[arg(long)]
    pub(crate) previous: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
