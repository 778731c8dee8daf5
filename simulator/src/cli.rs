//! The command line and the environment of the program.

mod life;
mod limits;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ib_gateway_sim::Config;
use ib_gateway_sim::clock::{ClockSetting, MAX_SPEED};
use ib_gateway_sim::history::{HistoryConfig, Mode};
use ib_gateway_sim::lifecycle::Mode as AccountKind;
use ib_gateway_sim::market::MarketConfig;
use ib_gateway_sim::market::catalog::BTC_USD_CON_ID;
use ib_gateway_sim::market::hours::zone;
use ib_gateway_sim::market::recording::Recording;
use ib_gateway_sim::scenario::Scenario;

/// Where an image keeps the recording of BTC.USD.
const DEFAULT_RECORDING: &str = "/usr/local/share/ib-gateway-sim/btcusd.ticks";

/// Ending of a recording in a directory of recordings.
const RECORDING_EXTENSION: &str = "ticks";

/// An IB Gateway for tests: the real wire protocol, faults on demand, and a journal of every tick.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway (what happens without a subcommand).
    Serve(Box<Serve>),
    /// Read a scenario, say whether it is sound, and end.
    CheckScenario {
        /// The scenario.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Compare a recording of a simulator's ticks with its journal. Exit code 1 when they are not equal.
    Compare(Compare),
    /// Make a recording of real BTC/USD ticks from the sample of the Python package ob-analytics 0.1.0.
    PrepareBtcusd(Prepare),
}

#[derive(Debug, Args)]
pub(crate) struct Prepare {
    /// The sample's orders.csv.gz (or unpacked).
    #[arg(long)]
    pub(crate) orders: PathBuf,
    /// The sample's trades.csv.
    #[arg(long)]
    pub(crate) trades: PathBuf,
    /// The recording to write.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// State directory of the simulator, which may be running.
    #[arg(long, value_name = "STATE_DIR", required_unless_present = "admin", conflicts_with = "admin")]
    pub(crate) journal: Option<PathBuf>,
    /// Admin port of a running simulator, for example http://localhost:4080.
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,
    /// The recording: a file with one JSON object a tick, or the data directory of a MarketStream streamer.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) recording: PathBuf,
    /// First second that counts: since the epoch, or as 2026-11-24T14:30:00Z [default: the recording's second one].
    #[arg(long, value_parser = second)]
    pub(crate) from: Option<i64>,
    /// First second that counts no more [default: the recording's last one].
    #[arg(long, value_parser = second)]
    pub(crate) to: Option<i64>,
    /// Let ticks be missing that were never sent to anybody.
    #[arg(long)]
    pub(crate) only_sent: bool,
    /// Let ticks be in any order.
    #[arg(long)]
    pub(crate) any_order: bool,
    /// How to print the outcome.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

/// A second since the epoch.
fn second(text: &str) -> Result<i64, String> {
    let time = || text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
    let second = text.parse().ok().or_else(time).filter(|second| *second >= 0);
    second.ok_or_else(|| "write seconds since 1970, or a time as 2026-11-24T14:30:00Z".to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TradingMode {
    Paper,
    Live,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on, for API clients and admin.
    #[arg(long, env = "IB_SIM_LISTEN", default_value = "0.0.0.0")]
    listen: IpAddr,
    /// Port for API clients [default: 4002 for paper, 4001 for live].
    #[arg(long, env = "IB_SIM_PORT")]
    port: Option<u16>,
    /// Port of the admin HTTP server.
    #[arg(long, env = "IB_SIM_ADMIN_PORT", default_value_t = 4080)]
    admin_port: u16,
    /// Kind of account.
    #[arg(long, env = "TRADING_MODE", value_enum, default_value = "paper", ignore_case = true)]
    trading_mode: TradingMode,
    /// Directory of journal, request log and faults [default: $TWS_SETTINGS_PATH/sim, else ./sim-state].
    #[arg(long, env = "IB_SIM_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Settings directory of the gateway.
    #[arg(long, env = "TWS_SETTINGS_PATH", hide = true)]
    settings_path: Option<PathBuf>,
    /// Time zone of the gateway.
    #[arg(long, env = "TIME_ZONE", default_value = "Etc/UTC")]
    time_zone: String,
    /// Log in without TWS_USERID and TWS_PASSWORD (or TWS_PASSWORD_FILE).
    #[arg(long)]
    no_login: bool,
    /// Seconds from the start until the API port opens.
    #[arg(long, env = "IB_SIM_LOGIN_DELAY", default_value_t = 0.5, value_parser = seconds)]
    login_delay: f64,
    /// Trade every contract around the clock.
    #[arg(long, env = "IB_SIM_ALWAYS_OPEN", num_args = 0..=1, default_missing_value = "true", default_value_t = false)]
    always_open: bool,
    /// Seed of the generated ticks.
    #[arg(long, env = "IB_SIM_SEED", default_value_t = 1)]
    seed: u64,
    /// Factor on the rates of the generated ticks.
    #[arg(long, env = "IB_SIM_RATE", default_value_t = 1.0, value_parser = rate)]
    rate: f64,
    /// The time to begin at, such as 2026-11-24T14:30:00Z; now when absent.
    #[arg(long, env = "IB_SIM_CLOCK", value_name = "TIME", value_parser = moment)]
    clock: Option<Moment>,
    /// Simulated seconds in a real one; 0 stands still.
    #[arg(long, env = "IB_SIM_SPEED", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Historical ticks: exactly what was live, or late and altered as the original's are.
    #[arg(long, env = "IB_SIM_HISTORY", value_enum, default_value = "ideal")]
    history: Mode,
    /// Seconds that have ended and are not in an ideal history yet.
    #[arg(long, env = "IB_SIM_HISTORY_LAG", default_value_t = 0)]
    history_lag: u32,
    #[command(flatten)]
    limits: limits::Limits,
    #[command(flatten)]
    life: life::Life,
    /// A time-line of faults to play, once for each state directory: see docs/simulator.md.
    #[arg(long, env = "IB_SIM_SCENARIO", value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Play the scenario from its begin, also when an earlier process has played it.
    #[arg(long, requires = "scenario")]
    scenario_from_start: bool,
    /// Replay a recording, looped: [CONID=]FILE (BTC.USD without CONID), or a directory of CONID.ticks and btcusd.ticks.
    /// Default: /usr/local/share/ib-gateway-sim/btcusd.ticks when it exists.
    #[arg(long, env = "IB_SIM_REPLAY", value_name = "RECORDING", value_delimiter = ',')]
    replay: Vec<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=86_400.0).contains(&seconds) { Ok(seconds) } else { Err("must be 0 to 86400".to_owned()) }
}

/// A moment of the command line; `None` when its variable is empty.
type Moment = Option<jiff::Timestamp>;

fn moment(text: &str) -> Result<Moment, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "not a time: write for example 2026-11-24T14:30:00Z".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=MAX_SPEED).contains(&speed) { Ok(speed) } else { Err(format!("must be 0 to {MAX_SPEED}")) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if rate > 0.0 && rate <= 1e6 { Ok(rate) } else { Err("must be more than 0 and at most 1000000".to_owned()) }
}

impl Serve {
    /// Settings of the simulator. Reads the recordings.
    pub(crate) fn config(self) -> anyhow::Result<Config> {
        let (port, account) = match self.trading_mode {
            TradingMode::Paper => (4002, "DU1234567"),
            TradingMode::Live => (4001, "U1234567"),
        };
        let settings = self.settings_path.filter(|path| !path.as_os_str().is_empty());
        let mode = match self.trading_mode {
            TradingMode::Paper => AccountKind::Paper,
            TradingMode::Live => AccountKind::Live,
        };
        let life = self.life.config(mode, settings.clone());
        let state_dir = self.state_dir.or_else(|| settings.map(|path| path.join("sim")));
        let time_zone = zone(&self.time_zone).with_context(|| format!("--time-zone {}: unknown", self.time_zone))?;
        let mut market =
            MarketConfig { seed: self.seed, rate: self.rate, always_open: self.always_open, ..Default::default() };
        let begin = self.clock.flatten();
        if let Some(begin) = begin {
            market.today = begin.to_zoned(time_zone.clone()).date();
        }
        let state_dir = state_dir.unwrap_or_else(|| "sim-state".into());
        // An empty variable is one that is not set.
        let scenario = self.scenario.filter(|path| !path.as_os_str().is_empty());
        let scenario = scenario.map(|path| Scenario::load(&path)).transpose().context("--scenario")?;
        if self.scenario_from_start {
            Scenario::forget(&state_dir).with_context(|| format!("state directory {}", state_dir.display()))?;
        }
        let default = Path::new(DEFAULT_RECORDING);
        let mut replay = self.replay;
        replay.retain(|entry| !entry.is_empty());
        if replay.is_empty() && default.is_file() {
            replay.push(DEFAULT_RECORDING.to_owned());
        }
        for (con_id, path) in recordings(&replay)? {
            let recording = Recording::load(&path).context("--replay")?;
            tracing::info!(con_id, path = %path.display(), length_s = recording.length_s, "replaying");
            market.recordings.insert(con_id, recording.into());
        }
        Ok(Config {
            api: SocketAddr::new(self.listen, self.port.unwrap_or(port)),
            admin: SocketAddr::new(self.listen, self.admin_port),
            state_dir,
            clock: ClockSetting { at_us: begin.map(jiff::Timestamp::as_microsecond), speed: self.speed },
            history: HistoryConfig { mode: self.history, lag_s: self.history_lag, ..HistoryConfig::default() },
            market,
            limits: self.limits.config(),
            life,
            scenario: scenario.map(Arc::new),
            login: self.no_login || has_credentials(),
            login_delay: Duration::from_secs_f64(self.login_delay),
            account: account.to_owned(),
            time_zone,
        })
    }
}

/// Whether user and password are given as the common gateway image takes them.
fn has_credentials() -> bool {
    std::env::var("TWS_USERID").is_ok_and(|user| !user.is_empty()) && password().is_some()
}

/// The password, from its variable or its file.
fn password() -> Option<String> {
    let given = std::env::var("TWS_PASSWORD").ok().filter(|password| !password.is_empty());
    given.or_else(|| {
        let text = std::fs::read_to_string(std::env::var_os("TWS_PASSWORD_FILE")?).ok()?;
        Some(text.trim().to_owned()).filter(|password| !password.is_empty())
    })
}

/// Which file replaces the ticks of which contract.
fn recordings(entries: &[String]) -> anyhow::Result<Vec<(i32, PathBuf)>> {
    let mut found = Vec::new();
    for entry in entries {
        let (con_id, path) = match entry.split_once('=') {
            Some((con_id, path)) => {
                let con_id = con_id.parse().with_context(|| format!("--replay {entry}: {con_id} is no contract id"))?;
                (con_id, PathBuf::from(path))
            }
            None => (BTC_USD_CON_ID, PathBuf::from(entry)),
        };
        if path.is_dir() {
            found.extend(in_directory(&path).with_context(|| format!("--replay {}", path.display()))?);
        } else {
            found.push((con_id, path));
        }
    }
    Ok(found)
}

fn in_directory(dir: &Path) -> anyhow::Result<Vec<(i32, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != RECORDING_EXTENSION) {
            continue;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let con_id = match stem.parse() {
            Ok(con_id) => con_id,
            Err(_) if stem == "btcusd" => BTC_USD_CON_ID,
            Err(_) => bail!("{} is named neither CONID.ticks nor btcusd.ticks", path.display()),
        };
        found.push((con_id, path));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(arguments: &[&str]) -> Serve {
        let cli = Cli::try_parse_from([&["ib-gateway-sim"], arguments].concat()).unwrap();
        cli.serve
    }

    #[test]
    fn the_port_follows_the_trading_mode() {
        let port = |arguments: &[&str]| serve(arguments).config().unwrap().api.port();
        assert_eq!(port(&[]), 4002);
        assert_eq!(port(&["--trading-mode", "LIVE"]), 4001);
        assert_eq!(port(&["--trading-mode", "live", "--port", "7"]), 7);
    }

    #[test]
    fn the_state_lives_in_the_settings() {
        let dir = |arguments: &[&str]| serve(arguments).config().unwrap().state_dir;
        assert_eq!(dir(&["--settings-path", "/jts"]), PathBuf::from("/jts/sim"));
        assert_eq!(dir(&["--settings-path", "/jts", "--state-dir", "/x"]), PathBuf::from("/x"));
    }

    #[test]
    fn bad_settings_are_refused() {
        for arguments in [
            &["--rate", "0"][..],
            &["--rate", "NaN"],
            &["--speed", "-1"],
            &["--clock", "noon"],
            &["--login-delay", "-1"],
            &["--trading-mode", "both"],
            &["--listen", "nowhere"],
        ] {
            assert!(Cli::try_parse_from([&["ib-gateway-sim"], arguments].concat()).is_err(), "{arguments:?}");
        }
        let error = serve(&["--replay", "x=/nowhere"]).config().unwrap_err();
        assert!(format!("{error:#}").starts_with("--replay x=/nowhere: x is no contract id"), "{error:#}");
        let error = serve(&["--replay", "/nowhere"]).config().unwrap_err();
        assert!(format!("{error:#}").starts_with("--replay: /nowhere: "), "{error:#}");
        assert!(serve(&["--time-zone", "Mars"]).config().is_err());
    }

    #[test]
    fn recordings_are_named_by_contract() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("900001.ticks"), "").unwrap();
        std::fs::write(dir.path().join("btcusd.ticks"), "").unwrap();
        std::fs::write(dir.path().join("notes.txt"), "").unwrap();
        let mut found = recordings(&[dir.path().to_string_lossy().into_owned()]).unwrap();
        found.sort();
        assert_eq!(found.iter().map(|(con_id, _)| *con_id).collect::<Vec<_>>(), [900_001, BTC_USD_CON_ID]);
        std::fs::write(dir.path().join("other.ticks"), "").unwrap();
        assert!(in_directory(dir.path()).is_err());
    }
}
