//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use marketstream_crds::{Duration, TickType, names};
use marketstream_proto::TickKind;

use crate::{commands::Output, ticks::api_name};

/// Records Interactive Brokers market data for one MarketStream.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `run` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Record, and report to the MarketStream (the default).
    Run(RunArgs),
    /// Say how far a gateway lets a client, port by port. Takes no client ID.
    TestConnection(TestArgs),
    /// Say how a running streamer is: its session, its streams, what recovery does.
    Status(StatusArgs),
    /// List recorded files, the newest first.
    Files(FilesArgs),
    /// Fetch a range of IBKR's history into the recording, by a running streamer and within its budget.
    Backfill(BackfillArgs),
    /// Print stored ticks, one JSON object a line; also while they are being recorded.
    Ticks(TicksArgs),
    /// Write recorded hours to Parquet files, and archive them if the manifest says so. The streamer does it by itself.
    Seal(SealArgs),
}

/// Settings of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Run without Kubernetes, by this manifest (YAML): a MarketStream as for kubectl, or its spec alone. Changes of the
    /// file are applied at once.
    #[arg(long, env = "MARKETSTREAM_MANIFEST", value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Overrides of the ladder's constants (YAML), for tests. Only without Kubernetes.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Name of the MarketStream.
    #[arg(long, env = "MARKETSTREAM_NAME")]
    pub name: Option<String>,
    /// Name of this pod.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,
    /// Namespace of this pod and of the MarketStream.
    #[arg(long, env = "POD_NAMESPACE")]
    pub pod_namespace: Option<String>,
    /// UID of this pod.
    #[arg(long, env = "POD_UID")]
    pub pod_uid: Option<String>,
    /// Where ticks are stored.
    #[arg(long, env = "MARKETSTREAM_DATA_DIR", default_value = "/data")]
    pub data_dir: PathBuf,
    /// Address of the HTTP server.
    #[arg(long, env = "MARKETSTREAM_LISTEN", default_value_t = SocketAddr::from(([0, 0, 0, 0], names::STREAMER_PORT)))]
    pub listen: SocketAddr,
    /// Form of the log. RUST_LOG sets its level.
    #[arg(long, env = "MARKETSTREAM_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// As the command line has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Settings of `test-connection`.
#[derive(Clone, Debug, Args)]
pub struct TestArgs {
    /// Host name or address.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Ports to try.
    #[arg(long, value_delimiter = ',', default_values_t = [7497, 7496, 4002, 4001])]
    pub ports: Vec<u16>,
    /// Longest wait for each step, seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub timeout: u64,
}

/// Where a running streamer is to be found.
#[derive(Clone, Debug, Args)]
pub struct AtArgs {
    /// Address of its HTTP server.
    #[arg(long, env = "MARKETSTREAM_LISTEN", default_value_t = SocketAddr::from(([127, 0, 0, 1], names::STREAMER_PORT)))]
    pub address: SocketAddr,
}

/// Settings of `status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Which streamer.
    #[command(flatten)]
    pub at: AtArgs,
    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}

/// Settings of `files`.
#[derive(Clone, Debug, Args)]
pub struct FilesArgs {
    /// Where ticks are stored.
    #[arg(long, env = "MARKETSTREAM_DATA_DIR", default_value = "/data")]
    pub data_dir: PathBuf,
    /// Only those written within this time, such as 5m.
    #[arg(long, value_name = "AGE")]
    pub newer: Option<Duration>,
    /// Read them, and say how many blocks of 64 KiB are not as they were written. Fails if any is.
    #[arg(long)]
    pub verify: bool,
    /// Form of the output.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}

/// Settings of `backfill`.
#[derive(Clone, Debug, Args)]
pub struct BackfillArgs {
    /// Name of a contract in the manifest.
    pub contract: String,
    /// From this moment on: 2026-11-24T12:00:00Z, or seconds since 1970.
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// Before this moment, in the same form.
    #[arg(long, value_name = "TIME")]
    pub to: String,
    /// Only this type: Last, AllLast, BidAsk or MidPoint. Default: all that the manifest records of the contract.
    #[arg(long, value_parser = tick_type)]
    pub tick: Option<TickType>,
    /// Return when it is there, or cannot be had.
    #[arg(long)]
    pub wait: bool,
    /// Which streamer.
    #[command(flatten)]
    pub at: AtArgs,
}

/// Settings of `ticks`.
#[derive(Clone, Debug, Args)]
pub struct TicksArgs {
    /// Where ticks are stored.
    #[arg(long, env = "MARKETSTREAM_DATA_DIR", default_value = "/data")]
    pub data_dir: PathBuf,
    /// Only of this contract (IBKR's identifier).
    #[arg(long)]
    pub con_id: Option<i32>,
    /// Only of this type: Last, AllLast, BidAsk, MidPoint, QuoteL1 or RtVolume.
    #[arg(long, value_parser = tick_kind)]
    pub tick: Option<TickKind>,
    /// From this IBKR second on (seconds since 1970).
    #[arg(long, value_name = "SEC")]
    pub from: Option<i64>,
    /// Before this IBKR second (seconds since 1970).
    #[arg(long, value_name = "SEC")]
    pub to: Option<i64>,
}

/// Settings of `seal`.
#[derive(Clone, Debug, Args)]
pub struct SealArgs {
    /// Where ticks are stored.
    #[arg(long, env = "MARKETSTREAM_DATA_DIR", default_value = "/data")]
    pub data_dir: PathBuf,
    /// Pass over what was recorded long ago: only a fill that a person asked for may have changed it.
    #[arg(long)]
    pub recent: bool,
    /// Form of the log. RUST_LOG sets its level.
    #[arg(long, env = "MARKETSTREAM_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// The stored kind of a tick type of the manifest.
#[must_use]
pub const fn stored_kind(tick: TickType) -> TickKind {
    match tick {
        TickType::Last => TickKind::Last,
        TickType::AllLast => TickKind::AllLast,
        TickType::BidAsk => TickKind::BidAsk,
        TickType::MidPoint => TickKind::MidPoint,
    }
}

fn tick_type(text: &str) -> Result<TickType, String> {
    [TickType::Last, TickType::AllLast, TickType::BidAsk, TickType::MidPoint]
        .into_iter()
        .find(|tick| tick.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| "use Last, AllLast, BidAsk or MidPoint".to_owned())
}

/// Reads a kind of tick in IBKR's spelling or in that of the files.
///
/// # Errors
/// Says what to write.
pub fn tick_kind(text: &str) -> Result<TickKind, String> {
    TickKind::ALL
        .into_iter()
        .find(|kind| api_name(*kind).eq_ignore_ascii_case(text) || kind.as_str() == text)
        .ok_or_else(|| "use Last, AllLast, BidAsk, MidPoint, QuoteL1 or RtVolume".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn run_is_the_default() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["streamer", "--name", "demo"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.run.name.as_deref(), Some("demo"));
        let cli = Cli::try_parse_from(["streamer", "run", "--name", "demo", "--log-format", "json"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Run(args)) if args.log_format == LogFormat::Json));
    }

    #[test]
    fn a_form_of_the_log_is_spelled_as_it_is_read() {
        for format in LogFormat::value_variants() {
            assert_eq!(LogFormat::from_str(format.as_str(), false).as_ref(), Ok(format));
        }
    }

    #[test]
    fn ticks_takes_both_spellings_of_a_type() {
        for text in ["BidAsk", "bidask", "bid_ask"] {
            let cli = Cli::try_parse_from(["streamer", "ticks", "--tick", text]).unwrap();
            assert!(matches!(cli.command, Some(Command::Ticks(args)) if args.tick == Some(TickKind::BidAsk)));
        }
        assert!(Cli::try_parse_from(["streamer", "ticks", "--tick", "quotes"]).is_err());
    }
}
