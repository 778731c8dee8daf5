//! The market is closed.

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use marketstream_crds::{
    Health, MarketStream, StreamState,
    conditions::{reasons, types},
};
use marketstream_e2e::{
    expect,
    scenario::scenario,
    simulator::{Cure, SIM},
    view::{View, newly_closed},
};
use serde_json::json;

use crate::SIM1_QUOTES;

/// A stock that does not trade now, nor for the next quarter of an hour: Apple, Tencent, or Toyota.
fn resting(now: Timestamp) -> i32 {
    let minute = now.as_second().rem_euclid(86_400) / 60;
    match minute {
        // Tokyo opens at 00:00 UTC, New York closes at 00:00 or 01:00, Hong Kong opens at 01:30.
        0..70 | 1420.. => 900_700,
        // Tokyo closes at 06:30, New York opens at 08:00 or 09:00.
        70..400 => 265_598,
        _ => 907_203,
    }
}

#[tokio::test]
async fn a_closed_market_is_no_fault_and_excuses_no_other_stream() -> Result<()> {
    scenario("closed", async |s| {
        let closed = |name: &str| -> Result<_> {
            let real_hours = json!([{"name": "IB_SIM_TICK_BY_TICK", "value": "8"}]);
            let contract = json!({"name": "rests", "conId": resting(Timestamp::now()), "ticks": ["BidAsk"]});
            Ok(s.sidecar(name)?.set("/spec/gateway/sidecar/env", real_hours).set("/spec/contracts/-", contract))
        };
        // One that has nothing else.
        let alone = s.apply(&closed("alone")?).await?;
        let feed = s.apply(&closed("feed")?.contract("sim1", SIM[0], &["BidAsk"])).await?;
        let is = |ms: &MarketStream, health: Health| ms.status().is_some_and(|status| status.health == Some(health));
        // A slow start may have been an incident.
        let rests = |ms: &MarketStream| is(ms, Health::Idle) && ms.is(types::READY) && ms.incidents().is_empty();
        let idle = alone.until("nothing has to flow", 120, rests).await?;
        ensure!(idle.is_for(types::DATA_FLOWING, reasons::MARKET_CLOSED), "{:#?}", idle.status);
        ensure!(!idle.is(types::MARKET_OPEN), "{:#?}", idle.status);
        let well = |ms: &MarketStream| {
            let rests = ms.stream("rests/BidAsk").is_some_and(|stream| stream.state == StreamState::Idle);
            rests && is(ms, Health::Healthy) && ms.incidents().is_empty()
        };
        let before = feed.until("the open one flows, the other rests", 120, well).await?;
        let (calm, trace) = (alone.trace(), feed.trace());

        // The open one falls silent for longer than the closed one may be silent in its session.
        feed.simulator().silence(SIM1_QUOTES, Cure::Resubscribe).await?;
        feed.closed(&before).await?;
        let ms = feed.until("all is well again", 120, well).await?;
        expect::rungs(expect::one_incident(&ms, &before)?, &ms.spec.recovery, &[1, 2])?;
        let named = |ms: &MarketStream| {
            ms.incidents()
                .iter()
                .chain(ms.history())
                .any(|incident| incident.streams.iter().any(|s| s.starts_with("rests")))
        };
        ensure!(!trace.states().iter().any(named), "{:#?}", trace.states().last());
        let last = alone.get().await?;
        ensure!(last.incidents().is_empty() && newly_closed(&last, &idle).is_empty(), "{:#?}", last.status);
        ensure!(calm.states().iter().all(|ms| ms.level() == 0), "{:#?}", calm.states().last());
        last.streamer().map(drop).context("it reports")
    })
    .await
}
