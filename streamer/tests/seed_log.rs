//! The log lines of the seed's manual, which its users search for: each one word for word, at its level, when what it
//! says happens.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use common::*;
use marketstream_crds::{ActionKind, SocketState};
use marketstream_streamer::facts::Recovery;
use serde_json::json;

/// Level, tab, line.
const LINES: &str = include_str!("fixtures/seed-log-lines.txt");

/// What stands in the manual's examples for what is different each time, and what stands for it here.
const EXAMPLES: [(&str, &str); 5] =
    [("711280073", "900001"), ("(MNQ)", "(SIM1)"), ("0:01:30", ""), ("0.0.0.0:4002", ""), (" 851", " ")];

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// As the program starts it, but for where it goes.
    fn start() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
        log
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn end(&self) -> usize {
        self.text().len()
    }

    /// Waits until the manual's line that contains `part` stands in the log behind `from`, at its level.
    async fn until(&self, from: usize, part: &str) {
        let (level, line) = manual().into_iter().find(|(_, line)| line.contains(part)).unwrap();
        until(&format!("{level} {line}"), async || self.has(from, level, line)).await;
    }

    fn has(&self, from: usize, level: &str, line: &str) -> bool {
        let pieces = pieces(line);
        self.text()[from..].lines().any(|logged| {
            let Some((_, said)) = logged.split_once(&format!(" {level} ")) else { return false };
            let Some((_, mut rest)) = said.split_once(": ") else { return false };
            rest.starts_with(pieces[0].as_str())
                && pieces.iter().all(|piece| match rest.split_once(piece.as_str()) {
                    Some((_, behind)) => {
                        rest = behind;
                        true
                    }
                    None => false,
                })
        })
    }
}

fn manual() -> Vec<(&'static str, &'static str)> {
    LINES.lines().map(|line| line.split_once('\t').unwrap()).collect()
}

/// The parts of a line that are always the same, or known here.
fn pieces(line: &str) -> Vec<String> {
    let mut line = line.to_owned();
    for (example, here) in EXAMPLES {
        line = line.replace(example, if here.is_empty() { "\0" } else { here });
    }
    line.split('\0').filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
}

fn recovery(level: u8) -> Recovery {
    let incident = json!({"id": "1", "scope": "Session", "since": "2026-11-24T00:00:00Z", "cause": "Zombie",
        "level": level, "attempts": 0});
    Recovery { level, incidents: vec![serde_json::from_value(incident).unwrap()], ..Recovery::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_the_manual_is_logged_when_it_happens() {
    let log = Log::start();
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    let spec = spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]);

    streamer.apply(&spec);
    log.until(0, "Attempting to connect").await;
    streamer.until_flowing().await;
    log.until(0, "socket_connected=True, data_flowing=True").await;
    assert!(log.text().contains(&format!("Attempting to connect to 127.0.0.1:{} with client ID 851", gateway.port())));

    // A zombie, through all rungs.
    let from = log.end();
    gateway.begin(json!({"kind": "silence", "scope": {"all": true}, "cure": "Reconnect"})).await;
    log.until(from, "socket_connected=True, data_flowing=False").await;
    log.until(from, "No Error 10189").await;
    assert!(!log.text().contains("STALE DATA") && !log.text().contains("Restarting streams"));
    streamer.recovery(recovery(1));
    log.until(from, "STALE DATA (Level 1)").await;
    let streams = ["sim1/Last", "sim1/BidAsk"];
    streamer.send(&spec, Some(851), Some(action("1", ActionKind::RestartStreams, &streams, 851)));
    log.until(from, "Restarting streams").await;
    streamer.recovery(recovery(3));
    assert!(!log.text().contains("✅"));
    let from = log.end();
    streamer.send(&spec, Some(852), Some(action("2", ActionKind::Reconnect, &[], 852)));
    log.until(from, "✅").await;
    assert!(!log.text().contains("CRITICAL"));
    streamer.recovery(recovery(4));
    log.until(from, "CRITICAL").await;
    streamer.recovery(Recovery::default());
    streamer.until_flowing().await;
    log.until(from, "socket_connected=True, data_flowing=True").await;

    // Another session of the same user.
    let from = log.end();
    assert!(!log.text().contains("Error 10189: Trading"));
    let text = "Failed to request tick-by-tick data:Trading TWS session is connected from a different IP address";
    gateway.begin(json!({"kind": "reject", "scope": {"all": true}, "code": 10189, "text": text})).await;
    streamer.send(&spec, Some(852), Some(action("3", ActionKind::RestartStreams, &streams, 852)));
    log.until(from, "Error 10189: Trading").await;
    gateway.end_faults().await;

    // A gateway that hangs, and one that is gone.
    let from = log.end();
    gateway.begin(json!({"kind": "hang"})).await;
    streamer.until("the unanswered probes", |status| status.socket.state != SocketState::Connected).await;
    log.until(from, "socket_connected=False, data_flowing=False").await;
    log.until(from, "Connection timeout").await;
    gateway.end_faults().await;
    let from = log.end();
    gateway.begin(json!({"kind": "refuse"})).await;
    gateway.close_sockets().await;
    log.until(from, "Connection failure").await;
    streamer.stop().await;

    // All of them came.
    for (level, line) in manual() {
        assert!(log.has(0, level, line), "{level} {line}");
    }
}
