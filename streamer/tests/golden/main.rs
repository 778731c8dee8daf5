//! Recordings are what ib-stream's readers read, byte for byte, by an encoder and a reader that are not ours: Google's.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "../../../simulator/tests/clients/packages.rs"]
mod packages;

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use marketstream_proto::{Source, TickKind, TickMessage};
use marketstream_streamer::{
    backfill::{ledger::Recorded, store::Files},
    clock::Clock,
    facts::Heart,
    recorder::{Cadence, Recorder},
};
use serde_json::{Value, json};

const HOUR: i64 = 1_795_467_600;
/// The kinds that ib-stream has.
const KINDS: [TickKind; 4] = [TickKind::Last, TickKind::AllLast, TickKind::BidAsk, TickKind::MidPoint];
/// Prices that are easily lost: zero of both signs, the smallest, the largest, a third, a negative one (oil, April 2020).
const PRICES: [f64; 8] = [23_202.25, 0.0, -0.0, -37.63, 1.0 / 3.0, 5e-324, f64::MAX, 0.1];

/// Ticks of every kind, over the end of an hour, with every field there and absent.
fn ticks() -> Vec<TickMessage> {
    let mut ticks = Vec::new();
    for kind in KINDS {
        for (at, price) in (0..).zip(PRICES) {
            let second = HOUR + 3_596 + at;
            let base = TickMessage {
                ts: second * 1_000_000,
                st: second * 1_000_000 + 477_848 * (at % 2),
                cid: if at % 2 == 0 { 711_280_073 } else { i32::MAX },
                tt: kind.as_str().to_owned(),
                ..TickMessage::default()
            };
            let flag = (at % 3 == 0).then_some(true);
            ticks.push(match kind {
                TickKind::BidAsk => TickMessage {
                    bp: Some(price),
                    bs: Some(3.0),
                    ap: Some(price + 0.25),
                    r#as: Some(0.0),
                    bpl: flag,
                    aph: (at % 2 == 0).then_some(true),
                    ..base
                },
                TickKind::MidPoint => TickMessage { mp: Some(price), ..base },
                _ => TickMessage {
                    p: Some(price),
                    s: Some(at as f64),
                    upt: flag,
                    exchange: (at % 2 == 0).then(|| "CME é€𝄞".to_owned()),
                    conditions: (at % 4 == 1).then(|| " 4 I".to_owned()),
                    past_limit: flag,
                    ..base
                },
            });
        }
    }
    ticks
}

fn line(tick: &TickMessage) -> Value {
    json!({
        "ts": tick.ts, "st": tick.st, "cid": tick.cid, "tt": tick.tt, "rid": tick.rid, "p": tick.p, "s": tick.s,
        "bp": tick.bp, "bs": tick.bs, "ap": tick.ap, "as": tick.r#as, "mp": tick.mp, "bpl": tick.bpl, "aph": tick.aph,
        "upt": tick.upt, "exchange": tick.exchange, "conditions": tick.conditions, "past_limit": tick.past_limit,
        "sequence": tick.sequence, "source": tick.source, "volume": tick.volume,
    })
}

/// Runs the comparison over a data directory.
fn compare(data: &Path, ticks: &[TickMessage]) -> Output {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut python = Command::new("python3")
        .arg("-sB")
        .arg(here.join("ib_stream.py"))
        .arg(data)
        .env("PYTHONPATH", packages::packages(&here.join("requirements.txt"), "python-protobuf"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = ticks.iter().map(|tick| format!("{}\n", line(tick))).collect();
    python.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    python.wait_with_output().unwrap()
}

/// Numbers ticks as their files should.
fn numbered(mut ticks: Vec<TickMessage>) -> Vec<TickMessage> {
    let mut last = std::collections::HashMap::new();
    for tick in &mut ticks {
        let number = last.entry((tick.cid, tick.tt.clone(), tick.ts / 3_600_000_000)).or_insert(0);
        *number += 1;
        tick.sequence = *number;
    }
    ticks
}

#[test]
fn recordings_are_byte_for_byte_what_googles_encoder_writes_and_ib_streams_reader_reads() {
    let data = tempfile::tempdir().unwrap();
    let ticks = ticks();
    let clock = Clock::start();
    let cadence = Cadence { flush: Duration::from_millis(1), sync: Duration::from_millis(100) };
    let recorder = Recorder::start(data.path().to_owned(), cadence, clock, Arc::new(Heart::new(clock))).unwrap();
    assert!(ticks.iter().all(|tick| recorder.feed().tick(tick)));
    recorder.stop();
    let mut expected = numbered(ticks.clone());

    let fetched: Vec<_> =
        ticks.into_iter().map(|tick| TickMessage { source: Source::Backfill.into(), ..tick }).collect();
    for tick in &fetched {
        let stream = Recorded { con_id: tick.cid, kind: TickKind::parse(&tick.tt).unwrap() };
        Files::new(data.path()).add(stream, std::slice::from_ref(tick)).unwrap();
    }
    expected.extend(numbered(fetched));

    let output = compare(data.path(), &expected);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected.len().to_string());

    // The comparison sees the smallest difference.
    expected[5].bs = Some(3.0 + f64::EPSILON * 2.0);
    let output = compare(data.path(), &expected);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("is not"), "{output:?}");
}
