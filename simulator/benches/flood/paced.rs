//! Ticks at a steady pace: whether the rate is kept, and how late each tick is.

use std::time::Instant;

use anyhow::{Context, ensure};
use ib_gateway_sim::clock::ClockSetting;
use ib_gateway_sim::journal::sent;
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::market::{Market, MarketConfig, Stream};
use ib_gateway_sim::wire::pb;
use prost::Message;

use crate::client::{Client, TICK};
use crate::flood::streams;
use crate::gateway::Gateway;

/// Wanted ticks a second.
const RATE: f64 = 50_000.0;

/// Where the gateway's clock starts: a whole second, so that each run has the same ticks.
const START_S: i64 = 1_793_293_200;

/// Seconds that are measured, after the connection is made.
const MEASURED: std::ops::Range<i64> = START_S + 4..START_S + 14;

/// How far from [`RATE`] the market's own rate may be, as a share: it is found by trying.
const NEAR: f64 = 0.000_1;

/// What was measured.
pub(crate) struct Paced {
    pub(crate) ticks_per_s: f64,
    /// How far that is from the wanted rate, percent.
    pub(crate) error_pct: f64,
    /// How long after it was due the socket had taken a tick.
    pub(crate) late_us: Late,
}

/// Microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Late {
    pub(crate) p50: i64,
    pub(crate) p99: i64,
    pub(crate) max: i64,
}

pub(crate) fn run() -> anyhow::Result<Paced> {
    let market = market()?;
    let config = market.clone();
    let gateway = Gateway::start(move |simulator| {
        simulator.market = config;
        simulator.clock = ClockSetting { at_us: Some(START_S * 1_000_000), speed: 1.0 };
    })?;
    let mut client = Client::subscribe(gateway.addr, &quotes())?;
    let mut ticks: u64 = 0;
    let (mut first, mut last) = (None, None);
    while last.is_none() {
        let mut seconds = Vec::new();
        client.read(|body| seconds.extend(second(body)))?;
        let now = Instant::now();
        for second in seconds {
            ensure!(first.is_some() || second <= MEASURED.start, "the connection took too long: run it again");
            if second >= MEASURED.end {
                last.get_or_insert(now);
            } else if second >= MEASURED.start {
                first.get_or_insert(now);
                ticks += 1;
            }
        }
    }
    let directory = gateway.stop()?;
    let late_us = lateness(&Market::new(market), directory.path())?;
    let elapsed = first.zip(last).map(|(first, last)| last.duration_since(first).as_secs_f64());
    let ticks_per_s = ticks as f64 / elapsed.context("no ticks came")?;
    Ok(Paced { ticks_per_s, error_pct: (ticks_per_s / RATE - 1.0).abs() * 100.0, late_us })
}

fn quotes() -> Vec<Stream> {
    streams().into_iter().map(|stream| Stream { tick: TickType::BidAsk, ..stream }).collect()
}

/// A market that makes the wanted rate in the seconds that are measured.
fn market() -> anyhow::Result<MarketConfig> {
    let mut config = MarketConfig { always_open: true, rate: 1_000.0, ..MarketConfig::default() };
    for _ in 0..20 {
        let market = Market::new(config.clone());
        let made: usize = quotes()
            .into_iter()
            .flat_map(|stream| MEASURED.map(move |second| (stream, second)))
            .map(|(stream, second)| market.ticks_of_second(stream, second).len())
            .sum();
        let off = made as f64 / (RATE * MEASURED.count() as f64);
        if (off - 1.0).abs() < NEAR {
            return Ok(config);
        }
        config.rate /= off;
    }
    anyhow::bail!("no rate of the market makes {RATE} ticks a second")
}

/// The time on the wire of a tick, seconds since the epoch.
fn second(body: &[u8]) -> Option<i64> {
    match pb::TickByTickData::decode(body.strip_prefix(&TICK)?).ok()?.tick? {
        pb::tick_by_tick_data::Tick::Quote(quote) => quote.time,
        _ => None,
    }
}

/// What the journal says of the ticks that were measured.
fn lateness(market: &Market, state_dir: &std::path::Path) -> anyhow::Result<Late> {
    let mut sent = sent::read(&state_dir.join("journal"), (MEASURED.start, MEASURED.end))?;
    let mut late = Vec::new();
    for (stream, second) in quotes().into_iter().flat_map(|stream| MEASURED.map(move |second| (stream, second))) {
        for tick in market.ticks_of_second(stream, second) {
            let to = sent.remove(&(stream, second, tick.index)).unwrap_or_default();
            let [once] = to[..] else { anyhow::bail!("a tick of {stream:?} was sent {} times", to.len()) };
            late.push(once.at_us - tick.at_us());
        }
    }
    late.sort_unstable();
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
    Ok(Late { p50: at(0.5), p99: at(0.99), max: at(1.0) })
}
