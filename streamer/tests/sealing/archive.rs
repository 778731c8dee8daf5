//! What a real S3 server holds is what is sealed.

use std::{collections::BTreeMap, fs, process::Command};

use futures::TryStreamExt;
use marketstream_proto::TickKind;
use marketstream_streamer::{
    archive::upload::upload,
    seal::{command::Report, now_s},
    store::Store,
};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use serde_json::json;

use super::{
    data::{Data, HOUR, files},
    s3::{BUCKET, KEY, S3, SECRET},
};

/// Runs `streamer seal` with the archive's settings, as the operator gives them.
fn seal(data: &Data, endpoint: &str, secret: &str) -> Report {
    let output = Command::new(env!("CARGO_BIN_EXE_marketstream-streamer"))
        .args(["seal", "--data-dir"])
        .arg(data.path())
        .env_clear()
        .envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_ENDPOINT_URL", endpoint)])
        .output()
        .unwrap();
    let report: Report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let failed = report.error.is_some() || report.archive.as_ref().is_none_or(|archive| archive.error.is_some());
    assert_eq!(output.status.success(), !failed, "the exit code tells it");
    report
}

async fn objects(server: &S3) -> BTreeMap<String, Vec<u8>> {
    let client = server.client();
    let mut objects = BTreeMap::new();
    let listed: Vec<_> = client.list(None).try_collect().await.unwrap();
    for object in listed {
        let content = client.get(&object.location).await.unwrap().bytes().await.unwrap();
        objects.insert(object.location.to_string(), content.to_vec());
    }
    objects
}

fn sealed(data: &Data) -> BTreeMap<String, Vec<u8>> {
    let root = data.path().join("parquet");
    let named = |path: std::path::PathBuf| {
        let name = format!("desk/one/{}", path.strip_prefix(&root).unwrap().display());
        (name, fs::read(&path).unwrap())
    };
    files(&root).into_iter().map(named).collect()
}

#[tokio::test]
async fn the_archive_has_what_is_sealed_and_an_outage_only_delays_it() {
    let mut data = Data::new();
    let now = now_s();
    let day = now - now.rem_euclid(24 * HOUR) - 5 * 24 * HOUR;
    for hour in 0..3 {
        data.record(TickKind::Last, day + hour * HOUR, 200);
        data.record(TickKind::BidAsk, day + hour * HOUR, 200);
    }
    let spec = json!({
        "contracts": [{"name": "mnq", "conId": super::data::CON_ID, "ticks": ["Last", "BidAsk"]}],
        "gateway": {"external": {"host": "gw"}},
        "storage": {"archive": {"url": format!("s3://{BUCKET}/desk/one"), "secretName": "archive"}},
    });
    Store::new(data.path()).keep_spec(&serde_json::from_value(spec).unwrap()).unwrap();

    // A wrong key: everything is sealed nevertheless, and the report says what waits and why.
    let mut server = S3::start();
    let report = seal(&data, &server.endpoint(), "wrong");
    let archive = report.archive.unwrap();
    assert_eq!((report.error, report.sealed.unwrap().files), (None, 2));
    assert_eq!((archive.uploaded, archive.pending), (0, sealed(&data).len() as u64));
    assert!(archive.error.is_some_and(|error| error.contains("desk/one/ticks")), "the error names the object");
    assert!(objects(&server).await.is_empty());

    let archive = seal(&data, &server.endpoint(), SECRET).archive.unwrap();
    assert_eq!((archive.uploaded, archive.pending, archive.error), (sealed(&data).len() as u64, 0, None));
    assert_eq!(objects(&server).await, sealed(&data));
    assert_eq!(seal(&data, &server.endpoint(), SECRET).archive.unwrap().uploaded, 0, "what is there is there");

    // What a day's file has replaced, such as the files of its hours, leaves the archive.
    let record = files(&data.path().join(".marketstream/sealed/last")).remove(0);
    let mut known: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    known["archived"]["files"]["hour.parquet"] = json!(1);
    fs::write(&record, known.to_string()).unwrap();
    let folder = sealed(&data).into_keys().find(|key| key.contains("tick=last")).unwrap();
    let old = Path::from(format!("{}/hour.parquet", folder.rsplit_once('/').unwrap().0));
    server.client().put(&old, b"old".to_vec().into()).await.unwrap();
    assert_eq!(seal(&data, &server.endpoint(), SECRET).archive.unwrap().error, None);
    assert_eq!(objects(&server).await, sealed(&data));

    // While the storage is away, a late fill writes a day again.
    server.stop();
    data.fill(TickKind::Last, day + 100, day + 200, 5, 1.0);
    let report = seal(&data, &server.endpoint(), SECRET);
    assert_eq!(report.sealed.unwrap().files, 1);
    assert!(report.archive.is_some_and(|archive| archive.error.is_some() && archive.pending > 0));
    // It comes back empty, under the same address: only what it lacks by our knowledge is sent.
    let server = S3::start();
    let archive = seal(&data, &server.endpoint(), SECRET).archive.unwrap();
    assert_eq!((archive.pending, archive.error), (0, None));
    let sent = objects(&server).await;
    assert_eq!(sent.len() as u64, archive.uploaded);
    assert!(sent.keys().any(|key| key.contains("tick=last")) && !sent.keys().any(|key| key.contains("tick=bid_ask")));
    assert!(sent.iter().all(|(key, content)| sealed(&data).get(key) == Some(content)));
}

#[tokio::test]
async fn a_large_file_goes_in_parts_and_arrives_whole() {
    let (server, folder) = (S3::start(), tempfile::tempdir().unwrap());
    let client = server.client();
    // Just under, at and above the length of a part, and several parts.
    for bytes in [(8 << 20) - 1, 8 << 20, (8 << 20) + 1, 20 << 20] {
        let content: Vec<u8> = (0..bytes as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let file = folder.path().join("large");
        fs::write(&file, &content).unwrap();
        upload(&client, &Path::from("large"), &file).await.unwrap();
        let read = client.get(&Path::from("large")).await.unwrap().bytes().await.unwrap();
        assert!(read.as_ref() == content.as_slice(), "{bytes} bytes came back otherwise");
    }
    let missing = upload(&client, &Path::from("x"), &folder.path().join("missing")).await.unwrap_err();
    assert!(missing.is_gone());
}
