//! A future goes on to its next contract by itself: nothing is lost, doubled or taken for a fault.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{collections::BTreeSet, path::Path, time::Duration};

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
    gateway_with(at, true).await
}

async fn gateway_with(at: Timestamp, always_open: bool) -> (Gateway, SignedDuration) {
    let ahead = at.duration_since(Timestamp::now());
    let gateway = Gateway::start_with(|config| {
        config.market.always_open = always_open;
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
        .until_within(Duration::from_secs(60), "the roll", |status| {
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

#[tokio::test(flavor = "multi_thread")]
async fn without_spare_lines_the_begin_of_the_next_contract_comes_from_history() {
    let left: Timestamp = LEFT.parse().unwrap();
    let (gateway, ahead) = gateway_at(left - SignedDuration::from_secs(9)).await;
    let data = tempfile::tempdir().unwrap();
    let streamer = Streamer::start_by(Clock::ahead_by(ahead), data.path());
    let mut spec = spec(json!([mnq(&["Last", "BidAsk"], "4s")]), &[gateway.port()]);
    spec.limits.tick_by_tick = 2;
    streamer.apply(&spec);
    streamer.until_flowing().await;
    until_rolled(&streamer).await;
    assert_eq!(gateway.requests("subscribe").await.len(), 4, "each contract's streams once");
    let end = left.as_second() + 3;
    until_whole(data.path(), MARCH, left.as_second() - 3, end).await;
    streamer.until("the begins are filled", |status| status.gaps.is_some_and(|gaps| gaps.open == 0)).await;
    streamer.stop().await;
    let verdict = gateway.judge(data.path(), left.as_second() - 4, end).await;
    for stream in verdict.streams.iter().filter(|stream| stream.con_id == MARCH) {
        assert_eq!((stream.counts.missing_of_generated, stream.counts.doubled), (0, 0), "{verdict:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_while_nobody_was_there_is_made_good() {
    let left: Timestamp = LEFT.parse().unwrap();
    let (gateway, ahead) = gateway_at(left - SignedDuration::from_secs(7)).await;
    let data = tempfile::tempdir().unwrap();
    let manifest = spec(json!([mnq(&["Last"], "2s")]), &[gateway.port()]);
    let streamer = Streamer::start_by(Clock::ahead_by(ahead), data.path());
    streamer.apply(&manifest);
    streamer.until_flowing().await;
    streamer.stop().await;
    let stopped = *seconds_of(data.path(), DECEMBER).last().unwrap();
    assert!(stopped < left.as_second());
    until("the roll is past", async || Clock::ahead_by(ahead).now().wall > left + SignedDuration::from_secs(1)).await;

    let streamer = Streamer::start_by(Clock::ahead_by(ahead), data.path());
    streamer.apply(&manifest);
    let status = streamer.until_flowing().await;
    assert_eq!(contract(&status).unwrap().con_id, MARCH);
    until_whole(data.path(), MARCH, left.as_second() - 2, left.as_second() + 3).await;
    until_whole(data.path(), DECEMBER, stopped, left.as_second()).await;
    assert!(seconds_of(data.path(), DECEMBER).iter().all(|second| *second <= left.as_second()));
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_that_ibkr_names_is_followed() {
    // Trading of the December contract ends.
    let end: Timestamp = "2026-12-18T14:30:00Z".parse().unwrap();
    let (gateway, ahead) = gateway_at(end - SignedDuration::from_secs(6)).await;
    let data = tempfile::tempdir().unwrap();
    let streamer = Streamer::start_by(Clock::ahead_by(ahead), data.path());
    let mut mnq = mnq(&["Last"], "0s");
    mnq["roll"] = json!({"rule": "IBFront", "overlap": "0s"});
    streamer.apply(&spec(json!([mnq]), &[gateway.port()]));
    let status = streamer.until_flowing().await;
    assert_eq!((contract(&status).unwrap().con_id, contract(&status).unwrap().days_left), (DECEMBER, 0));
    until("the front has moved", async || Clock::ahead_by(ahead).now().wall > end).await;
    gateway.close_sockets().await;
    streamer
        .until("the next contract flows", |status| {
            contract(status).is_some_and(|contract| contract.con_id == MARCH) && status.flowing == 1
        })
        .await;
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_volume_of_the_last_whole_day_decides() {
    // In the week of its expiry the December contract trades less than that of March: first on Monday, which counts
    // from midnight on.
    let midnight: Timestamp = "2026-12-15T06:00:00Z".parse().unwrap();
    // By the exchange's hours, since around the clock all expiries trade alike.
    let (gateway, ahead) = gateway_with(midnight - SignedDuration::from_secs(20), false).await;
    let data = tempfile::tempdir().unwrap();
    let streamer = Streamer::start_by(Clock::ahead_by(ahead), data.path());
    let mut mnq = mnq(&["Last"], "0s");
    mnq["roll"] = json!({"rule": "Volume", "overlap": "0s"});
    let manifest = spec(json!([mnq]), &[gateway.port()]);
    streamer.apply(&manifest);
    let current = |con_id: i32| {
        move |status: &StreamerStatus| {
            status.flowing == 1 && contract(status).is_some_and(|contract| contract.con_id == con_id)
        }
    };
    let status = streamer.until("the leader of Friday flows", current(DECEMBER)).await;
    assert_eq!((contract(&status).unwrap().days_left, &contract(&status).unwrap().next), (4, &None));
    let asked = async || gateway.requests("history").await.into_iter().filter(|line| line["what"] == "bars of TRADES");
    until("four expiries were asked for", async || asked().await.count() == 4).await;
    let expiries: BTreeSet<i64> = asked().await.filter_map(|line| line["con_id"].as_i64()).collect();
    assert_eq!(expiries, [DECEMBER, MARCH, 901_109, 901_110].map(i64::from).into());
    until("Monday is over", async || Clock::ahead_by(ahead).now().wall > midnight).await;
    assert_eq!(contract(&streamer.status()).unwrap().con_id, DECEMBER, "nobody has asked for Monday's volumes yet");
    gateway.close_sockets().await;
    streamer.until("the leader of Monday flows", current(MARCH)).await;
    streamer.stop().await;

    // Who comes only now records the leader from the first.
    let fresh = tempfile::tempdir().unwrap();
    let streamer = Streamer::start_by(Clock::ahead_by(ahead), fresh.path());
    streamer.apply(&manifest);
    streamer.until("the leader flows", current(MARCH)).await;
    streamer.stop().await;
    assert!(stored(fresh.path()).iter().all(|tick| tick.con_id == MARCH));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_of_two_entries_for_one_contract_is_refused() {
    let (gateway, ahead) = gateway_at("2026-12-01T15:00:00Z".parse().unwrap()).await;
    let data = tempfile::tempdir().unwrap();
    let streamer = Streamer::start_by(Clock::ahead_by(ahead), data.path());
    let first = json!({"name": "z-first", "conId": DECEMBER, "ticks": ["Last"]});
    let second = json!({"name": "a-second", "symbol": "MNQ", "secType": "FUT", "exchange": "CME",
        "lastTradeDate": "202612", "ticks": ["Last", "BidAsk"]});
    streamer.apply(&spec(json!([first, second]), &[gateway.port()]));
    let refused = |status: &StreamerStatus| {
        status.total == 3
            && status.streams.iter().all(|stream| {
                let expected = if stream.contract == "z-first" { StreamState::Flowing } else { StreamState::Rejected };
                stream.state == expected
            })
    };
    let status = streamer.until("the second is refused", refused).await;
    let error = status.streams.iter().find_map(|stream| stream.error.as_ref()).unwrap();
    assert_eq!(error.code, 200);
    for part in ["z-first", "a-second", "MNQZ6", "711280073"] {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    assert!(status.streams.iter().all(|stream| stream.contract != "z-first" || stream.restarts == 0));
    // Without the first one, the second is in order.
    streamer.apply(&spec(json!([second]), &[gateway.port()]));
    streamer.until("the second flows", |status| status.total == 2 && status.flowing == 2).await;
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_manifest_says_of_a_contract_is_checked_and_what_has_expired_is_no_fault() {
    let (gateway, ahead) = gateway_at("2026-12-01T15:00:00Z".parse().unwrap()).await;
    let data = tempfile::tempdir().unwrap();
    let streamer = Streamer::start_by(Clock::ahead_by(ahead), data.path());
    let contracts = json!([
        {"name": "right", "conId": DECEMBER, "symbol": "MNQ", "lastTradeDate": "202612", "ticks": ["Last"]},
        {"name": "wrong", "conId": MARCH, "symbol": "MNQ", "lastTradeDate": "202612", "ticks": ["Last"]},
        // MNQ of September, and what never was.
        {"name": "old", "conId": 901_106, "ticks": ["Last"]},
        {"name": "unknown", "conId": 4_242, "ticks": ["Last"]},
    ]);
    streamer.apply(&spec(contracts, &[gateway.port()]));
    let expected = [
        ("old", StreamState::Expired),
        ("right", StreamState::Flowing),
        ("unknown", StreamState::Rejected),
        ("wrong", StreamState::Rejected),
    ];
    let status = streamer
        .until("every contract is judged", |status| {
            status.streams.iter().map(|stream| (stream.contract.as_str(), stream.state)).eq(expected)
        })
        .await;
    assert!(status.streams[0].error.is_none() && status.streams[0].silent_seconds == 0.0);
    let message = &status.streams[3].error.as_ref().unwrap().message;
    for part in ["lastTradeDate", "MNQH7", "202612"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let days: Vec<_> =
        status.contracts.iter().map(|contract| (contract.contract.as_str(), contract.days_left)).collect();
    assert_eq!(days, [("old", -74), ("right", 17)]);
    streamer.stop().await;
}
