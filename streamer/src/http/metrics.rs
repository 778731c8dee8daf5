//! `/metrics`. The registry is made anew for each scrape from the facts, so a contract that left the manifest leaves the
//! metrics too.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use marketstream_crds::{SocketState, StreamState};
use prometheus::{
    Encoder, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
};

use super::Served;
use crate::{
    backfill::ledger::GapState,
    cli::stored_kind,
    drift::Drift,
    facts::{Facts, OTHER_CODES},
    health::silence,
};

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

const SOCKET_STATES: [SocketState; 8] = [
    SocketState::Connecting,
    SocketState::Connected,
    SocketState::Refused,
    SocketState::Closed,
    SocketState::NoHandshake,
    SocketState::ProbeTimeout,
    SocketState::ClientIdInUse,
    SocketState::NotAGateway,
];
const GAP_STATES: [&str; 4] = ["open", "filled", "approximate", "unfillable"];

/// The metrics in Prometheus' text format.
///
/// # Errors
/// Only when two metrics have one name, which a test rules out.
pub fn render(served: &Served) -> Result<String, prometheus::Error> {
    let facts = &served.view.facts;
    let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
    streams(facts, &registry)?;
    gaps(facts, &registry)?;
    session(facts, &registry)?;
    readers(served, &registry)?;
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

/// Streams by contract and tick. While a future rolls, its name stands for both contracts: counts add up, the age is that
/// of the newest tick, the silence the longest, and the states of both are 1.
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
    let mut newest = BTreeMap::new();
    for stream in &snapshot.streams {
        let labels = [stream.key.contract.as_str(), stream.key.tick.as_str()];
        ticks.with_label_values(&labels).inc_by(stream.pulse.ticks());
        corrupt.with_label_values(&labels).inc_by(stream.pulse.corrupt_ticks());
        restarts.with_label_values(&labels).inc_by(u64::try_from(stream.restarts).unwrap_or(0));
        let last_tick = stream.pulse.last_tick();
        if let Some(tick) = last_tick {
            newest.entry(labels).and_modify(|newest| *newest = tick.max(*newest)).or_insert(tick);
        }
        let silent = silent.with_label_values(&labels);
        silent.set(silent.get().max(silence(stream.counted_from, last_tick, now).as_secs_f64()));
        for known in STATES {
            let state = state.with_label_values(&[labels[0], labels[1], &format!("{known:?}")]);
            state.set(state.get().max(i64::from(known == stream.state)));
        }
    }
    for (labels, tick) in newest {
        age.with_label_values(&labels).set(now.saturating_sub(tick).as_secs_f64());
    }
    let days = Opts::new("contract_days_left", "Calendar days until the last trade date; negative once it has passed.");
    let days = add(registry, IntGaugeVec::new(days, &["contract"])?)?;
    let wall = facts.clock.now().wall;
    let mut soonest = BTreeMap::new();
    for contract in &snapshot.contracts {
        if let Some(expiry) = &contract.expiry {
            let left = i64::from(expiry.days_left(wall));
            soonest.entry(&contract.name).and_modify(|soonest: &mut i64| *soonest = left.min(*soonest)).or_insert(left);
        }
    }
    for (name, left) in soonest {
        days.with_label_values(&[name]).set(left);
    }
    Ok(())
}

/// Gaps by stream and state, of the streams of the manifest: what left it stays in the ledger.
fn gaps(facts: &Facts, registry: &Registry) -> Result<(), prometheus::Error> {
    let gauge = Opts::new("gaps", "Gaps in the ledger, by what became of them.");
    let gauge = add(registry, IntGaugeVec::new(gauge, &["contract", "tick", "state"])?)?;
    let snapshot = facts.session.borrow().clone();
    let mut counts: BTreeMap<_, [i64; GAP_STATES.len()]> = BTreeMap::new();
    for gap in snapshot.gaps.0.gaps() {
        let place = match gap.state {
            GapState::Open | GapState::Pending => 0,
            GapState::Filled => 1,
            GapState::Approximate => 2,
            GapState::Unfillable => 3,
        };
        counts.entry((gap.stream.con_id, gap.stream.kind)).or_default()[place] += 1;
    }
    for stream in &snapshot.streams {
        let known = stream.con_id.and_then(|con_id| counts.get(&(con_id, stored_kind(stream.key.tick))));
        for (state, count) in GAP_STATES.into_iter().zip(known.copied().unwrap_or_default()) {
            gauge.with_label_values(&[stream.key.contract.as_str(), stream.key.tick.as_str(), state]).add(count);
        }
    }
    Ok(())
}

fn readers(served: &Served, registry: &Registry) -> Result<(), prometheus::Error> {
    let gauge = add(registry, IntGauge::new("live_readers", "Live streams that are being read.")?)?;
    gauge.set(i64::try_from(served.live_readers()).unwrap_or(i64::MAX));
    let dropped = served.slow_readers.load(Ordering::Relaxed);
    counter(registry, "slow_readers_total", "Live streams that were ended because the reader did not keep up.", dropped)
}

fn sealing(facts: &Facts, registry: &Registry) -> Result<(), prometheus::Error> {
    let sealing = facts.sealing.borrow().clone();
    counter(registry, "sealed_files_total", "Parquet files written.", sealing.files)?;
    counter(registry, "sealed_ticks_total", "Ticks in the Parquet files written.", sealing.rows)?;
    let gauge = |name: &str, help: &str, value: u64| -> Result<(), prometheus::Error> {
        add(registry, IntGauge::new(name, help)?)?.set(i64::try_from(value).unwrap_or(i64::MAX));
        Ok(())
    };
    gauge("seal_waiting_hours", "Hours that are over and wait for their gaps to be filled.", sealing.waiting)?;
    gauge("seal_failing", "1 if the last sealing failed.", sealing.failed.is_some().into())?;
    if let Some(deleted) = sealing.deleted {
        counter(registry, "deleted_files_total", "Files that retention deleted from the volume.", deleted.files)?;
        counter(registry, "deleted_bytes_total", "Bytes of the files that retention deleted.", deleted.bytes)?;
        gauge(
            "retention_held_files",
            "Recordings older than retentionDays, not sealed or archived yet.",
            deleted.held,
        )?;
    }
    let Some(archive) = sealing.archive else { return Ok(()) };
    counter(registry, "archived_files_total", "Files uploaded to the archive.", sealing.uploaded)?;
    gauge("archive_pending_files", "Sealed files that the archive does not have yet.", archive.pending)?;
    gauge("archive_failing", "1 if the last attempt to upload failed.", archive.error.is_some().into())
}

/// Absent while nothing is known, so that no alert takes a 0 for a measurement.
fn drift(drift: &Drift, now: Duration, registry: &Registry) -> Result<(), prometheus::Error> {
    let gauge = |name: &str, help: &str, value: f64| -> Result<(), prometheus::Error> {
        add(registry, Gauge::new(name, help)?)?.set(value);
        Ok(())
    };
    if let Some(sample) = drift.gateway(now) {
        gauge("clock_drift_seconds", "This machine's clock minus the gateway's.", sample.drift)?;
        gauge("clock_drift_precision_seconds", "To how much clock_drift_seconds is right.", sample.precision)?;
    }
    if let Some(least) = drift.least_delay() {
        let help = "Least time from the begin of a tick's second (IBKR's) to its arrival, of the last one or two minutes: \
                    drift and way, and up to a second more where ticks are few.";
        gauge("tick_delay_floor_seconds", help, least)?;
    }
    Ok(())
}

fn session(facts: &Facts, registry: &Registry) -> Result<(), prometheus::Error> {
    let (counters, snapshot) = (&facts.counters, facts.session.borrow().clone());
    let storage = facts.storage.borrow().clone();
    let up = add(registry, IntGauge::new("session_up", "1 while the API session is up.")?)?;
    up.set(i64::from(snapshot.socket.is_up()));
    let state = Opts::new("session_state", "1 for the state of the API session, 0 for all others.");
    let state = add(registry, IntGaugeVec::new(state, &["state"])?)?;
    for known in SOCKET_STATES {
        state.with_label_values(&[&format!("{known:?}")]).set(i64::from(known == snapshot.socket.state));
    }
    let level = add(registry, IntGauge::new("level", "Highest rung of recovery that an open incident has reached.")?)?;
    level.set(i64::from(facts.recovery.borrow().level));
    let queue = add(registry, IntGauge::new("recorder_queue_ticks", "Ticks that wait for the recorder.")?)?;
    queue.set(i64::try_from(facts.feed.waiting()).unwrap_or(i64::MAX));
    let writable = add(registry, IntGauge::new("storage_writable", "1 if the last write and sync succeeded.")?)?;
    writable.set(i64::from(storage.writable));
    if let Some(latency) = counters.probe() {
        let probe = Gauge::new("probe_latency_seconds", "Round trip of the last answered time probe.")?;
        add(registry, probe)?.set(latency.as_secs_f64());
    }
    drift(&counters.drift, facts.clock.mono(), registry)?;
    let reconnects = counters.reconnects.load(Ordering::Relaxed);
    counter(registry, "reconnects_total", "API sessions after the first.", reconnects)?;
    let dropped = u64::try_from(storage.dropped).unwrap_or(0);
    counter(registry, "dropped_ticks_total", "Ticks received that could not be kept.", dropped)?;
    let lagged = counters.lagged.load(Ordering::Relaxed);
    counter(registry, "lag_notices_total", "Times the client library dropped frames of a subscription.", lagged)?;
    sealing(facts, registry)?;
    let notices =
        IntCounterVec::new(Opts::new("notices_total", "Notices and errors of the gateway by code."), &["code"])?;
    let notices = add(registry, notices)?;
    for (code, count) in counters.notices() {
        let code = if code == OTHER_CODES { "other".to_owned() } else { code.to_string() };
        notices.with_label_values(&[&code]).inc_by(count);
    }
    Ok(())
}
