//! The streamer's own program, as it runs in its pod but for the API server: it records by the spec on its volume.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ib_gateway_sim::market::{Stream, tick::TickType};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    flood::{Meter, ROUNDS, Spent, TICKS},
    gateway::{Gateway, five, hundred},
    process::{self, Memory, Process},
    raw::Sample,
    recorded::lost,
    sample,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_marketstream-streamer");
const CONTAINERFILE: &str = include_str!("../../../Containerfile");

const TICKS_TOTAL: &str = "marketstream_streamer_ticks_total{";
const LAG_NOTICES: &str = "marketstream_streamer_lag_notices_total";
const STATE: &str = "marketstream_streamer_stream_state{";

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// Rare enough to cost nothing, often enough to see when a round ends.
const LOOK: Duration = Duration::from_millis(50);
/// How long a program rests before its memory at rest is read.
const SETTLE: Duration = Duration::from_secs(5);

/// Ticks of each of a hundred streams in one burst: more than any queue on the way holds, so that all are as large as
/// they get.
const BURST: u32 = 10_000;

pub struct Measured {
    pub flood: Spent,
    /// CPU microseconds a tick of each thread, in the last round.
    pub by_thread: BTreeMap<String, f64>,
    /// Before any flood.
    pub idle: Memory,
    pub after_flood: Memory,
    pub loss: Loss,
    pub sample: Sample,
}

pub fn run() -> anyhow::Result<Measured> {
    let sample = sample::take()?;
    let gateway = Gateway::start()?;
    let streamer = Streamer::start(&gateway, &five())?;
    thread::sleep(SETTLE);
    let idle = streamer.process.memory()?;
    let (mut rounds, mut last_second) = (Vec::new(), 0);
    let mut by_thread = BTreeMap::new();
    let ticks = u64::from(TICKS) * five().len() as u64;
    for _ in 0..ROUNDS {
        let before = streamer.ticks()?;
        let meter = Meter::start(&streamer.process)?;
        last_second = gateway.burst(&five(), TICKS)?;
        streamer.until("the flood is recorded", |streamer| Ok(streamer.ticks()? >= before + ticks))?;
        let (spent, threads) = meter.stop(&streamer.process, ticks)?;
        rounds.push(spent);
        by_thread = threads.into_iter().map(|(name, cpu_s)| (name, cpu_s * 1e6 / ticks as f64)).collect();
    }
    let after_flood = streamer.process.memory()?;
    let loss = streamer.loss(gateway, last_second)?;
    Ok(Measured { flood: Spent::best(&rounds), by_thread, idle, after_flood, loss, sample })
}

/// With as many streams as a manifest may have.
pub struct Hundred {
    /// While all of them flow.
    pub flowing: Memory,
    /// After a burst in each of them.
    pub after_burst: Memory,
    pub loss: Loss,
}

/// What the files lack in the end, and what the program says of it.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// Ticks that are not in the files, or twice.
    pub lost: u64,
    /// How often the client library said that it dropped frames.
    pub lag_notices: f64,
}

pub fn hundred_streams() -> anyhow::Result<Hundred> {
    let (gateway, streams) = (Gateway::start()?, hundred());
    let streamer = Streamer::start(&gateway, &streams)?;
    thread::sleep(SETTLE);
    let flowing = streamer.process.memory()?;
    let before = streamer.ticks()?;
    let last_second = gateway.burst(&streams, BURST)?;
    let ticks = u64::from(BURST) * streams.len() as u64;
    streamer.until("the burst is recorded", |streamer| Ok(streamer.ticks()? >= before + ticks))?;
    thread::sleep(SETTLE);
    let after_burst = streamer.process.memory()?;
    Ok(Hundred { flowing, after_burst, loss: streamer.loss(gateway, last_second)? })
}

struct Streamer {
    process: Process,
    http: SocketAddr,
    data: TempDir,
}

impl Streamer {
    /// Starts it and waits until each stream has ticked.
    fn start(gateway: &Gateway, streams: &[Stream]) -> anyhow::Result<Self> {
        let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let folder = data.path().join(".marketstream");
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("spec.json"), spec(gateway, streams).to_string())?;
        let kubeconfig = data.path().join(".marketstream/kubeconfig");
        std::fs::write(&kubeconfig, KUBECONFIG)?;
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        process::read_from_disk(Path::new(PROGRAM))?;
        let process = Process::start(Path::new(PROGRAM), |command| {
            command
                .args(["--data-dir".as_ref(), data.path().as_os_str()])
                .args(["--listen", &http.to_string(), "--name", "bench", "--pod-name", "bench-0"])
                .args(["--pod-namespace", "bench", "--pod-uid", "bench"])
                .envs(image_environment())
                .env("KUBECONFIG", kubeconfig)
                .env("RUST_LOG", "off");
        })?;
        let streamer = Self { process, http, data };
        streamer.until("every stream has ticked", |streamer| {
            // It may not listen yet.
            let metrics = streamer.metrics().unwrap_or_default();
            Ok(metrics.iter().filter(|(name, value)| name.starts_with(TICKS_TOTAL) && *value > 0.0).count()
                == streams.len())
        })?;
        Ok(streamer)
    }

    fn until(&self, what: &str, condition: impl Fn(&Self) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !condition(self)? {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "{what}: that did not happen; {}", self.states());
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// How many streams are in which state, for a person who wonders.
    fn states(&self) -> String {
        let mut counts = BTreeMap::<String, usize>::new();
        for (name, _) in self.metrics().unwrap_or_default().into_iter().filter(|(_, value)| *value > 0.0) {
            if let Some((_, state)) = name.strip_prefix(STATE).and_then(|labels| labels.split_once("state=")) {
                *counts.entry(state.trim_end_matches('}').to_owned()).or_default() += 1;
            }
        }
        format!("streams by state: {counts:?}")
    }

    /// Ticks so far, of all streams.
    fn ticks(&self) -> anyhow::Result<u64> {
        let metrics = self.metrics()?;
        let ticks = metrics.iter().filter(|(name, _)| name.starts_with(TICKS_TOTAL));
        Ok(ticks.map(|(_, value)| *value).sum::<f64>() as u64)
    }

    fn metrics(&self) -> anyhow::Result<Vec<(String, f64)>> {
        let mut socket = TcpStream::connect(self.http)?;
        socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        let lines = answer.lines().filter_map(|line| line.rsplit_once(' '));
        Ok(lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// Ends it in order, with all ticks on the disk, and looks what is missing up to a second.
    fn loss(self, gateway: Gateway, last_second: i64) -> anyhow::Result<Loss> {
        // Usual ticks count too: as many of the last burst may still be under way.
        thread::sleep(SETTLE);
        let lag = self.metrics()?.into_iter().find(|(name, _)| name == LAG_NOTICES);
        self.process.end()?;
        let state = gateway.stop();
        let lost = lost(self.data.path(), state.path(), last_second)?;
        Ok(Loss { lost, lag_notices: lag.map_or(f64::NAN, |(_, count)| count) })
    }
}

/// What the program's image sets.
fn image_environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    let stage = CONTAINERFILE.split("\nFROM ").find(|stage| stage.contains(" AS streamer\n")).unwrap_or_default();
    stage.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='))
}

/// An API server that is not there: recording starts from the spec on the volume. Its authority is known, as it is in a
/// pod: otherwise all that the system trusts would be read.
const KUBECONFIG: &str = concat!(
    "{apiVersion: v1, kind: Config, current-context: none, contexts: [{name: none, context: {cluster: none, user: none}}], \
     users: [{name: none, user: {}}], clusters: [{name: none, cluster: {server: 'https://127.0.0.1:9', \
     certificate-authority: '",
    env!("CARGO_MANIFEST_DIR"),
    "/benches/throughput/authority.crt'}}]}"
);

fn spec(gateway: &Gateway, streams: &[Stream]) -> serde_json::Value {
    let mut contracts = BTreeMap::<i32, Vec<&str>>::new();
    for Stream { con_id, tick } in streams {
        contracts.entry(*con_id).or_default().push(match tick {
            TickType::Last => "Last",
            TickType::AllLast => "AllLast",
            TickType::BidAsk => "BidAsk",
            TickType::MidPoint => "MidPoint",
        });
    }
    let contracts: Vec<_> = contracts
        .into_iter()
        .map(|(con_id, ticks)| json!({"name": format!("c{con_id}"), "conId": con_id, "ticks": ticks}))
        .collect();
    json!({
        "contracts": contracts,
        "gateway": {"external": {"host": "127.0.0.1", "ports": [gateway.address().port()]}},
        "limits": {"tickByTick": 100, "sameInstrumentSpacing": "0s"},
        "backfill": {"enabled": false},
    })
}
