//! The metrics, scraped over HTTP and read by Prometheus' own parser: what they say is so, and their labels are bounded.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../simulator/tests/clients/packages.rs"]
mod packages;
#[path = "../server/mod.rs"]
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use common::*;
use marketstream_crds::MarketStreamSpec;
use serde::Deserialize;
use serde_json::{Value, json};
use server::Server;

const PREFIX: &str = "marketstream_streamer_";

type Labels = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
struct Sample {
    name: String,
    labels: Labels,
    value: f64,
    r#type: String,
    help: String,
}

/// A scrape.
struct Metrics(Vec<Sample>);

impl Metrics {
    async fn scrape(server: &Server) -> Self {
        let (status, text) = server.get("/metrics").await;
        assert_eq!(status, 200);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics");
        let mut parser = Command::new("python3")
            .arg("-sB")
            .arg(folder.join("parse.py"))
            .env("PYTHONPATH", packages::packages(&folder.join("requirements.txt"), "python-metrics"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        parser.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = parser.wait_with_output().unwrap();
        assert!(output.status.success(), "the parser takes it");
        let lines = String::from_utf8(output.stdout).unwrap();
        let metrics = Self(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect());
        metrics.assert_well_formed();
        metrics
    }

    /// Names, types and help as Prometheus wants them, no series twice, and no label but these.
    fn assert_well_formed(&self) {
        let mut series = BTreeSet::new();
        for sample in &self.0 {
            assert!(sample.name.starts_with(PREFIX) && !sample.help.is_empty(), "{sample:?}");
            let counts = sample.name.ends_with("_total");
            assert_eq!(sample.r#type, if counts { "counter" } else { "gauge" }, "{sample:?}");
            let labels: Vec<&str> = sample.labels.keys().map(String::as_str).collect();
            let known = matches!(
                labels[..],
                [] | ["code"] | ["state"] | ["contract"] | ["contract", "tick"] | ["contract", "state", "tick"]
            );
            assert!(known, "{sample:?}");
            assert!(series.insert((&sample.name, &sample.labels)), "twice: {sample:?}");
        }
    }

    fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let name = format!("{PREFIX}{name}");
        let wanted: Labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.0.iter().find(|sample| sample.name == name && sample.labels == wanted).map(|sample| sample.value)
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} {labels:?}"))
    }

    /// The value of the label `state` of the only series of these that is 1.
    fn state(&self, name: &str, contract: Option<(&str, &str)>) -> &str {
        let name = format!("{PREFIX}{name}");
        let of = |sample: &&Sample| {
            let stream = sample.labels.get("contract").zip(sample.labels.get("tick"));
            sample.name == name && stream.map(|(contract, tick)| (contract.as_str(), tick.as_str())) == contract
        };
        let on: Vec<&Sample> = self.0.iter().filter(of).filter(|sample| sample.value == 1.0).collect();
        assert_eq!(on.len(), 1, "{name} {contract:?}: {on:?}");
        assert!(self.0.iter().filter(of).all(|sample| sample.value == 0.0 || sample.value == 1.0));
        &on[0].labels["state"]
    }

    fn labels(&self, name: &str) -> BTreeSet<&str> {
        self.0.iter().filter_map(|sample| sample.labels.get(name)).map(String::as_str).collect()
    }
}

/// As [`spec`], with times that a busy machine keeps: nothing falls silent, and the session stays.
fn calm(contracts: Value, port: u16) -> MarketStreamSpec {
    let gateway = json!({"host": "127.0.0.1", "ports": [port]});
    serde_json::from_value(json!({
        "contracts": contracts,
        "gateway": {"external": gateway, "reconnectDelay": "200ms", "probeInterval": "2s"},
        "limits": {"sameInstrumentSpacing": "300ms"},
    }))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scrape_says_is_so() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    let server = Server::start(&streamer);
    let before = Metrics::scrape(&server).await;
    assert_eq!((before.value("session_up", &[]), before.state("session_state", None)), (0.0, "Connecting"));
    assert_eq!(before.find("probe_latency_seconds", &[]), None, "no probe was answered");

    let both = json!([sim1(&["Last", "BidAsk"]), {"name": "sim2", "conId": SIM2, "ticks": ["MidPoint"]}]);
    streamer.apply(&calm(both, gateway.port()));
    streamer.until_flowing().await;
    until("a probe is answered", async || streamer.facts().counters.probe().is_some()).await;
    let ticks = |key: &str| {
        let snapshot = streamer.facts().session.borrow().clone();
        snapshot.streams.iter().find(|stream| stream.key.to_string() == key).unwrap().pulse.ticks() as f64
    };
    for (contract, tick) in [("sim1", "Last"), ("sim1", "BidAsk"), ("sim2", "MidPoint")] {
        let (labels, key) = ([("contract", contract), ("tick", tick)], format!("{contract}/{tick}"));
        let least = ticks(&key);
        let metrics = Metrics::scrape(&server).await;
        let counted = metrics.value("ticks_total", &labels);
        assert!(least > 0.0 && (least..=ticks(&key)).contains(&counted), "{key}: {counted}");
        assert!((0.0..60.0).contains(&metrics.value("last_tick_age_seconds", &labels)), "{key}");
        assert_eq!(metrics.state("stream_state", Some((contract, tick))), "Flowing");
        assert_eq!(metrics.value("stream_restarts_total", &labels), 0.0);
        let gap = |state| metrics.value("gaps", &[labels[0], ("state", state), labels[1]]);
        assert_eq!([gap("filled"), gap("approximate"), gap("unfillable")], [0.0; 3]);
    }
    let metrics = Metrics::scrape(&server).await;
    assert_eq!((metrics.value("session_up", &[]), metrics.state("session_state", None)), (1.0, "Connected"));
    let (latency, lag) = (metrics.value("probe_latency_seconds", &[]), metrics.value("lag_notices_total", &[]));
    assert!(latency > 0.0 && latency < 60.0 && lag == 0.0, "{latency} {lag}");
    assert_eq!(metrics.value("reconnects_total", &[]), 0.0);
    let gaps = |metrics: &Metrics| -> f64 {
        let of = |sample: &&Sample| sample.name == format!("{PREFIX}gaps") && sample.labels["contract"] == "sim1";
        metrics.0.iter().filter(of).map(|sample| sample.value).sum()
    };
    let before = gaps(&metrics);

    // A lost session, and notices of any code that a gateway could think of.
    gateway.close_sockets().await;
    until("it is back", async || server.metric("reconnects_total").await == 1.0).await;
    streamer.until_flowing().await;
    (10_000..11_000).for_each(|code| streamer.facts().counters.notice(code));
    let metrics = Metrics::scrape(&server).await;
    assert_eq!(gaps(&metrics), before + 2.0, "one in each stream");
    let codes = metrics.labels("code");
    assert!(codes.len() <= 201 && codes.contains("other") && codes.contains("2104"), "{codes:?}");
    assert!(metrics.value("notices_total", &[("code", "2104")]) >= 1.0);
    assert_eq!(metrics.labels("contract"), BTreeSet::from(["sim1", "sim2"]));

    // What leaves the manifest leaves the metrics.
    streamer.apply(&calm(json!([sim1(&["Last"])]), gateway.port()));
    streamer.until("one stream is left", |status| status.total == 1).await;
    let metrics = Metrics::scrape(&server).await;
    assert_eq!((metrics.labels("contract"), metrics.labels("tick")), (["sim1"].into(), ["Last"].into()));
    streamer.stop().await;
}
