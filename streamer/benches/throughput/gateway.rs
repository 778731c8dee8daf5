//! The simulator, in this process on a thread of its own.

use std::net::SocketAddr;

use ib_gateway_sim::{
    Config, Simulator,
    market::{
        Stream,
        catalog::{Catalog, FIRST_TEST_CON_ID, HALT_CON_ID, HALTED_CON_ID, THIN_CON_ID},
        tick::TickType,
    },
};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

/// As many streams as a login has by default, of all types.
const KINDS: [TickType; 5] =
    [TickType::BidAsk, TickType::Last, TickType::BidAsk, TickType::AllLast, TickType::MidPoint];

/// All types.
const EVERY_KIND: [TickType; 4] = [TickType::Last, TickType::AllLast, TickType::BidAsk, TickType::MidPoint];

pub struct Gateway {
    runtime: Runtime,
    simulator: Simulator,
    dir: TempDir,
}

impl Gateway {
    pub fn start() -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let simulator = runtime.block_on(Simulator::start(Config::local(dir.path())))?;
        Ok(Self { runtime, simulator, dir })
    }

    pub fn address(&self) -> SocketAddr {
        self.simulator.api_addr()
    }

    /// Bursts of so many ticks in each of the streams, due at once. Returns IBKR's second of the last of them.
    pub fn burst(&self, streams: &[Stream], ticks: u32) -> anyhow::Result<i64> {
        let mut last = i64::MIN;
        for stream in streams {
            last = last.max(self.simulator.burst(*stream, ticks)?.second);
        }
        Ok(last)
    }

    /// Stops it, with its journal on disk, and returns the directory.
    pub fn stop(self) -> TempDir {
        self.runtime.block_on(self.simulator.shutdown());
        self.dir
    }
}

/// The streams of a flood.
pub fn five() -> Vec<Stream> {
    (FIRST_TEST_CON_ID..).zip(KINDS).map(|(con_id, tick)| Stream { con_id, tick }).collect()
}

/// As many streams as a manifest may have.
pub fn hundred() -> Vec<Stream> {
    let now = jiff::Timestamp::now();
    let catalog = Catalog::on(now.to_zoned(jiff::tz::TimeZone::UTC).date());
    let quiet = [THIN_CON_ID, HALT_CON_ID, HALTED_CON_ID];
    let mut contracts: Vec<_> = catalog.contracts().iter().collect();
    contracts.retain(|contract| !quiet.contains(&contract.con_id) && !contract.expired_at(now.as_second()));
    // The liveliest ones: all are to flow soon.
    contracts.sort_by(|one, other| other.trades_per_second.total_cmp(&one.trades_per_second));
    contracts
        .into_iter()
        .flat_map(|contract| EVERY_KIND.map(|tick| Stream { con_id: contract.con_id, tick }))
        .take(100)
        .collect()
}
