//! Somebody else has the session.

use anyhow::{Context, Result, ensure};
use marketstream_crds::{ActionKind, Cause, conditions::types};
use marketstream_e2e::{
    expect,
    scenario::scenario,
    simulator::{SIM, connected},
    view::{View, actions, levels, newly_closed, uid},
};

use crate::{SIM1_QUOTES, SIM2_QUOTES};

/// From the end of a competing session to the first tick that is sent, in milliseconds. The budget is 35 s, of which the
/// pause between two canaries takes 30; the streamer's own tests hold it. A busy machine gets a little more.
const FIRST_DATA_MS: i64 = 50_000;

#[tokio::test]
async fn a_competing_session_costs_no_roll_and_data_return_soon_after_it_ends() -> Result<()> {
    scenario("competing", async |s| {
        let manifest = s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"]).contract("sim2", SIM[1], &["BidAsk"]);
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let pod = feed.pod().await?;
        let trace = feed.trace();

        let fault = feed.simulator().compete().await?;
        // It outlasts every threshold: Critical is the last one.
        let (ms, incident) = feed.critical(Cause::CompetingSession).await?;
        ensure!(levels(&incident) == [1, 4] && actions(&incident).is_empty(), "{incident:#?}");
        expect::says(&ms, types::COMPETING_SESSION, &["all streams", "close the other session", "error 10"])?;
        let silent = ms.lacks(types::DATA_FLOWING, "CompetingSession");
        ensure!(silent.is_some_and(|text| text.contains("sim1/BidAsk, sim2/BidAsk")), "{:#?}", ms.status);

        feed.simulator().end(fault).await?;
        feed.closed(&before).await?;
        let ms = feed.flows().await?;
        ensure!(ms.condition(types::CRITICAL).is_none(), "{:#?}", ms.status);
        ensure!(ms.condition(types::COMPETING_SESSION).is_none(), "{:#?}", ms.status);

        let log = feed.simulator().requests_since(fault).await?;
        let end = log.iter().find(|entry| entry.event == "fault_end").context("the end is in the log")?.at_ms;
        let recording = feed.recording_after(2, &[SIM1_QUOTES, SIM2_QUOTES]).await?;
        let seconds = (end / 1000, recording.whole_seconds()?.1);
        let journal = feed.simulator().journal(seconds).await?;
        let sent = journal.iter().flat_map(|tick| &tick.sent).map(|sent| sent.at_us / 1000);
        let first = sent.filter(|at_ms| *at_ms >= end).min().context("no tick was sent after it ended")?;
        ensure!(first - end <= FIRST_DATA_MS, "the first tick came {} ms after it ended", first - end);

        let harmful = [ActionKind::RollPod, ActionKind::Reconnect];
        ensure!(trace.actions().iter().all(|(_, kind)| !harmful.contains(kind)), "{:?}", trace.actions());
        ensure!(ms.rolls() == 0 && uid(&feed.pod().await?) == uid(&pod), "no roll: {:#?}", ms.status);
        ensure!(connected(&log).is_empty(), "the session stays: {log:#?}");
        let incidents = newly_closed(&ms, &before);
        ensure!(incidents.iter().all(|incident| incident.cause == Cause::CompetingSession), "{incidents:#?}");
        incidents.into_iter().try_for_each(|incident| expect::on_time(incident, &ms.spec.recovery))
    })
    .await
}
