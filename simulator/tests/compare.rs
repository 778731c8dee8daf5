//! The command `compare`, on recordings of a client.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use ib_gateway_sim::judge::RecordedTick;
use ib_gateway_sim::market::tick::TickType;
use marketstream_proto::layout::HourFile;
use marketstream_proto::{TickKind, TickMessage, framing};
use serde_json::{Value, json};
use support::raw::Raw;
use support::*;

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ib-gateway-sim")).arg("compare").args(arguments).output().unwrap()
}

/// Exit code and outcome.
fn judged(arguments: &[&str]) -> (i32, Value) {
    let output = command(&[arguments, &["-o", "json"]].concat());
    let code = output.status.code().unwrap();
    assert!(code < 2, "{}", String::from_utf8_lossy(&output.stderr));
    (code, serde_json::from_slice(&output.stdout).unwrap())
}

/// What a client recorded of some seconds of two streams.
async fn record(gateway: &Gateway) -> Vec<RecordedTick> {
    let mut recorded = Vec::new();
    let mut client = Raw::connect(gateway, 1).await;
    client.subscribe(1, SIM1, TickType::BidAsk).await;
    client.subscribe(2, SIM1, TickType::AllLast).await;
    let first = client.tick(SIM1).await;
    let until = first.time_s + 4;
    recorded.push(first);
    loop {
        let tick = client.tick(SIM1).await;
        if tick.time_s > until {
            return recorded;
        }
        recorded.push(tick);
    }
}

fn write_lines(path: &Path, ticks: &[RecordedTick]) {
    let lines: Vec<String> = ticks.iter().map(|tick| serde_json::to_string(tick).unwrap() + "\n").collect();
    std::fs::write(path, lines.concat()).unwrap();
}

fn write_layout(dir: &Path, ticks: &[RecordedTick]) {
    for tick in ticks {
        let kind = match tick.tick {
            TickType::BidAsk => TickKind::BidAsk,
            TickType::AllLast => TickKind::AllLast,
            _ => unreachable!(),
        };
        let fields = tick.fields.clone();
        let message = TickMessage {
            ts: tick.time_s * 1_000_000,
            cid: tick.con_id,
            tt: kind.as_str().to_owned(),
            p: fields.price,
            s: fields.size,
            exchange: fields.exchange,
            conditions: fields.conditions,
            past_limit: fields.past_limit,
            upt: fields.unreported,
            bp: fields.bid,
            ap: fields.ask,
            bs: fields.bid_size,
            r#as: fields.ask_size,
            bpl: fields.bid_past_low,
            aph: fields.ask_past_high,
            // The comparison goes by the order in the file.
            sequence: 1,
            ..TickMessage::default()
        };
        let path = dir.join(HourFile::of_tick(tick.con_id, kind, message.ts).path().unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap_or_default();
        framing::append(&mut bytes, &message).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[tokio::test]
async fn a_recording_is_equal_until_a_tick_is_missing_doubled_altered_or_moved() {
    let gateway = Gateway::start().await;
    let recorded = record(&gateway).await;
    let admin = format!("http://{}", gateway.sim.admin_addr());
    let dir = tempfile::tempdir().unwrap();
    let lines = dir.path().join("ticks.ndjson");
    let layout = dir.path().join("data");
    write_lines(&lines, &recorded);
    write_layout(&layout, &recorded);
    let state = gateway.dir.path().to_str().unwrap().to_owned();
    let (lines_path, layout_path) = (lines.to_str().unwrap().to_owned(), layout.to_str().unwrap().to_owned());
    // A running simulator, by its admin port and by its state directory, and one that has ended.
    let running = tokio::task::spawn_blocking({
        let (state, lines, layout) = (state.clone(), lines_path.clone(), layout_path.clone());
        move || {
            for recording in [&lines, &layout] {
                for journal in [["--admin", &admin], ["--journal", &state]] {
                    let (code, outcome) = judged(&[&journal[..], &["--recording", recording]].concat());
                    assert_eq!((code, outcome["equal"].clone()), (0, json!(true)), "{outcome:#}");
                    assert!(outcome["total"]["stored"].as_u64().unwrap() >= 6, "{outcome:#}");
                    assert_eq!(outcome["streams"].as_array().unwrap().len(), 2);
                }
            }
        }
    });
    running.await.unwrap();
    gateway.sim.shutdown().await;
    let compare = |ticks: &[RecordedTick], more: &[&str]| {
        write_lines(&lines, ticks);
        let outcome = judged(&[&["--journal", &state, "--recording", &lines_path], more].concat());
        (outcome.0, outcome.1["total"].clone())
    };
    // A quote in the middle, and the one after it.
    let quotes: Vec<usize> = (0..recorded.len()).filter(|at| recorded[*at].tick == TickType::BidAsk).collect();
    let (at, next) = (quotes[quotes.len() / 2], quotes[quotes.len() / 2 + 1]);
    let mut missing = recorded.clone();
    missing.remove(at);
    let (code, total) = compare(&missing, &[]);
    assert_eq!((code, &total["missing_of_generated"], &total["missing_of_sent"]), (1, &json!(1), &json!(1)));
    let mut doubled = recorded.clone();
    doubled.insert(at, recorded[at].clone());
    let (code, total) = compare(&doubled, &[]);
    assert_eq!((code, &total["doubled"], &total["missing_of_generated"]), (1, &json!(1), &json!(0)));
    let mut altered = recorded.clone();
    altered[at].fields.bid = Some(1.0);
    let (code, total) = compare(&altered, &[]);
    assert_eq!((code, &total["altered"], &total["unknown"]), (1, &json!(1), &json!(0)));
    let mut moved = recorded.clone();
    moved.swap(at, next);
    let (code, total) = compare(&moved, &[]);
    assert_eq!((code, &total["out_of_order"], &total["missing_of_generated"]), (1, &json!(1), &json!(0)));
    assert_eq!(compare(&moved, &["--any-order"]).0, 0);
    // Only the seconds that are asked for count.
    let after = (recorded[at].time_s + 1).to_string();
    let last = recorded.last().unwrap().time_s;
    if recorded[at].time_s + 1 < last {
        assert_eq!(compare(&missing, &["--from", &after]).0, 0);
    }
    // As a table.
    write_lines(&lines, &missing);
    let output = command(&["--journal", &state, "--recording", &lines_path]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("NOT EQUAL") && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[tokio::test]
async fn what_was_never_sent_may_be_missing_when_only_the_sent_counts() {
    let gateway = Gateway::start().await;
    let client = gateway.client(1).await;
    Ticks::subscribe(&client, SIM1, TickType::BidAsk).await.flows(SIM1).await;
    drop(client);
    let state = gateway.dir.path().to_str().unwrap().to_owned();
    gateway.sim.shutdown().await;
    let empty = gateway.dir.path().join("empty.ndjson");
    std::fs::write(&empty, "").unwrap();
    let recording = empty.to_str().unwrap();
    // An hour ago nobody listened.
    let (from, to) = ((now_s() - 3_600).to_string(), (now_s() - 3_590).to_string());
    let arguments = ["--journal", &state, "--recording", recording, "--from", &from, "--to", &to];
    let (code, outcome) = judged(&arguments);
    assert_eq!((code, &outcome["total"]["missing_of_sent"]), (1, &json!(0)));
    assert!(outcome["total"]["missing_of_generated"].as_u64().unwrap() >= 10);
    assert_eq!(judged(&[&arguments[..], &["--only-sent"]].concat()).0, 0);
}

#[test]
fn what_cannot_be_compared_is_said_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let state = path("state");
    std::fs::create_dir(&state).unwrap();
    let malformed = path("bad.ndjson");
    std::fs::write(&malformed, "{\"con_id\":1}\n").unwrap();
    let folder = path("nothing");
    std::fs::create_dir(&folder).unwrap();
    let recording = path("good.ndjson");
    std::fs::write(&recording, "{\"con_id\":1,\"tick\":\"Last\",\"time_s\":7,\"price\":1}\n").unwrap();
    for (arguments, expected) in [
        (["--journal", &state, "--recording", &recording], format!("{state}/market.json: ")),
        (["--admin", "localhost", "--recording", &recording], "--admin localhost: write for example".to_owned()),
        (["--admin", "http://127.0.0.1:1", "--recording", &malformed], format!("{malformed}, line 1: missing field")),
        (["--admin", "http://127.0.0.1:1", "--recording", &folder], format!("{folder}: no files YYYY/")),
        (["--admin", "http://127.0.0.1:1", "--recording", &recording], format!("{recording}: no ticks between")),
    ] {
        let output = command(&arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.starts_with(&format!("ib-gateway-sim: {expected}")) && text.lines().count() == 1, "{text}");
    }
    let arguments = ["--admin", "http://127.0.0.1:1", "--recording", &recording, "--from", "5", "--to", "9"];
    let output = command(&arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("ib-gateway-sim: http://127.0.0.1:1/: ") && text.lines().count() == 1, "{text}");
}
