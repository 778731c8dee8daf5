//! What the disk has spoiled is found, put aside, and becomes a gap; what is good of the hour is sealed.

use std::{fs, path::PathBuf};

use marketstream_proto::{TickKind, TickMessage, framing::Reader, layout::HourFile};
use marketstream_streamer::{
    backfill::{
        ledger::{GapCause, Recorded},
        store::Files,
    },
    seal::damage::{self, Damage},
    sums::{BLOCK, Sums},
};

use super::data::{CON_ID, Data, HOUR};

const START: i64 = 1_795_464_000;
const KIND: TickKind = TickKind::Last;
const TICKS: u64 = 3_000;
const STREAM: Recorded = Recorded { con_id: CON_ID, kind: KIND };

/// An hour of several blocks, with its checksums. Returns where it is, and where each record begins.
fn recorded(data: &mut Data) -> (PathBuf, Vec<u64>) {
    data.record(KIND, START, TICKS);
    let path = data.path().join(HourFile { hour: START, con_id: CON_ID, kind: KIND }.path().unwrap());
    let content = fs::read(&path).unwrap();
    assert!(content.len() as u64 > 2 * BLOCK);
    fs::remove_file(marketstream_streamer::sums::path_of(&path)).ok();
    Sums::resume(&path, content.len() as u64).unwrap().close().unwrap();
    let mut reader = Reader::new(content.as_slice());
    let mut begins = vec![0];
    while reader.next().is_some() {
        begins.push(reader.offset());
    }
    (path, begins)
}

fn second(tick: &TickMessage) -> i64 {
    tick.ts / 1_000_000
}

/// The ticks of a recording.
fn read(path: &PathBuf) -> Vec<TickMessage> {
    Reader::new(fs::read(path).unwrap().as_slice()).map(Result::unwrap).collect()
}

#[test]
fn a_changed_block_is_put_aside_and_becomes_a_gap() {
    let mut data = Data::new();
    let (path, begins) = recorded(&mut data);
    // One bit of a price, in the second block: every record can still be read.
    let mut content = fs::read(&path).unwrap();
    let hit = begins.iter().position(|begin| *begin > BLOCK + 1_000).unwrap();
    content[begins[hit] as usize + 45] ^= 1;
    fs::write(&path, &content).unwrap();

    let sealed = data.seal(START + HOUR + 200);
    let bad = |at: usize| begins[at] < 2 * BLOCK && begins[at + 1] > BLOCK;
    let (good, lost): (Vec<_>, Vec<_>) = (0..TICKS as usize).zip(&data.ticks).partition(|(at, _)| !bad(*at));
    assert_eq!(sealed.rows, good.len() as u64);
    let good: Vec<_> = good.into_iter().map(|(_, tick)| tick.clone()).collect();
    assert!(read(&path) == good, "what is left are the good ones, as they were");
    let aside = super::data::files(&data.path().join(".marketstream/quarantine/recordings"));
    assert!(aside.len() == 1 && fs::read(&aside[0]).unwrap() == content, "the file as it was found");

    let before = lost[0].0 - 1;
    let (after, before) = (second(&data.ticks[before]), second(&data.ticks[lost.last().unwrap().0 + 1]));
    let found = [Damage { stream: STREAM, after, before }];
    assert_eq!(damage::found(data.path()).unwrap(), found);
    // It is told until the ledger has it, and the hour is sealed once.
    assert_eq!(data.seal(START + HOUR + 300).files, 0);
    assert_eq!(damage::found(data.path()).unwrap(), found);
    let files = Files::new(data.path());
    let mut ledger = files.ledger();
    for _ in 0..2 {
        ledger.damaged("mnq", &found[0], 0);
    }
    files.keep(&ledger).unwrap();
    let gaps: Vec<_> = ledger.gaps().iter().map(|gap| (gap.cause, gap.range())).collect();
    assert_eq!(gaps, [(GapCause::Damaged, Some(after..=before))]);
    data.seal(START + HOUR + 400);
    assert_eq!(damage::found(data.path()).unwrap(), []);
}

#[test]
fn behind_what_cannot_be_read_the_recording_goes_on() {
    const HIT: usize = 2_000;
    // Lengths that cannot be, that are too long, that end within the record, and a stretch of nothing.
    for broken in [&[0xff][..], &[0, 0, 1], &[0, 0, 0, 9], &[0; 5_000], &[7; 5_000]] {
        for hit in [HIT, TICKS as usize - 2] {
            let mut data = Data::new();
            let (path, begins) = recorded(&mut data);
            fs::remove_file(marketstream_streamer::sums::path_of(&path)).unwrap();
            let mut content = fs::read(&path).unwrap();
            let at = begins[hit] as usize;
            let end = (at + broken.len()).min(content.len());
            content[at..end].copy_from_slice(&broken[..end - at]);
            fs::write(&path, content).unwrap();
            let next = begins.iter().position(|begin| *begin as usize >= end).unwrap();
            data.seal(START + HOUR + 200);
            let good = [&data.ticks[..hit], &data.ticks[next..]].concat();
            assert!(read(&path) == good, "{} and not {}", read(&path).len(), good.len());
            let before = data.ticks.get(next).map_or(START + HOUR - 1, second);
            let found = Damage { stream: STREAM, after: second(&data.ticks[hit - 1]), before };
            assert_eq!(damage::found(data.path()).unwrap(), [found]);
        }
    }
}
