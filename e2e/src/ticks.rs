//! Stored ticks, and the judge's verdict on them.

use anyhow::{Context, Result, ensure};
use ib_gateway_sim::{
    judge::{JournalTick, RecordedTick, Verdict, compare},
    market::tick::TickType,
};
use marketstream_crds::names;
use serde::Deserialize;

use crate::{
    cluster::Cluster,
    simulator::{Simulator, Stream, lines},
};

/// Where the streamer's container has the data volume.
pub const DATA: &str = "/data";

/// A tick as it is stored.
#[derive(Clone, Debug, Deserialize)]
pub struct Stored {
    /// When the streamer received it, microseconds since the epoch.
    pub received_us: i64,
    /// Whether it was fetched from history.
    #[serde(default)]
    pub backfill: bool,
    /// What the judge compares.
    #[serde(flatten)]
    pub tick: RecordedTick,
}

/// The stored ticks of one contract, read by the streamer's own command in its container.
///
/// # Errors
/// When the command cannot be run, or prints something else.
pub async fn stored(cluster: &Cluster, namespace: &str, pod: &str, con_id: i32) -> Result<Vec<Stored>> {
    let con_id = con_id.to_string();
    let command = ["marketstream-streamer", "ticks", "--data-dir", DATA, "--con-id", &con_id];
    lines(&cluster.exec(namespace, pod, names::STREAMER_CONTAINER, &command).await?)
}

/// What was stored and what the gateway had, over the same seconds.
#[derive(Clone, Debug)]
pub struct Recording {
    stored: Vec<Stored>,
    streams: Vec<Stream>,
}

impl Recording {
    /// Reads the stored ticks of these streams.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(cluster: &Cluster, namespace: &str, pod: &str, streams: &[Stream]) -> Result<Self> {
        let mut contracts: Vec<i32> = streams.iter().map(|(con_id, _)| *con_id).collect();
        contracts.sort_unstable();
        contracts.dedup();
        let mut stored = Vec::new();
        for con_id in contracts {
            stored.append(&mut self::stored(cluster, namespace, pod, con_id).await?);
        }
        stored.retain(|stored| streams.contains(&(stored.tick.con_id, stored.tick.tick)));
        Ok(Self { stored, streams: streams.to_vec() })
    }

    /// The stored ticks of one stream.
    pub fn of(&self, (con_id, tick): Stream) -> impl Iterator<Item = &Stored> {
        self.stored.iter().filter(move |stored| stored.tick.con_id == con_id && stored.tick.tick == tick)
    }

    /// Everything stored.
    #[must_use]
    pub fn all(&self) -> &[Stored] {
        &self.stored
    }

    /// The seconds that every stream has whole: from the one after the latest first tick, up to the earliest last one.
    /// Within them, everything that was not lost must be there.
    ///
    /// # Errors
    /// When a stream has no tick, or there is no such second.
    pub fn whole_seconds(&self) -> Result<(i64, i64)> {
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        for stream in &self.streams {
            let seconds = || self.of(*stream).map(|stored| stored.tick.time_s);
            from = from.max(seconds().min().with_context(|| format!("no tick of {stream:?} is stored"))? + 1);
            to = to.min(seconds().max().unwrap_or(i64::MIN));
        }
        ensure!(from < to, "no whole second is stored of {:?}: {from} to {to}", self.streams);
        Ok((from, to))
    }

    /// Compares with the gateway's journal over these seconds.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn judge(&self, simulator: &Simulator, seconds: (i64, i64)) -> Result<Verdict> {
        let mut journal = simulator.journal(seconds).await?;
        journal.retain(|tick| self.streams.contains(&(tick.con_id, tick.tick)));
        Ok(self.compare(&journal, seconds))
    }

    /// Compares with a journal over these seconds.
    #[must_use]
    pub fn compare(&self, journal: &[JournalTick], seconds: (i64, i64)) -> Verdict {
        let recorded: Vec<RecordedTick> = self.stored.iter().map(|stored| stored.tick.clone()).collect();
        compare(journal, &recorded, seconds)
    }
}

/// The simulator's name of a tick type of the resource.
#[must_use]
pub fn tick_type(tick: marketstream_crds::TickType) -> TickType {
    match tick {
        marketstream_crds::TickType::Last => TickType::Last,
        marketstream_crds::TickType::AllLast => TickType::AllLast,
        marketstream_crds::TickType::BidAsk => TickType::BidAsk,
        marketstream_crds::TickType::MidPoint => TickType::MidPoint,
    }
}
