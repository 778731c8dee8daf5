//! Who asks for a range gets the same ticks in the same order, whether recordings have them or sealed files.

use std::fs;

use marketstream_proto::{
    Source, TickKind, TickMessage,
    framing::Reader,
    layout::{HourFile, Part},
};
use marketstream_streamer::live::Stored;
use serde_json::{Value, json};

use super::{
    common::{Streamer, spec},
    data::{CON_ID, Data, HOUR},
    server::Server,
};

/// 2026-11-23T20:00:00Z: a trading day ends in the third hour.
const START: i64 = 1_795_464_000;
const KINDS: [TickKind; 3] = [TickKind::Last, TickKind::BidAsk, TickKind::MidPoint];
const PARTS: [Part; 2] = [Part::Live, Part::Backfill];
/// Ticks of an hour: of the first kind more than fit into one piece.
const COUNTS: [u64; 3] = [1_200, 60, 60];

/// Five hours; in the second one the clock steps back, and history is fetched for three gaps, the newest first.
fn recorded() -> Data {
    let mut data = Data::new();
    super::readers::instrument(&data);
    for (kind, count) in KINDS.into_iter().zip(COUNTS) {
        for hour in 0..5 {
            data.record(kind, START + hour * HOUR, count);
        }
        data.record(kind, START + HOUR, count / 2);
        for from in [2_400, 1_900, 500] {
            data.fill(kind, START + HOUR + from, START + HOUR + from + 100, 20, 1.0);
        }
    }
    data
}

fn hour_file(kind: TickKind, hour: i64) -> HourFile {
    HourFile { hour: START + hour * HOUR, con_id: CON_ID, kind }
}

/// As retention does it: the recordings of an hour of all kinds.
fn delete(data: &Data, hour: i64) {
    for kind in KINDS {
        for part in [Part::Live, Part::Backfill] {
            let path = data.path().join(hour_file(kind, hour).path_of(part).unwrap());
            assert!(fs::remove_file(&path).is_ok() || part == Part::Backfill, "{}", path.display());
        }
    }
}

async fn answers(server: &Server) -> Vec<Vec<u8>> {
    answers_for(server, "mnq").await
}

/// Every form of the question, over all hours and parts of them.
async fn answers_for(server: &Server, contract: &str) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    for form in ["format=protobuf", "format=json", "raw=true"] {
        for (from, to) in [(0, 5 * HOUR), (HOUR + 1_000, 2 * HOUR + 2_000), (HOUR, HOUR + 1), (6 * HOUR, 7 * HOUR)] {
            for limit in ["", "&limit=1", "&limit=1300"] {
                let range = format!("start_time={}&end_time={}{limit}", START + from, START + to);
                let kinds = "tick_types=last,bid_ask,mid_point";
                answers.push(server.bytes(&format!("/v3/buffer/{contract}/query?{form}&{kinds}&{range}")).await);
            }
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_over_sealed_and_raw_hours_is_what_it_was_when_all_were_raw() {
    let mut data = recorded();
    let streamer = Streamer::start(data.path());
    let server = Server::start(&streamer);
    let mnq = json!([{"name": "mnq", "conId": CON_ID, "ticks": ["Last", "BidAsk", "MidPoint"]}]);
    streamer.apply(&spec(mnq, &[9]));
    streamer.until("the contract is known", |_| streamer.con_id("mnq").is_some()).await;

    let raw = answers(&server).await;
    let whole: Vec<TickMessage> = Reader::new(raw[0].as_slice()).map(Result::unwrap).collect();
    assert_eq!(whole.len(), data.ticks.len());
    let document: Value = serde_json::from_slice(&raw[12]).unwrap();
    assert_eq!(document["total_messages"], data.ticks.len());

    // Of the second day hours are sealed one by one, of the first in one file. The last hour is not over yet.
    assert_eq!(data.seal(START + 4 * HOUR + 200).rows, whole.len() as u64 - COUNTS.iter().sum::<u64>());
    assert_eq!(data.sealed().len(), 3 * 3);
    assert!(answers(&server).await == raw, "while both are there, each tick comes once");
    for deleted in [0..2, 2..4] {
        deleted.for_each(|hour| delete(&data, hour));
        let sealed = answers(&server).await;
        for (number, (sealed, raw)) in sealed.iter().zip(&raw).enumerate() {
            assert!(sealed == raw, "answer {number} has {} bytes of {}", sealed.len(), raw.len());
        }
    }

    // What is fetched for an hour after its recordings are gone comes too.
    let before = data.ticks.len();
    data.fill(TickKind::Last, START + 3_000, START + 3_100, 30, 1.0);
    let path = format!("/v3/buffer/mnq/query?tick_types=last&start_time={START}&end_time={}", START + HOUR);
    let answer: Value = serde_json::from_slice(&server.bytes(&path).await).unwrap();
    let fetched = |message: &&Value| message["source"] == "backfill";
    let messages = answer["messages"].as_array().unwrap();
    assert_eq!((messages.len(), messages.iter().filter(fetched).count()), (1_200 + data.ticks.len() - before, 30));

    // What is recorded no more can still be read: a kind, and the whole contract by its identifier.
    let bytes = answers(&server).await;
    for ticks in [Some(json!(["MidPoint"])), None] {
        let left = ticks.map(|ticks| json!({"name": "mnq", "conId": CON_ID, "ticks": ticks}));
        let other = json!({"name": "other", "conId": 5, "ticks": ["Last"]});
        let contracts: Vec<Value> = left.into_iter().chain([other]).collect();
        let total = i32::try_from(contracts.len()).unwrap();
        streamer.apply(&spec(json!(contracts), &[9]));
        streamer.until("fewer streams are recorded", |status| status.total == total).await;
        assert!(answers_for(&server, &CON_ID.to_string()).await == bytes);
    }
    let (status, body) = server.get("/v3/buffer/6/query").await;
    assert!(status == 404 && body.contains("6 is not recorded here"), "{status} {body}");
    assert_eq!(server.get("/v3/buffer/mnq/query").await.0, 404);
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_reader_that_was_away_for_longer_than_recordings_are_kept_misses_nothing() {
    let data = recorded();
    let streamer = Streamer::start(data.path());
    let server = Server::start(&streamer);
    streamer.apply(&spec(json!([{"name": "mnq", "conId": CON_ID, "ticks": ["Last", "BidAsk", "MidPoint"]}]), &[9]));
    streamer.until("the contract is known", |_| streamer.con_id("mnq").is_some()).await;
    data.seal(START + 4 * HOUR + 200);
    (0..2).for_each(|hour| delete(&data, hour));

    let had = 700;
    let of = |tick: &&TickMessage| tick.tt == "last" && tick.source() == Source::Live;
    let mut expected: Vec<&TickMessage> = data.ticks.iter().filter(of).collect();
    // Of an hour in the order of its recording.
    expected.sort_by_key(|tick| (hour_of(tick), tick.sequence));
    let after = format!("{CON_ID}/last:{START}:{had}");
    let mut events = server.events("/v2/stream/mnq/live/last?limit=10000", Some(&after)).await;
    for (number, tick) in expected[had..].iter().enumerate() {
        let event = loop {
            let event = events.next().await;
            if event.event == "tick" {
                break event;
            }
        };
        let id = format!("last:{}:{}", hour_of(tick), tick.sequence);
        assert!(event.id.ends_with(&id), "tick {number} is {} and not {id}", event.id);
        let message: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(
            (&message["data"]["unix_time"], &message["data"]["price"]),
            (&json!(tick.ts / 1_000_000), &json!(tick.p))
        );
        if number == 10 {
            // Retention goes on while it reads.
            delete(&data, 2);
        }
    }
    streamer.stop().await;
}

#[test]
fn whoever_reads_a_sealed_hour_reads_on_while_its_files_are_replaced() {
    let data = recorded();
    data.seal(START + 4 * HOUR + 200);
    let expected: Vec<&TickMessage> =
        data.ticks.iter().filter(|tick| tick.tt == "last" && hour_of(tick) == START + 3 * HOUR).collect();
    let read = |mut stored: Stored, disturb: &dyn Fn()| {
        let mut ticks = Vec::new();
        while let Some(piece) = stored.piece(|_| true).unwrap() {
            assert!(piece.len() <= 1_000, "memory is bounded");
            ticks.extend(piece);
            disturb();
        }
        ticks
    };
    let stored = Stored::open(data.path(), hour_file(TickKind::Last, 3), &PARTS).unwrap();
    let recordings = read(stored, &|| {
        let _ = fs::remove_file(data.path().join(hour_file(TickKind::Last, 3).path().unwrap()));
    });
    assert!(recordings.iter().eq(expected.iter().copied()));
    let stored = Stored::open(data.path(), hour_file(TickKind::Last, 3), &PARTS).unwrap();
    let sealed = read(stored, &|| {
        let _ = fs::remove_dir_all(data.path().join("parquet"));
    });
    assert!(sealed.iter().eq(expected.iter().copied()));
    // And now they are deleted for good.
    assert!(
        Stored::open(data.path(), hour_file(TickKind::Last, 3), &PARTS).unwrap().piece(|_| true).unwrap().is_none()
    );
}

#[test]
fn a_deletion_that_was_cut_short_and_fills_that_follow_it_hide_and_double_nothing() {
    // What is left when the process ends in between: the live file goes first.
    for (gone, fill) in
        [(&PARTS[..0], 1), (&PARTS[..1], 0), (&PARTS[..1], 10), (&PARTS[..], 0), (&PARTS[..], 10), (&PARTS[..], 200)]
    {
        let mut data = recorded();
        data.seal(START + 4 * HOUR + 200);
        for part in gone {
            fs::remove_file(data.path().join(hour_file(TickKind::Last, 1).path_of(*part).unwrap())).unwrap();
        }
        data.fill(TickKind::Last, START + HOUR + 3_000, START + HOUR + 3_100, fill, 1.0);
        let mut stored = Stored::open(data.path(), hour_file(TickKind::Last, 1), &PARTS).unwrap();
        let mut found = Vec::new();
        while let Some(piece) = stored.piece(|_| true).unwrap() {
            found.extend(piece);
        }
        // A recording that has begun anew counts anew.
        let plain = |tick: &TickMessage| TickMessage { sequence: 0, ..tick.clone() };
        let of_hour = |tick: &&TickMessage| tick.tt == "last" && hour_of(tick) == START + HOUR;
        let (live, fetched): (Vec<&TickMessage>, Vec<_>) =
            data.ticks.iter().filter(of_hour).partition(|tick| Data::part_of(tick) == Part::Live);
        let expected: Vec<TickMessage> = live.into_iter().chain(fetched).map(plain).collect();
        let found: Vec<TickMessage> = found.iter().map(plain).collect();
        assert!(found == expected, "{gone:?} gone, {fill} fetched: {} and not {}", found.len(), expected.len());
    }
}

fn hour_of(tick: &TickMessage) -> i64 {
    let second = tick.ts / 1_000_000;
    second - second.rem_euclid(HOUR)
}
