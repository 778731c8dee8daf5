//! The manifest's contracts change while everything runs.

use anyhow::{Result, ensure};
use ib_gateway_sim::market::tick::TickType;
use marketstream_e2e::{
    expect,
    scenario::scenario,
    simulator::{SIM, cancelled, connected, subscribed},
    view::{View, newly_closed, restarts, uid},
};
use serde_json::json;

use crate::{SIM1_QUOTES, SIM2_QUOTES};

#[tokio::test]
async fn contracts_come_and_go_without_a_restart() -> Result<()> {
    scenario("contracts", async |s| {
        let one = json!({"name": "sim1", "conId": SIM[0], "ticks": ["BidAsk"]});
        let two = json!({"name": "sim2", "conId": SIM[1], "ticks": ["BidAsk"]});
        let three = json!({"name": "sim3", "conId": SIM[2], "ticks": ["BidAsk", "Last"]});
        let manifest = s.sidecar("feed")?.set("/spec/contracts", json!([one, two]));
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let pod = feed.pod().await?;
        let begin = feed.simulator().requests(0).await?.len();

        feed.patch(&json!({"spec": {"contracts": [one, two, three]}})).await?;
        feed.until("the new contract's streams flow", 100, |ms| ms.flows(4)).await?;
        let log = feed.simulator().requests(0).await?.split_off(begin);
        let mut added = subscribed(&log);
        added.sort_unstable_by_key(|(_, tick)| *tick);
        ensure!(added == [(SIM[2], TickType::Last), (SIM[2], TickType::BidAsk)], "{log:#?}");
        ensure!(cancelled(&log).is_empty(), "{log:#?}");

        feed.patch(&json!({"spec": {"contracts": [one, three]}})).await?;
        let ms = feed.until("the removed contract's stream is gone", 100, |ms| ms.flows(3)).await?;
        ensure!(ms.stream("sim2/BidAsk").is_none(), "{:#?}", ms.streamer());
        let log = feed.simulator().requests(0).await?.split_off(begin);
        ensure!(cancelled(&log) == [SIM2_QUOTES], "{log:#?}");
        expect::untouched(&log, SIM1_QUOTES)?;
        ensure!(connected(&log).is_empty(), "the session stays: {log:#?}");

        let after = feed.pod().await?;
        ensure!(uid(&after) == uid(&pod) && restarts(&after, "streamer") == 0, "the pod stays");
        ensure!(ms.rolls() == 0 && newly_closed(&ms, &before).is_empty(), "{:#?}", ms.status);
        let recording = feed.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::complete(&recording.judge(&feed.simulator(), recording.whole_seconds()?).await?)
    })
    .await
}
