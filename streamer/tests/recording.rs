//! What is recorded is what was sent: all of it, once, unchanged.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{fs, io::Write, path::PathBuf};

use common::*;
use marketstream_crds::{ActionKind, ActionState, SocketState, StreamState};
use marketstream_proto::{TickKind, layout::HourFile};
use marketstream_streamer::backfill::ledger::{Gap, GapCause, GapState};
use serde_json::json;

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Waits until every stream has a stored tick of `second` or later: then all earlier ones have come.
async fn until_stored(data: &std::path::Path, streams: usize, second: i64) {
    until("later ticks are stored", async || {
        let later = stored(data).into_iter().filter(|tick| tick.time_s >= second).map(|tick| (tick.con_id, tick.tick));
        later.collect::<std::collections::BTreeSet<_>>().len() == streams
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tick_of_every_type_is_stored_once() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let streamer = Streamer::start(data.path());
    let contracts = json!([
        sim1(&["Last", "AllLast", "BidAsk", "MidPoint"]),
        {"name": "sim2", "conId": SIM2, "ticks": ["BidAsk"]},
    ]);
    streamer.apply(&spec(contracts, &[gateway.port()]));
    let status = streamer.until_flowing().await;
    assert_eq!((status.summary.as_str(), status.socket.state), ("5/5", SocketState::Connected));
    assert_eq!(status.client_id, 851);
    assert!(status.last_tick_time.is_some());

    let from = now() + 1;
    let to = from + 4;
    until_stored(data.path(), 5, to).await;
    let verdict = gateway.judge(data.path(), from, to).await;
    assert!(verdict.complete(), "{verdict:#?}");
    assert!(verdict.total.stored > 50, "{verdict:#?}");

    // The sequence counts the records of each file in order.
    streamer.stop().await;
    let mut sequences = std::collections::HashMap::<_, u64>::new();
    for line in lines(data.path()) {
        let hour = line["time_s"].as_i64().unwrap() / 3600;
        let next = sequences.entry((line["con_id"].to_string(), line["tick"].to_string(), hour)).or_default();
        *next += 1;
        assert_eq!(line["sequence"].as_u64(), Some(*next));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_tears_a_record_and_the_next_start_goes_on_behind_the_whole_ones() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let spec = spec(json!([sim1(&["BidAsk"])]), &[gateway.port()]);
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    until_stored(data.path(), 1, now()).await;
    streamer.stop().await;
    let before = lines(data.path());

    let newest = files(data.path()).into_iter().max().unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&newest).unwrap();
    file.write_all(&[0, 0, 0, 90, 8, 128, 222]).unwrap();
    drop(file);
    assert_eq!(lines(data.path()), before, "a torn tail hides nothing");

    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    let from = now() + 1;
    until_stored(data.path(), 1, from + 2).await;
    streamer.stop().await;
    let after = lines(data.path());
    assert_eq!(after[..before.len()], before);
    assert!(gateway.judge(data.path(), from, from + 2).await.complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_has_not_taken_when_the_process_ends_is_a_gap_and_history_has_it() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let spec = spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]);
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    until_stored(data.path(), 2, now()).await;
    streamer.stop().await;
    let from = now() + 1;

    // Something stands where one of the files should be.
    let path = |hour: i64| {
        let file = HourFile::of_tick(SIM1, TickKind::Last, (now() + hour * 3_600) * 1_000_000);
        data.path().join(file.path().unwrap())
    };
    let blocks = [path(0), path(1)];
    let aside = data.path().join("aside");
    fs::rename(&blocks[0], &aside).unwrap();
    blocks.iter().for_each(|block| fs::create_dir_all(block).unwrap());
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    streamer.until("the refusal is reported", |status| !status.storage.writable).await;
    until("quotes are recorded all the same", async || {
        stored(data.path()).iter().any(|tick| tick.tick.name() == "BidAsk" && tick.time_s > from + 1)
    })
    .await;
    streamer.stop().await;
    let to = now();
    blocks.iter().for_each(|block| fs::remove_dir(block).unwrap());
    fs::rename(&aside, &blocks[0]).unwrap();

    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    let unwritten = |gap: &Gap| gap.cause == GapCause::Unwritten;
    streamer
        .until("what was lost is fetched", |_| {
            let gaps = streamer.gaps();
            let settled = |gap: &Gap| !matches!(gap.state, GapState::Open | GapState::Pending);
            gaps.iter().any(unwritten) && gaps.iter().all(settled)
        })
        .await;
    assert!(streamer.gaps().into_iter().find(unwritten).is_some_and(|gap| gap.after.is_some_and(|at| at <= to)));
    assert!(streamer.gaps().iter().all(|gap| gap.after.is_some()), "where they begin was looked up");
    streamer.stop().await;
    let verdict = gateway.judge(data.path(), from, to).await;
    assert!(verdict.complete(), "{verdict:#?}");
}

fn files(data: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pb") {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_one_stream_leaves_the_others_whole() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let spec = spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]);
    let streamer = Streamer::start(data.path());
    streamer.apply(&spec);
    streamer.until_flowing().await;
    let from = now() + 1;

    // The market-data line has spoken: it tells a lost stream from a quiet one.
    until("the line has spoken", async || now() > from + 2).await;
    let fault = json!({"kind": "lose_subscriptions", "scope": {"con_id": SIM1, "tick": "Last"}});
    gateway.begin(fault).await;
    let status = streamer.until("the silent stream is stale", |status| status.flowing == 1).await;
    let stale = &status.streams[0];
    assert_eq!((stale.key().as_str(), stale.state), ("sim1/Last", StreamState::Stale));
    assert!((2.0..2.5).contains(&stale.silent_seconds), "noticed late: {}", stale.silent_seconds);
    assert_eq!(status.summary, "1/2");

    streamer.send(&spec, None, Some(action("7", ActionKind::RestartStreams, &["sim1/Last"], 851)));
    let done = streamer.until_flowing().await;
    let acknowledged = done.action.unwrap();
    assert_eq!((acknowledged.id.as_str(), acknowledged.state), ("7", ActionState::Done));
    assert_eq!((done.streams[0].restarts, done.streams[1].restarts), (1, 0));

    let to = now() + 1;
    until_stored(data.path(), 2, to).await;
    let verdict = gateway.judge(data.path(), from, to).await;
    assert!(verdict.lossless(), "{verdict:#?}");
    let quotes = verdict.streams.iter().find(|stream| stream.tick.name() == "BidAsk").unwrap();
    assert_eq!(quotes.counts.missing_of_generated, 0, "{verdict:#?}");
}
