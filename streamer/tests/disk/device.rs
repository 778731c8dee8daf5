//! A disk that takes writes and does not keep them, and one that hangs: ext4 on a block device, which is a file.

use std::{path::Path, process::Command};

use marketstream_crds::StreamerStatus;
use marketstream_proto::{TickKind, TickMessage};
use marketstream_streamer::backfill::{
    ledger::{GapCause, Recorded},
    store::Files,
};
use serde_json::json;

use super::{
    common::{self, Gateway, SIM1, Streamer, sim1, spec},
    in_a_namespace, read, run, start, tick, until,
};

/// Without a journal: one that cannot be written would make the file system read-only.
const SETUP: &str = "mkdir data; truncate -s 64m device; mkfs.ext4 -q -O ^has_journal -b 4096 -m 0 device; \
     mount -o loop,errors=continue device data";
const WHOLE: &str = "64m";
const SMALL: &str = "4m";
const STREAM: Recorded = Recorded { con_id: 7, kind: TickKind::Last };

/// Has the device end here. The file system does not know: the page cache takes what is written behind it, and fsync fails.
fn resize(folder: &Path, size: &str) {
    let source = Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(folder.join("data")).output().unwrap();
    let device = String::from_utf8(source.stdout).unwrap();
    run("truncate", &["-s", size], &folder.join("device"));
    run("losetup", &["--set-capacity"], Path::new(device.trim()));
}

/// Shows what the device holds, and not what the page cache remembers.
fn remount(folder: &Path) {
    run("umount", &[], &folder.join("data"));
    run("mount", &["-o", "loop", folder.join("device").to_str().unwrap()], &folder.join("data"));
}

#[test]
fn what_a_failed_fsync_has_lost_is_written_again() {
    let Some(folder) = in_a_namespace("device::what_a_failed_fsync_has_lost_is_written_again", SETUP) else { return };
    let data = folder.join("data");
    resize(&folder, SMALL);
    let recorder = start(&data);
    let (feed, storage) = (recorder.feed(), recorder.storage());
    let mut taken = Vec::new();
    until("a sync fails", || {
        for _ in 0..500 {
            taken.push(taken.len() as f64);
            assert!(feed.tick(&tick(taken.len() as f64 - 1.0)));
        }
        !storage.borrow().writable
    });
    let message = storage.borrow().message.clone().unwrap();
    assert!(message.contains("7_last"), "{message}");
    assert!(feed.doubts().take().unwritten.contains_key(&STREAM));

    resize(&folder, WHOLE);
    until("the disk keeps its word again", || storage.borrow().writable && feed.waiting() == 0);
    assert_eq!(feed.doubts().take().unwritten.len(), 0);
    recorder.stop();
    remount(&folder);
    let expected: Vec<_> = (1..).zip(taken).collect();
    let found = read(&data);
    assert!(found == expected, "{} ticks of {} are on the device", found.len(), expected.len());
}

#[test]
fn a_fill_that_the_disk_does_not_keep_is_not_taken_for_stored() {
    let test = "device::a_fill_that_the_disk_does_not_keep_is_not_taken_for_stored";
    let Some(folder) = in_a_namespace(test, SETUP) else { return };
    let files = Files::new(&folder.join("data"));
    let long = |at: i64| TickMessage { exchange: Some("x".repeat(60_000)), ..tick(at as f64) };
    let fill: Vec<_> = (0..4).map(long).collect();
    resize(&folder, SMALL);
    let mut kept = 0;
    until("the device refuses a fill", || {
        let added = files.add(STREAM, &fill);
        kept += if added.is_ok() { fill.len() } else { 0 };
        added.is_err()
    });
    let stored = || files.read(STREAM, &(super::HOUR..=super::HOUR)).unwrap().len();
    assert_eq!(stored(), kept, "what was refused is not there");
    resize(&folder, WHOLE);
    files.add(STREAM, &fill).unwrap();
    remount(&folder);
    assert_eq!(stored(), kept + fill.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_that_a_full_queue_refuses_are_a_gap_and_history_has_them() {
    let test = "device::ticks_that_a_full_queue_refuses_are_a_gap_and_history_has_them";
    let Some(folder) = in_a_namespace(test, SETUP) else { return };
    let data = folder.join("data");
    let gateway = Gateway::start().await;
    let streamer = Streamer::start(&data);
    streamer.apply(&spec(json!([sim1(&["Last"])]), &[gateway.port()]));
    streamer.until_flowing().await;
    let of_sim1 = |data: &Path| common::stored(data).iter().any(|tick| tick.con_id == SIM1);
    common::until("ticks are stored", async || of_sim1(&data)).await;
    let from = common::now_s() + 1;
    common::until("a whole second was recorded", async || common::now_s() > from).await;

    // The disk hangs, and something else fills the queue.
    run("fsfreeze", &["--freeze"], &data);
    let feed = streamer.facts().feed;
    let long = TickMessage { exchange: Some("x".repeat(60_000)), ..tick(1.0) };
    let filled = || {
        while feed.tick(&long) {}
        streamer.gaps().iter().any(|gap| gap.cause == GapCause::Dropped)
    };
    common::until("a tick of the stream is refused", async || filled()).await;
    run("fsfreeze", &["--unfreeze"], &data);

    let dropped = |streamer: &Streamer| streamer.gaps().into_iter().find(|gap| gap.cause == GapCause::Dropped).unwrap();
    streamer.until("the gap is filled", |_| dropped(&streamer).added > 0).await;
    let gap = dropped(&streamer);
    let to = common::now_s() - 1;
    assert!(
        gap.after.is_some_and(|after| after >= from - 1) && gap.before.is_some_and(|before| before <= to),
        "{gap:?}"
    );
    let verdict = gateway.judge(&data, from, to).await;
    assert!(verdict.lossless(), "{verdict:#?}");
    streamer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_whose_syncs_fail_now_and_then_disturbs_no_stream() {
    let test = "device::a_disk_whose_syncs_fail_now_and_then_disturbs_no_stream";
    let Some(folder) = in_a_namespace(test, SETUP) else { return };
    let data = folder.join("data");
    // What is recorded lies behind it, and so behind the end of the small device.
    std::fs::write(data.join("ballast"), vec![7; 8 << 20]).unwrap();
    let gateway = Gateway::start().await;
    let streamer = Streamer::start(&data);
    streamer.apply(&spec(json!([sim1(&["Last", "BidAsk"])]), &[gateway.port()]));
    let since = |status: &StreamerStatus| status.streams.iter().map(|stream| stream.since.get()).collect::<Vec<_>>();
    let began = since(&streamer.until_flowing().await);
    let from = common::now_s() + 1;
    for _ in 0..4 {
        resize(&folder, SMALL);
        streamer.until("a sync fails", |status| !status.storage.writable).await;
        resize(&folder, WHOLE);
        streamer.until("the disk keeps its word again", |status| status.storage.writable).await;
    }
    let to = common::now_s();
    let later = |status: &StreamerStatus| status.last_tick_time.is_some_and(|tick| tick.get().as_second() > to);
    let status = streamer.until("later ticks came", later).await;
    assert_eq!(since(&status), began, "no stream has changed its state");
    assert_eq!(gateway.requests("subscribe").await.len(), 2, "none was asked for again");
    streamer.stop().await;
    // Not after another mount: what the file system has lost of its own tables is not the streamer's to write again.
    let verdict = gateway.judge(&data, from, to).await;
    assert!(verdict.total.stored > 0 && verdict.complete(), "{verdict:#?}");
}
