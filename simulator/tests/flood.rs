//! A flood: every tick once, in order, and as the journal has it, also after a restart.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use ib_gateway_sim::judge::{Fields, JournalTick};
use ib_gateway_sim::market::Stream;
use ib_gateway_sim::market::burst::FIRST_INDEX;
use ib_gateway_sim::market::tick::TickType;
use support::raw::Raw;
use support::*;

/// Many times what may wait for a client, so that the gateway has to wait for it.
const TICKS: u32 = 50_000;

const KINDS: [(i32, TickType); 2] = [(1, TickType::BidAsk), (2, TickType::AllLast)];

/// What a tick says, but for the flags, which do not go out when they are not set.
fn numbers(fields: &Fields) -> [Option<f64>; 6] {
    [fields.price, fields.size, fields.bid, fields.ask, fields.bid_size, fields.ask_size]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tick_of_a_flood_comes_once_and_in_order() {
    let gateway = Gateway::start().await;
    let mut client = Raw::connect(&gateway, 1).await;
    for (req_id, kind) in KINDS {
        client.subscribe(req_id, SIM1, kind).await;
    }
    let mut last = [0; KINDS.len()];
    let mut came = Vec::new();
    // A burst repeats recent ticks; both streams flow once each has had one.
    let mut bursts: Option<[i64; KINDS.len()]> = None;
    while bursts.is_none_or(|bursts| last.iter().zip(bursts).any(|(last, burst)| *last <= burst)) {
        let tick = client.tick(SIM1).await;
        last[usize::from(tick.tick != TickType::BidAsk)] = tick.time_s;
        if bursts.is_none() && last.iter().all(|last| *last > 0) {
            let begin = |(_, tick)| gateway.sim.burst(Stream { con_id: SIM1, tick }, TICKS).unwrap().second;
            bursts = Some(KINDS.map(begin));
        }
        came.push(tick);
    }
    let bursts = bursts.unwrap();
    let journal = gateway.journal(bursts[0], bursts[1] + 1).await;
    for ((_, kind), second) in KINDS.into_iter().zip(bursts) {
        let came: Vec<_> = came
            .iter()
            .filter(|tick| (tick.tick, tick.time_s) == (kind, second))
            .map(|tick| numbers(&tick.fields))
            .collect();
        let of_burst = |tick: &&JournalTick| (tick.tick, tick.second) == (kind, second) && !tick.sent.is_empty();
        let sent: Vec<&JournalTick> = journal.iter().filter(of_burst).collect();
        assert!(came.len() >= TICKS as usize);
        // Not by `assert_eq`, which would print them all.
        assert!(came == sent.iter().map(|tick| numbers(&tick.fields)).collect::<Vec<_>>(), "{kind:?}");
        assert_eq!(sent.iter().filter(|tick| tick.index >= FIRST_INDEX).count(), TICKS as usize);
        // Taken by the socket once each, in that order, and not before they were due.
        assert!(sent.iter().all(|tick| tick.sent.len() == 1 && tick.sent[0].at_us >= tick.at_us));
        assert!(sent.is_sorted_by_key(|tick| (tick.sent[0].at_us, tick.index)));
    }
    let gateway = gateway.restart().await;
    assert!(gateway.journal(bursts[0], bursts[1] + 1).await == journal);
}
