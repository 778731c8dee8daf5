//! What a person asks for, with `kubectl marketstream`.

use anyhow::{Context, Result, ensure};
use marketstream_crds::{
    ActionKind, ActionState, MarketStream,
    conditions::{reasons, types},
    names,
};
use marketstream_e2e::{
    expect,
    plugin::Plugin,
    scenario::scenario,
    simulator::{Cure, SIM, cancelled, connected, subscribed},
    view::{View, levels, newly_closed, uid},
    wait,
};
use serde_json::{Value, json};
use std::time::Duration;

use crate::{SIM1_QUOTES, SIM2_QUOTES};

/// Longest wait for what a request leaves in the ledger.
const LEDGER: Duration = Duration::from_secs(60);

/// Recovery only watches.
fn paused(paused: bool) -> Value {
    json!({"metadata": {"annotations": {names::ANNOTATION_PAUSED: paused.then_some("true")}}})
}

#[tokio::test]
async fn paused_recovery_only_watches_and_goes_on_where_it_would_be() -> Result<()> {
    scenario("paused", async |s| {
        let manifest = s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"]).contract("sim2", SIM[1], &["BidAsk"]);
        let feed = s.apply(&manifest).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());

        feed.patch(&paused(true)).await?;
        let fault = sim.silence(SIM1_QUOTES, Cure::Resubscribe).await?;
        let silent = before.spec.recovery.restart_streams_after.get().as_secs_f64();
        let overdue = |ms: &MarketStream| {
            ms.stream("sim1/BidAsk").is_some_and(|stream| stream.silent_seconds > silent)
                && ms
                    .incidents()
                    .first()
                    .is_some_and(|incident| incident.next_action.as_deref() == Some("none: paused"))
        };
        let ms = feed.until("level 2 would be due", 120, overdue).await?;
        ensure!(ms.level() == 0 && ms.action() == before.action(), "{:#?}", ms.status);
        ensure!(subscribed(&sim.requests_since(fault).await?).is_empty());

        feed.patch(&paused(false)).await?;
        feed.closed(&before).await?;
        let ms = feed.flows().await?;
        let incident = expect::one_incident(&ms, &before)?;
        ensure!(levels(incident) == [1, 2], "{incident:#?}");
        expect::never_early(incident, &ms.spec.recovery)?;
        expect::only(&trace, &feed, &pod, &[ActionKind::RestartStreams]).await?;
        ensure!(subscribed(&sim.requests_since(fault).await?) == [SIM1_QUOTES]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn one_stream_is_subscribed_again_on_request_and_the_others_are_left_alone() -> Result<()> {
    scenario("request", async |s| {
        let manifest = s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"]).contract("sim2", SIM[1], &["BidAsk"]);
        let feed = s.apply(&manifest).await?;
        // What a person asks for is done all the same.
        feed.patch(&paused(true)).await?;
        let before = feed.flows().await?;
        let (pod, trace, sim) = (uid(&feed.pod().await?), feed.trace(), feed.simulator());
        let plugin = Plugin::new(&s.namespace)?;
        let begun = sim.requests(0).await?.last().map_or(0, |entry| entry.at_ms + 1);

        let unknown = plugin.run(&["restart", "feed", "sim3/BidAsk"]).await?;
        ensure!(unknown.code == 1 && unknown.errors.contains("sim1/BidAsk, sim2/BidAsk"), "{unknown:?}");
        plugin.json(&["restart", "feed", "sim1/BidAsk"]).await?;
        let done = |ms: &MarketStream| {
            let ack = ms.streamer().and_then(|report| report.action.as_ref());
            ack.zip(ms.action()).is_some_and(|(ack, action)| ack.id == action.id && ack.state == ActionState::Done)
        };
        let ms = feed.until("it is done", 60, done).await?;
        let action = ms.action().context("there is no action")?;
        ensure!((action.kind, action.incident.as_str()) == (ActionKind::RestartStreams, "requested"), "{action:#?}");
        ensure!(action.streams == ["sim1/BidAsk"], "{action:#?}");

        // Another change of the object does not ask again.
        feed.patch(&json!({"metadata": {"annotations": {"marketstream.io/note": "x"}}})).await?;
        let ms = feed.flows().await?;
        let recording = feed.recording_after(3, &[SIM1_QUOTES, SIM2_QUOTES]).await?;
        let log = sim.requests(begun).await?;
        ensure!(subscribed(&log) == [SIM1_QUOTES] && cancelled(&log) == [SIM1_QUOTES], "{log:#?}");
        ensure!(connected(&log).is_empty(), "the session stays: {log:#?}");
        expect::only(&trace, &feed, &pod, &[ActionKind::RestartStreams]).await?;
        ensure!(trace.actions().len() == 1 && newly_closed(&ms, &before).is_empty(), "{:#?}", ms.status);
        expect::faultless(&recording.judge(&sim, recording.whole_seconds()?).await?)?;

        // What became of it, and of the ticks that it cost.
        let timeline = plugin.json(&["timeline", "feed"]).await?;
        let events = timeline["events"].as_array().context("no events")?;
        let gap = |event: &&Value| {
            event["where"] == "gap sim1/bid_ask"
                && event["what"].as_str().is_some_and(|what| what.contains("Resubscribed"))
        };
        ensure!(timeline["gapsUnknown"].is_null() && events.iter().any(|event| gap(&event)), "{timeline:#}");
        ensure!(plugin.json(&["gaps", "feed"]).await?["gaps"].is_array());
        ensure!(plugin.json(&["health", "feed"]).await?.is_object());
        ensure!(plugin.run(&["status", "feed", "--check"]).await?.code == 0);
        // History lags by a minute: until then it cannot have been asked.
        let waits = |ms: &MarketStream| ms.lacks(types::BACKFILLED, reasons::GAPS_WAIT).is_some();
        feed.until("gaps that wait for history", LEDGER.as_secs(), waits).await?;

        // A gateway that refuses is an answer, not an error.
        ensure!(plugin.run(&["test-connection", "feed"]).await?.code == 0);
        let fault = sim.begin(json!({"kind": "refuse"})).await?;
        let refused = plugin.run(&["test-connection", "feed"]).await?;
        ensure!(refused.code == 3 && refused.output.contains("no gateway answers"), "{refused:?}");
        sim.end(fault).await
    })
    .await
}

#[tokio::test]
async fn the_plugin_tells_and_asks_with_the_rights_of_its_caller() -> Result<()> {
    scenario("plugin", async |s| {
        let feed = s.apply(&s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"])).await?;
        feed.flows().await?;
        let pod = uid(&feed.pod().await?);
        let plugin = Plugin::new(&s.namespace)?;
        let status = plugin.json(&["status", "feed"]).await?;
        ensure!(status["health"] == "Healthy" && status["streamer"]["summary"] == "1/1", "{status:#}");
        let why = plugin.json(&["explain", "feed"]).await?;
        let reason = why["reasons"][0].as_str().context("no reason")?;
        ensure!(reason.starts_with("No incident is open. Healthy: 1 streams flow"), "{why:#}");
        for log in [&["logs", "feed", "--tail", "3"][..], &["logs", "feed", "--tail", "3", "--gateway"]] {
            let lines = plugin.run(log).await?;
            ensure!(lines.code == 0 && (1..=3).contains(&lines.output.lines().count()), "{lines:?}");
        }

        let second = feed.recording_after(2, &[SIM1_QUOTES]).await?.whole_seconds()?.0;
        let (from, to) = (second.to_string(), (second + 1).to_string());
        let asked = plugin.json(&["backfill", "feed", "sim1", "--from", &from, "--to", &to]).await?;
        ensure!(asked["streams"] == json!(["sim1/BidAsk"]), "{asked:#}");
        wait::answer("the range is in the ledger", LEDGER, async || {
            let ledger = plugin.json(&["gaps", "feed"]).await?;
            let gaps = ledger["gaps"].as_array().context("no gaps")?;
            ensure!(gaps.iter().any(|gap| gap["cause"] == "Requested" && gap["contract"] == "sim1"), "{ledger:#}");
            Ok(())
        })
        .await?;
        let wrong = plugin.run(&["backfill", "feed", "sim1", "--from", &to, "--to", &from]).await?;
        ensure!(wrong.code == 1 && wrong.errors.contains("from must be before to"), "{wrong:?}");

        // Somebody who may read the resource sees what is in it, and gets no further than that.
        let read = json!([{"apiGroups": ["marketstream.io"], "resources": ["marketstreams"], "verbs": ["get"]}]);
        let reader = Plugin::limited(&s.cluster, &s.namespace, read).await?;
        ensure!(reader.json(&["status", "feed"]).await?["health"] == "Healthy");
        let timeline = reader.json(&["timeline", "feed"]).await?;
        ensure!(timeline["gapsUnknown"].as_str().is_some_and(|why| why.contains("pod feed-0")), "{timeline:#}");
        for (words, part) in [
            (&["gaps", "feed"][..], "port-forward to pod feed-0"),
            (&["logs", "feed"], "forbidden"),
            (&["restart", "feed"], "forbidden"),
            (&["login", "feed"], "forbidden"),
        ] {
            let refused = reader.run(words).await?;
            ensure!(refused.code == 1 && refused.errors.contains(part), "{words:?}: {refused:?}");
        }
        ensure!(uid(&feed.pod().await?) == pod, "the pod stays");
        Ok(())
    })
    .await
}
