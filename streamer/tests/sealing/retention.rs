//! Retention takes what another copy has, and never the last one.

use std::{collections::BTreeMap, fs, process::Command};

use futures::TryStreamExt;
use marketstream_proto::TickKind;
use marketstream_streamer::{
    backfill::{
        ledger::{GapCause, Recorded},
        store::Files,
    },
    seal::{command::Report, now_s},
    store::Store,
};
use object_store::ObjectStore;
use serde_json::{Value, json};

use super::{
    data::{CON_ID, Data, HOUR, files},
    s3::{BUCKET, KEY, S3, SECRET},
};

const DAY: i64 = 24 * HOUR;

fn keep_spec(data: &Data, storage: Value) {
    keep_spec_of(data, "720h", storage);
}

fn keep_spec_of(data: &Data, max_age: &str, storage: Value) {
    let spec = json!({
        "contracts": [{"name": "mnq", "conId": CON_ID, "ticks": ["Last", "BidAsk"]}],
        "gateway": {"external": {"host": "gw"}},
        "backfill": {"maxAge": max_age},
        "storage": storage,
    });
    Store::new(data.path()).keep_spec(&serde_json::from_value(spec).unwrap()).unwrap();
}

/// Runs `streamer seal`, with the archive's settings.
fn seal(data: &Data, args: &[&str], endpoint: &str, secret: &str) -> Report {
    let output = Command::new(env!("CARGO_BIN_EXE_marketstream-streamer"))
        .args(["seal", "--data-dir"])
        .arg(data.path())
        .args(args)
        .env_clear()
        .envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_ENDPOINT_URL", endpoint)])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Recordings by their names, and lengths.
fn recordings(data: &Data) -> BTreeMap<String, u64> {
    let all = files(data.path()).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "pb"));
    let name = |path: &std::path::Path| path.strip_prefix(data.path()).unwrap().display().to_string();
    all.map(|path| (name(&path), fs::metadata(&path).unwrap().len())).collect()
}

fn name(path: &std::path::Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Ten and eight days ago, and now: the start of the first.
fn recorded(data: &mut Data) -> i64 {
    let now = now_s();
    let old = now - now.rem_euclid(DAY) - 10 * DAY;
    for kind in [TickKind::Last, TickKind::BidAsk] {
        for hour in [old, old + HOUR, old + 2 * DAY, now - now.rem_euclid(HOUR)] {
            data.record(kind, hour, 50);
        }
    }
    data.fill(TickKind::Last, old + 10, old + 60, 5, 1.0);
    old
}

#[test]
fn without_an_archive_recordings_go_when_they_are_sealed_and_sealed_files_stay() {
    let mut data = Data::new();
    let old = recorded(&mut data);
    // History may still add to one of the old hours.
    let (ledger_of, stream) = (Files::new(data.path()), Recorded { con_id: CON_ID, kind: TickKind::BidAsk });
    let mut ledger = ledger_of.ledger();
    let asked = ledger.request("mnq", stream, old + HOUR + 5..=old + HOUR + 9, now_s());
    ledger_of.keep(&ledger).unwrap();
    keep_spec(&data, json!({"retentionDays": 9}));

    let before = recordings(&data);
    assert_eq!(before.len(), 9);
    assert_eq!(seal(&data, &["--recent"], "", SECRET).deleted, None, "a look at what is recent deletes nothing");
    assert_eq!(recordings(&data), before);

    let deleted = seal(&data, &[], "", SECRET).deleted.unwrap();
    let left = recordings(&data);
    let gone: BTreeMap<_, _> = before.iter().filter(|(name, _)| !left.contains_key(*name)).collect();
    // Two hours of trades, one of them with a fill. Quotes of that day wait for theirs: all of the day does.
    assert!(gone.len() == 3 && gone.keys().all(|name| name.contains("_last_")), "{gone:?}");
    assert_eq!((deleted.files, deleted.bytes, deleted.held), (3, gone.values().copied().sum(), 2));
    let folder = gone.keys().find(|name| name.contains("backfill")).unwrap();
    assert!(data.path().join(folder).parent().unwrap().exists(), "the quotes of the same hour are there");

    // The request is settled: the day is sealed, and goes. Another look finds nothing to do.
    ledger.settle(asked, marketstream_streamer::backfill::ledger::Outcome::Unfillable("none".into()), now_s());
    ledger_of.keep(&ledger).unwrap();
    let deleted = seal(&data, &[], "", SECRET).deleted.unwrap();
    assert_eq!((deleted.files, deleted.held), (2, 0));
    assert!(!data.path().join(folder).parent().unwrap().parent().unwrap().exists(), "an empty folder goes");
    let again = seal(&data, &[], "", SECRET);
    assert_eq!((again.deleted.unwrap().files, again.error, again.sealed.unwrap().files), (0, None, 0));
    assert_eq!(recordings(&data).len(), 4);
    let date = jiff::Timestamp::from_second(old).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
    let of_day = data.sealed().into_iter().filter(|path| path.ends_with(format!("date={date}/{}", name(path)))).count();
    assert_eq!(of_day, 2, "the last copy stays");
}

#[test]
fn a_gap_that_nothing_ends_holds_recordings_for_max_age_only() {
    let mut data = Data::new();
    recorded(&mut data);
    let (ledger_of, stream) = (Files::new(data.path()), Recorded { con_id: CON_ID, kind: TickKind::BidAsk });
    let mut ledger = ledger_of.ledger();
    ledger.open("mnq", stream, None, GapCause::ProcessStart);
    ledger_of.keep(&ledger).unwrap();
    let deleted = |max_age| {
        keep_spec_of(&data, max_age, json!({"retentionDays": 9}));
        let deleted = seal(&data, &[], "", SECRET).deleted.unwrap();
        (deleted.files, deleted.held)
    };
    assert_eq!(deleted("720h"), (3, 2));
    assert_eq!(deleted("24h"), (2, 0));
}

#[tokio::test]
async fn with_an_archive_all_goes_that_it_has_and_the_archive_keeps_it() {
    let mut data = Data::new();
    recorded(&mut data);
    keep_spec(&data, json!({"retentionDays": 9, "archive": {"url": format!("s3://{BUCKET}/a"), "secretName": "keys"}}));
    let server = S3::start();
    let before = recordings(&data);
    let refused = seal(&data, &[], &server.endpoint(), "wrong").deleted.unwrap();
    assert_eq!((refused.files, refused.held, recordings(&data)), (0, 4, before), "the archive has nothing yet");

    let all = data.sealed();
    let deleted = seal(&data, &[], &server.endpoint(), SECRET).deleted.unwrap();
    // Five recordings, and the day's file of each kind.
    assert_eq!((deleted.files, deleted.held, recordings(&data).len()), (7, 0, 4));
    assert_eq!(data.sealed().len(), all.len() - 2);
    let objects = async || {
        let listed: Vec<_> = server.client().list(None).try_collect().await.unwrap();
        listed.into_iter().map(|object| object.location.to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    let archived = objects().await;
    let key = |path: &std::path::PathBuf| format!("a/{}", path.strip_prefix("parquet").unwrap().display());
    assert!(all.iter().all(|path| archived.contains(&key(path))), "{archived:?}");

    let again = seal(&data, &[], &server.endpoint(), SECRET);
    assert_eq!((again.deleted.unwrap().files, again.error), (0, None));
    assert_eq!(again.archive.unwrap().error, None);
    assert_eq!(objects().await, archived, "what is gone here stays there");
}
