//! A future goes on to its next contract by itself: nothing is lost, doubled or taken for a fault.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{collections::BTreeSet, path::Path};

use common::*;
use ib_gateway_sim::clock::ClockSetting;
use jiff::{SignedDuration, Timestamp};
use marketstream_crds::{ContractStatus, StreamState, StreamerStatus};
use marketstream_streamer::{
    backfill::ledger::{GapCause, GapState},
    clock::Clock,
};
use serde_json::{Value, json};

/// MNQ of December 2026, the front of the simulator's catalogue, and of March 2027.
const DECEMBER: i32 = 711_280_073;
const MARCH: i32 = 901_108;
/// Seven days before the last trade date of the first: midnight in Chicago.
const LEFT: &str = "2026-12-11T06:00:00Z";

/// A gateway on another day, and how far that is ahead.
async fn gateway_at(at: Timestamp) -> (Gateway, SignedDuration) {
    let ahead = at.duration_since(Timestamp::now());
    let gateway = Gateway::start_with(|config| {
        config.clock = ClockSetting { at_us: Some(at.as_microsecond()), speed: 1.0 };
        config.market.today = "2026-11-24".parse().unwrap();
    });
    (gateway.await, ahead)
}

fn mnq(ticks: &[&str], overlap: &str) -> Value {
    json!({
        "name": "mnq", "symbol": "MNQ", "secType": "FUT", "exchange": "CME", "currency": "USD", "ticks": ticks,
        "roll": {"rule": "DaysBeforeExpiry", "days": 7, "overlap": overlap},
    })
}

fn contract(status: &StreamerStatus) -> Option<&ContractStatus> {
    status.contracts.iter().find(|contract| contract.contract == "mnq")
}

/// Waits until the second contract is recorded alone, and checks on the way that no stream is ever amiss.
async fn until_rolled(streamer: &Streamer) -> StreamerStatus {
    streamer
        .until_within(std::time::Duration::from_secs(60), "the roll", |status| {
            let amiss = [StreamState::Stale, StreamState::Rejected, StreamState::Expired, StreamState::Idle];
            let state = status.streams.iter().find(|stream| amiss.contains(&stream.state));
            assert!(state.is_none(), "{state:?}");
            contract(status).is_some_and(|contract| contract.con_id == MARCH) && status.flowing == status.total
        })
        .await
}

fn seconds_of(data: &Path, con_id: i32) -> BTreeSet<i64> {
    stored(data).iter().filter(|tick| tick.con_id == con_id).map(|tick| tick.time_s).collect()
}

/// Waits until all of these seconds of a contract are stored.
async fn until_whole(data: &Path, con_id: i32, from: i64, to: i64) {
    until("every second is stored", async || (from..to).all(|second| seconds_of(data, con_id).contains(&second))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_contract_begins_before_the_old_one_ends() {
    let left: Timestamp = LEFT.parse().unwrap();
    let (gateway, ahead) = gateway_at(left - SignedDuration::from_secs(14)).await;
    let data = tempfile::tempdir().unwrap();
    let streamer = Streamer::start_by(Clock::ahead_by(ahead), data.path());
    streamer.apply(&spec(json!([mnq(&["Last", "BidAsk"], "6s")]), &[gateway.port()]));
    let status = streamer.until_flowing().await;
    let began = left.as_second() - 12;
    let before = contract(&status).unwrap();
    let expected = (DECEMBER, "MNQZ6", "2026-12-18", 8);
    assert_eq!((before.con_id, &*before.local_symbol, &*before.last_trade_date, before.days_left), expected);
    let next = before.next.as_ref().unwrap();
    assert_eq!((next.con_id, &*next.local_symbol, next.until.get()), (MARCH, "MNQH7", left));
    assert_eq!(next.from.get(), left - SignedDuration::from_secs(6));

    let after = until_rolled(&streamer).await;
    assert_eq!((after.total, after.streams.iter().map(|stream| stream.restarts).sum::<i32>()), (2, 0));
    let (from, end) = (left.as_second() - 6, left.as_second() + 4);
    until_whole(data.path(), MARCH, from, end).await;
    streamer.until("the gaps of the begin are filled", |status| status.gaps.is_some_and(|gaps| gaps.open == 0)).await;
    let gaps = streamer.gaps();
    streamer.stop().await;

    let verdict = gateway.judge(data.path(), from, end).await;
    let of = |con_id: i32| verdict.streams.iter().filter(move |stream| stream.con_id == con_id);
    assert_eq!((of(DECEMBER).count(), of(MARCH).count()), (2, 2));
    for stream in of(MARCH) {
        assert_eq!((stream.counts.missing_of_generated, stream.counts.doubled), (0, 0), "{verdict:#?}");
    }
    assert_eq!(verdict.total.altered, 0);
    let old = seconds_of(data.path(), DECEMBER);
    assert!((began + 4..left.as_second()).all(|second| old.contains(&second)), "the old contract to its end: {old:?}");
    assert!(old.iter().all(|second| *second <= left.as_second() + 1), "and not longer: {old:?}");
    for gap in &gaps {
        assert_eq!((gap.stream.con_id, gap.cause, gap.state), (MARCH, GapCause::Rolled, GapState::Filled), "{gap:?}");
    }
}
