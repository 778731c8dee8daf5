//! Recordings that a test makes up, and what is sealed of them.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use marketstream_proto::{
    Source, TickKind, TickMessage, framing,
    layout::{HourFile, Part},
};
use marketstream_streamer::{
    backfill::{
        ledger::{GapCause, Outcome, Recorded},
        store::Files,
    },
    seal::{lock, seal},
};

pub const CON_ID: i32 = 711_280_073;
pub const HOUR: i64 = 3600;
const MICROS: i64 = 1_000_000;

/// A data directory, and all ticks in it.
pub struct Data {
    pub folder: tempfile::TempDir,
    pub ticks: Vec<TickMessage>,
    random: u64,
}

impl Data {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), ticks: Vec::new(), random: 7 }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn random(&mut self, below: u64) -> u64 {
        // Numbers that differ and repeat from run to run (Knuth's MMIX).
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    /// A tick of a kind with everything that such a tick can have.
    fn tick(&mut self, kind: TickKind, second: i64) -> TickMessage {
        let price = |units: u64| Some(23_000.0 + units as f64 * 0.25);
        let base = TickMessage {
            ts: second * MICROS,
            st: second * MICROS + self.random(900_000) as i64,
            cid: CON_ID,
            tt: kind.as_str().to_owned(),
            ..TickMessage::default()
        };
        match kind {
            TickKind::Last | TickKind::AllLast | TickKind::RtVolume => TickMessage {
                // Some prices and sizes have no exact double.
                p: if self.random(9) == 0 { Some(self.random(999_999) as f64 / 1e5) } else { price(self.random(400)) },
                s: Some(self.random(50) as f64 / if self.random(3) == 0 { 1e8 } else { 1.0 }),
                exchange: (self.random(4) > 0).then(|| ["CME", "ARCA", "Börse"][self.random(3) as usize].to_owned()),
                conditions: (self.random(5) == 0).then(|| " T F I".to_owned()),
                past_limit: (self.random(20) == 0).then_some(true),
                upt: (self.random(20) == 0).then_some(true),
                volume: (kind == TickKind::RtVolume).then_some(second as f64),
                ..base
            },
            TickKind::BidAsk | TickKind::QuoteL1 => TickMessage {
                bp: price(self.random(400)),
                bs: Some(self.random(90) as f64),
                ap: price(self.random(400)),
                r#as: Some(self.random(90) as f64),
                bpl: (self.random(20) == 0).then_some(true),
                aph: (self.random(20) == 0).then_some(true),
                ..base
            },
            TickKind::MidPoint => TickMessage { mp: Some(1.0 + self.random(99_999) as f64 / 2e5), ..base },
        }
    }

    /// Records `count` ticks over an hour, as the recorder does.
    pub fn record(&mut self, kind: TickKind, hour: i64, count: u64) {
        let mut seconds: Vec<i64> = (0..count).map(|_| hour + self.random(3600) as i64).collect();
        seconds.sort_unstable();
        let path = self.path().join(HourFile { hour, con_id: CON_ID, kind }.path().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let before = self.of_hour(kind, hour, Source::Live);
        let mut bytes = Vec::new();
        for (second, sequence) in seconds.into_iter().zip(before + 1..) {
            let tick = TickMessage { sequence, ..self.tick(kind, second) };
            framing::append(&mut bytes, &tick).unwrap();
            self.ticks.push(tick);
        }
        file.write_all(&bytes).unwrap();
    }

    /// Fills a gap between these seconds of one hour, as the backfill does.
    pub fn fill(&mut self, kind: TickKind, after: i64, before: i64, count: u64, agreement: f64) {
        let (files, stream) = (Files::new(self.path()), Recorded { con_id: CON_ID, kind });
        let mut ledger = files.ledger();
        ledger.open("mnq", stream, Some(after), GapCause::SessionLost);
        ledger.close(stream, before, 0);
        let hour = after - after.rem_euclid(HOUR);
        let mut seconds: Vec<i64> = (0..count).map(|_| after + self.random((before - after) as u64) as i64).collect();
        seconds.sort_unstable();
        let first = self.of_hour(kind, hour, Source::Backfill) + 1;
        let number = |(mut tick, sequence): (TickMessage, u64)| {
            (tick.sequence, tick.source) = (sequence, Source::Backfill.into());
            tick
        };
        let fetched: Vec<TickMessage> = seconds.into_iter().map(|second| self.tick(kind, second)).collect();
        let fetched: Vec<TickMessage> = fetched.into_iter().zip(first..).map(number).collect();
        files.add(stream, &fetched).unwrap();
        let id = ledger.gaps().last().unwrap().id;
        ledger.settle(id, Outcome::Fetched { added: count, agreement: Some(agreement), whole: true }, 0);
        files.keep(&ledger).unwrap();
        self.ticks.extend(fetched);
    }

    fn of_hour(&self, kind: TickKind, hour: i64, source: Source) -> u64 {
        let same = |tick: &&TickMessage| {
            tick.tt == kind.as_str() && tick.source() == source && (hour..hour + HOUR).contains(&(tick.ts / MICROS))
        };
        self.ticks.iter().filter(same).count() as u64
    }

    /// Seals what is due at `now`.
    pub fn seal(&self, now: i64) -> marketstream_streamer::seal::Sealed {
        let _lock = lock(self.path()).unwrap().unwrap();
        seal(self.path(), now, 0, 24 * HOUR).unwrap()
    }

    /// Sealed files of ticks, below the data directory.
    pub fn sealed(&self) -> Vec<PathBuf> {
        files(&self.path().join("parquet/ticks"))
            .into_iter()
            .map(|path| path.strip_prefix(self.path()).unwrap().to_owned())
            .collect()
    }

    pub fn part_of(tick: &TickMessage) -> Part {
        if tick.source() == Source::Backfill { Part::Backfill } else { Part::Live }
    }
}

/// All files below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
