//! Metrics, under controller-runtime's names where it has one, so that stock dashboards and alerts work.

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
};

/// The controller's name in labels.
const CONTROLLER: &str = "marketstream";
/// From a cached no-op (milliseconds) to a reconcile that ran into its time limit.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0];

/// All metrics of the operator.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    errors: IntCounterVec,
    seconds: Histogram,
    active: IntGauge,
    leader: IntGauge,
    notices: IntCounterVec,
    actions: IntCounterVec,
    outcomes: IntCounterVec,
    streams: IntGaugeVec,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// Never for these constant names.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        Ok(Self {
            reconciles: register(
                &registry,
                IntCounterVec::new(
                    Opts::new("controller_runtime_reconcile_total", "Reconciles by result")
                        .const_label("controller", CONTROLLER),
                    &["result"],
                )?,
            )?,
            errors: register(
                &registry,
                IntCounterVec::new(
                    Opts::new("controller_runtime_reconcile_errors_total", "Failed reconciles by kind of error")
                        .const_label("controller", CONTROLLER),
                    &["kind"],
                )?,
            )?,
            seconds: register(
                &registry,
                Histogram::with_opts(
                    HistogramOpts::new("controller_runtime_reconcile_time_seconds", "Duration of a reconcile")
                        .const_label("controller", CONTROLLER)
                        .buckets(BUCKETS.to_vec()),
                )?,
            )?,
            active: register(
                &registry,
                IntGauge::with_opts(
                    Opts::new("controller_runtime_active_workers", "Reconciles under way")
                        .const_label("controller", CONTROLLER),
                )?,
            )?,
            leader: register(
                &registry,
                IntGauge::with_opts(Opts::new("leader_election_master_status", "Whether this process leads"))?,
            )?,
            notices: register(
                &registry,
                IntCounterVec::new(
                    Opts::new("marketstream_operator_notices_total", "Events by reason and action"),
                    &["reason", "action"],
                )?,
            )?,
            actions: register(
                &registry,
                IntCounterVec::new(
                    Opts::new("marketstream_operator_actions_total", "Actions issued, by kind"),
                    &["kind"],
                )?,
            )?,
            outcomes: register(
                &registry,
                IntCounterVec::new(
                    Opts::new("marketstream_operator_action_outcomes_total", "Actions that ended, by kind and outcome"),
                    &["kind", "outcome"],
                )?,
            )?,
            streams: register(
                &registry,
                IntGaugeVec::new(Opts::new("marketstream_operator_resources", "MarketStreams by health"), &["health"])?,
            )?,
            registry,
        })
    }

    /// A reconcile began; the guard's end is its end.
    #[must_use]
    pub fn reconcile(&self) -> Running<'_> {
        self.active.inc();
        Running { active: &self.active, _timer: self.seconds.start_timer() }
    }

    /// A reconcile ended well.
    pub fn reconciled(&self, requeue: bool) {
        self.reconciles.with_label_values(&[if requeue { "requeue_after" } else { "success" }]).inc();
    }

    /// A reconcile failed.
    pub fn failed(&self, kind: &'static str) {
        self.reconciles.with_label_values(&["error"]).inc();
        self.errors.with_label_values(&[kind]).inc();
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Whether this process leads now.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        self.leader.get() != 0
    }

    /// People were told something.
    pub fn noticed(&self, reason: &str, action: &str) {
        self.notices.with_label_values(&[reason, action]).inc();
    }

    /// An action was written.
    pub fn acted(&self, kind: &str) {
        self.actions.with_label_values(&[kind]).inc();
    }

    /// An action ended.
    pub fn ended(&self, kind: &str, outcome: &str) {
        self.outcomes.with_label_values(&[kind, outcome]).inc();
    }

    /// How many MarketStreams have which health.
    pub fn healths<'a>(&self, counts: impl Iterator<Item = (&'a str, i64)>) {
        self.streams.reset();
        for (health, count) in counts {
            self.streams.with_label_values(&[health]).set(count);
        }
    }

    /// The text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "metrics were not encoded");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// A reconcile under way.
#[derive(Debug)]
pub struct Running<'a> {
    active: &'a IntGauge,
    _timer: prometheus::HistogramTimer,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.active.dec();
    }
}
