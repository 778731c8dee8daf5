//! Whether all that the simulator sent is in the files.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::BufReader,
    path::Path,
};

use ib_gateway_sim::{
    journal::sent,
    market::{Stream, tick::TickType},
};
use marketstream_proto::{TickKind, framing::Reader, layout::HourFile};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Ticks by stream and IBKR's second.
type Counts = HashMap<(i32, TickKind, i64), i64>;

/// How many ticks up to a second are missing or twice in the data directory, of those that the only client got, as the
/// journal in the simulator's state directory says.
pub fn lost(data: &Path, state: &Path, last_second: i64) -> anyhow::Result<u64> {
    let mut counts = Counts::new();
    for (Stream { con_id, tick }, second, _) in sent::read(&state.join("journal"), (0, last_second + 1))?.into_keys() {
        *counts.entry((con_id, kind(tick), second)).or_default() += 1;
    }
    let hour =
        |(con_id, kind, second): &(i32, TickKind, i64)| HourFile::of_tick(*con_id, *kind, second * MICROS_PER_SECOND);
    for hour in counts.keys().map(hour).collect::<HashSet<_>>() {
        let Ok(file) = File::open(data.join(hour.path()?)) else { continue };
        for record in Reader::new(BufReader::new(file)) {
            let tick = record?;
            let second = tick.ts.div_euclid(MICROS_PER_SECOND);
            if second <= last_second {
                *counts.entry((hour.con_id, hour.kind, second)).or_default() -= 1;
            }
        }
    }
    Ok(counts.into_values().map(i64::unsigned_abs).sum())
}

fn kind(tick: TickType) -> TickKind {
    match tick {
        TickType::Last => TickKind::Last,
        TickType::AllLast => TickKind::AllLast,
        TickType::BidAsk => TickKind::BidAsk,
        TickType::MidPoint => TickKind::MidPoint,
    }
}
