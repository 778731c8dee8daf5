//! A session that closes and opens again while it is recorded: nothing is lost, nothing is asked for, and nobody takes it
//! for a fault.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::*;
use ib_gateway_sim::clock::ClockSetting;
use jiff::{SignedDuration, Timestamp};
use marketstream_crds::{StreamState, StreamerStatus};
use marketstream_streamer::clock::Clock;
use serde_json::json;

/// The front MNQ of the simulator's catalogue.
const MNQ: i32 = 711_280_073;
const PATIENT: Duration = Duration::from_secs(90);

/// A session that closes, and the next one, in UTC: 16:00 and 17:00 in Chicago.
struct Break {
    closes: &'static str,
    opens: &'static str,
    /// How often the contract is looked up from shortly before to shortly after.
    look_ups: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_break_costs_no_tick_and_no_request() {
    let tuesday = Break { closes: "2026-12-01T22:00:00Z", opens: "2026-12-01T23:00:00Z", look_ups: 1 };
    record_over(tuesday).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weekend_costs_no_tick_and_a_look_at_the_contract() {
    let friday = Break { closes: "2026-12-04T22:00:00Z", opens: "2026-12-06T23:00:00Z", look_ups: 2 };
    record_over(friday).await;
}

async fn record_over(Break { closes, opens, look_ups }: Break) {
    let (closes, opens): (Timestamp, Timestamp) = (closes.parse().unwrap(), opens.parse().unwrap());
    // Enough for a busy machine to begin to record.
    let begin = closes - SignedDuration::from_secs(40);
    let ahead = begin.duration_since(Timestamp::now());
    let gateway = Gateway::start_with(|config| {
        config.market.always_open = false;
        config.market.today = "2026-11-24".parse().unwrap();
        config.clock = ClockSetting { at_us: Some(begin.as_microsecond()), speed: 1.0 };
    })
    .await;
    let (clock, data) = (Clock::ahead_by(ahead), tempfile::tempdir().unwrap());
    let streamer = Streamer::start_by(clock, data.path());
    let mut spec = spec(json!([{"name": "mnq", "conId": MNQ, "ticks": ["Last", "BidAsk"]}]), &[gateway.port()]);
    // Much less than the break, and more than a busy machine takes for a tick.
    for after in [&mut spec.recovery.stale_after, &mut spec.recovery.zombie_timeout, &mut spec.recovery.open_grace] {
        *after = "20s".parse().unwrap();
    }
    streamer.apply(&spec);
    streamer.until_flowing().await;
    let from = clock.now().wall.as_second() + 1;
    assert!(from < closes.as_second() - 2, "too slow for the begin of the break");

    let calm = |status: &StreamerStatus| {
        let amiss = [StreamState::Stale, StreamState::Rejected, StreamState::Pending];
        let stream = status.streams.iter().find(|stream| amiss.contains(&stream.state));
        assert!(stream.is_none(), "{stream:?}");
    };
    let idle = |status: &StreamerStatus| {
        calm(status);
        status.streams.iter().all(|stream| stream.state == StreamState::Idle)
    };
    streamer.until_within(PATIENT, "the session closes", idle).await;
    until("the close is past", async || clock.now().wall > closes + SignedDuration::from_secs(2)).await;
    let status = streamer.until("it stays closed", idle).await;
    assert_eq!((status.summary.as_str(), status.flowing), ("0/0", 0));

    // The middle of the break is left out.
    let before = opens - SignedDuration::from_secs(4);
    let by = before.duration_since(clock.now().wall);
    gateway.set_clock(before).await;
    clock.skip(by.unsigned_abs());
    let flows = |status: &StreamerStatus| {
        calm(status);
        status.flowing == 2 && clock.now().wall > opens
    };
    streamer.until_within(PATIENT, "the session opens", flows).await;
    let to = opens.as_second() + 5;
    until("ticks behind the open are stored", async || {
        calm(&streamer.status());
        let stored = stored(data.path());
        let later = |tick: &str| stored.iter().any(|stored| stored.tick.name() == tick && stored.time_s >= to);
        later("Last") && later("BidAsk")
    })
    .await;
    let status = streamer.status();
    assert!(status.streams.iter().all(|stream| stream.restarts == 0), "{status:#?}");
    assert_eq!(streamer.gaps(), []);
    streamer.stop().await;
    for (event, count) in [("connect", 1), ("subscribe", 2), ("feed", 1), ("contract_details", look_ups)] {
        let requests = gateway.requests(event).await;
        assert_eq!(requests.len(), count, "{requests:#?}");
    }
    let closed = closes.as_millisecond() + 1_000..opens.as_millisecond();
    let mut questions = gateway.requests("history").await;
    questions.retain(|line| closed.contains(&line["at_ms"].as_i64().unwrap()));
    assert!(questions.is_empty(), "{questions:#?}");
    for (from, to) in [(from, closes.as_second() + 60), (opens.as_second() - 60, to)] {
        let verdict = gateway.judge(data.path(), from, to).await;
        assert!(verdict.total.stored > 0 && verdict.complete(), "{verdict:#?}");
    }
}
