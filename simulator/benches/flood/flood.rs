//! A flood: bursts of several streams at once, as fast as one client takes them.

use std::time::Instant;

use ib_gateway_sim::market::Stream;
use ib_gateway_sim::market::catalog::FIRST_TEST_CON_ID;
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::wire::frame;

use crate::client::{Client, TICK};
use crate::cpu::{self, Spent};
use crate::gateway::Gateway;

/// As many streams as a login has by default, of all types.
const KINDS: [TickType; 5] =
    [TickType::BidAsk, TickType::Last, TickType::BidAsk, TickType::AllLast, TickType::MidPoint];

/// Ticks of one stream in one round.
const TICKS: u32 = 400_000;

const ROUNDS: usize = 5;

/// Usual ticks come one or a few at a time: so many at once are the flood.
const FEW: u64 = 50;

/// Bytes of the flood that are kept, for the raw loop to write them again.
const SAMPLE: usize = 32 * 1024 * 1024;

/// A flood that was measured.
pub(crate) struct Flood {
    /// Ticks of one round.
    pub(crate) ticks: u64,
    /// Bytes of one round.
    pub(crate) bytes: u64,
    /// What the best round took.
    pub(crate) spent: Spent,
    /// Some of the bytes.
    pub(crate) sample: Vec<u8>,
}

pub(crate) fn streams() -> Vec<Stream> {
    (FIRST_TEST_CON_ID..).zip(KINDS).map(|(con_id, tick)| Stream { con_id, tick }).collect()
}

pub(crate) fn run() -> anyhow::Result<Flood> {
    let gateway = Gateway::start(|_| {})?;
    let mut client = Client::subscribe(gateway.addr, &streams())?;
    let mut sample = Vec::new();
    let mut rounds = Vec::new();
    let expected = u64::from(TICKS) * KINDS.len() as u64;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        // A burst needs ticks to be made of, and they say that all subscriptions stand.
        let mut seen = [false; KINDS.len()];
        while seen.contains(&false) {
            client.read(|body| {
                if let Some(at) = subscription(body) {
                    seen[at] = true;
                }
            })?;
        }
        let cpu_before = gateway.cpu_s()?;
        gateway.burst(&streams(), TICKS)?;
        let mut round = Round::default();
        while round.ticks < expected {
            round.read(&mut client, &mut sample)?;
        }
        rounds.push(Spent { wall_s: round.wall_s(), cpu_s: gateway.cpu_s()? - cpu_before });
        bytes = round.bytes;
    }
    gateway.stop()?;
    Ok(Flood { ticks: expected, bytes, spent: cpu::best(&rounds), sample })
}

/// Which subscription a tick belongs to, from 0. Its request id, from 1, is a varint of one byte behind a key.
fn subscription(body: &[u8]) -> Option<usize> {
    let req_id = *body.strip_prefix(&TICK)?.get(1)?;
    usize::from(req_id).checked_sub(1).filter(|at| *at < KINDS.len())
}

/// What has come of a flood.
#[derive(Default)]
struct Round {
    /// When its first bytes had come, and how many ticks they were.
    begun: Option<(Instant, u64)>,
    ticks: u64,
    bytes: u64,
}

impl Round {
    fn read(&mut self, client: &mut Client, sample: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut ticks = 0;
        let came = client.read(|body| {
            ticks += u64::from(body.starts_with(&TICK));
            if sample.len() < SAMPLE {
                frame::write(sample, body);
            }
        })?;
        if self.begun.is_none() && ticks < FEW {
            return Ok(());
        }
        self.begun.get_or_insert((Instant::now(), ticks));
        self.ticks += ticks;
        self.bytes += came as u64;
        Ok(())
    }

    /// How long it took, seconds, the first bytes reckoned at the speed of all others.
    fn wall_s(&self) -> f64 {
        let timed = self.begun.map(|(at, first)| at.elapsed().as_secs_f64() / (self.ticks - first) as f64);
        timed.unwrap_or(f64::NAN) * self.ticks as f64
    }
}
