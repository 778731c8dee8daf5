//! `/metrics`. The registry is made anew for each scrape from the facts, so a contract that left the manifest leaves the
//! metrics too.

use std::sync::atomic::Ordering;

use marketstream_crds::StreamState;
use prometheus::{
    Encoder, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
};

use crate::{facts::Facts, health::silence};

const PREFIX: &str = "marketstream_streamer";
const STATES: [StreamState; 9] = [
    StreamState::Pending,
    StreamState::Flowing,
    StreamState::Stale,
    StreamState::Quiet,
    StreamState::Halted,
    StreamState::Idle,
    StreamState::Rejected,
    StreamState::Overflow,
    StreamState::Expired,
];

/// The metrics in Prometheus' text format.
///
/// # Errors
/// Only when two metrics have one name, which a test rules out.
pub fn render(facts: &Facts) -> Result<String, prometheus::Error> {
    let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
    streams(facts, &registry)?;
    session(facts, &registry)?;
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn add<T: Collector + Clone + 'static>(registry: &Registry, metric: T) -> Result<T, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counter(registry: &Registry, name: &str, help: &str, value: u64) -> Result<(), prometheus::Error> {
    add(registry, IntCounter::new(name, help)?)?.inc_by(value);
    Ok(())
}

fn streams(facts: &Facts, registry: &Registry) -> Result<(), prometheus::Error> {
    const LABELS: [&str; 2] = ["contract", "tick"];
    let counters = |name: &str, help: &str| add(registry, IntCounterVec::new(Opts::new(name, help), &LABELS)?);
    let gauges = |name: &str, help: &str| add(registry, GaugeVec::new(Opts::new(name, help), &LABELS)?);
    let ticks = counters("ticks_total", "Ticks received.")?;
    let corrupt = counters("corrupt_ticks_total", "Ticks received that cannot be true and were not stored.")?;
    let restarts = counters("stream_restarts_total", "How often the stream was subscribed again.")?;
    let age = gauges("last_tick_age_seconds", "Time since the last tick; absent before the first.")?;
    let silent = gauges("stream_silent_seconds", "For how long data that should have come did not.")?;
    let state = Opts::new("stream_state", "1 for the state of the stream, 0 for all others.");
    let state = add(registry, IntGaugeVec::new(state, &["contract", "tick", "state"])?)?;

    let now = facts.clock.mono();
    let snapshot = facts.session.borrow().clone();
    for stream in &snapshot.streams {
        let labels = [stream.key.contract.as_str(), stream.key.tick.as_str()];
        ticks.with_label_values(&labels).inc_by(stream.pulse.ticks());
        corrupt.with_label_values(&labels).inc_by(stream.pulse.corrupt_ticks());
        restarts.with_label_values(&labels).inc_by(u64::try_from(stream.restarts).unwrap_or(0));
        let last_tick = stream.pulse.last_tick();
        if let Some(tick) = last_tick {
            age.with_label_values(&labels).set(now.saturating_sub(tick).as_secs_f64());
        }
        silent.with_label_values(&labels).set(silence(stream.counted_from, last_tick, now).as_secs_f64());
        for known in STATES {
            let value = i64::from(known == stream.state);
            state.with_label_values(&[labels[0], labels[1], &format!("{known:?}")]).set(value);
        }
    }
    Ok(())
}

fn session(facts: &Facts, registry: &Registry) -> Result<(), prometheus::Error> {
    let (counters, snapshot) = (&facts.counters, facts.session.borrow().clone());
    let storage = facts.storage.borrow().clone();
    let up = add(registry, IntGauge::new("session_up", "1 while the API session is up.")?)?;
    up.set(i64::from(snapshot.socket.is_up()));
    let writable = add(registry, IntGauge::new("storage_writable", "1 if the last write and sync succeeded.")?)?;
    writable.set(i64::from(storage.writable));
    let probe = Gauge::new("probe_latency_seconds", "Round trip of the last answered time probe.")?;
    add(registry, probe)?.set(counters.probe_micros.load(Ordering::Relaxed) as f64 / 1e6);
    let reconnects = counters.reconnects.load(Ordering::Relaxed);
    counter(registry, "reconnects_total", "API sessions after the first.", reconnects)?;
    let dropped = u64::try_from(storage.dropped).unwrap_or(0);
    counter(registry, "dropped_ticks_total", "Ticks received that could not be kept.", dropped)?;
    let lagged = counters.lagged.load(Ordering::Relaxed);
    counter(registry, "lag_notices_total", "Times the client library dropped frames of a subscription.", lagged)?;
    let notices =
        IntCounterVec::new(Opts::new("notices_total", "Notices and errors of the gateway by code."), &["code"])?;
    let notices = add(registry, notices)?;
    for (code, count) in counters.notices() {
        notices.with_label_values(&[&code.to_string()]).inc_by(count);
    }
    Ok(())
}
