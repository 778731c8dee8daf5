//! The second yardstick: the client library, with a consumer that only counts.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use futures::{Stream, StreamExt};
use ib_gateway_sim::market::tick::TickType;
use ibapi::{
    Client, Error,
    contracts::{Contract, SecurityType},
    market_data::IgnoreSize,
    subscriptions::SubscriptionItem,
};

use crate::{
    flood::{Meter, ROUNDS, Spent, TICKS},
    gateway::{Gateway, five},
    process::Process,
};

/// First argument of a process in this role; the port and the number of ticks of a round follow.
pub const ROLE: &str = "ibapi";

/// Frames that each subscription may have waiting.
const CAPACITY: usize = 4_096;

pub fn run() -> anyhow::Result<Spent> {
    let gateway = Gateway::start()?;
    let ticks = u64::from(TICKS) * five().len() as u64;
    let child = Process::role(&[ROLE, &gateway.address().port().to_string(), &ticks.to_string()])?;
    let mut rounds = Vec::new();
    child.says("ready")?;
    for _ in 0..ROUNDS {
        let meter = Meter::start(&child)?;
        gateway.burst(&five(), TICKS)?;
        child.says("done")?;
        rounds.push(meter.stop(&child, ticks)?.0);
    }
    child.end()?;
    Ok(Spent::best(&rounds))
}

pub fn child(port: u16, ticks: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let subscriptions = async {
        let client = Client::builder()
            .address(format!("127.0.0.1:{port}"))
            .client_id(1)
            .max_reconnect_attempts(0)
            .channel_capacity(CAPACITY)
            .connect()
            .await?;
        let count = Arc::new(Count { ticks: AtomicU64::new(0), silent: AtomicUsize::new(five().len()), round: ticks });
        let mut tasks = tokio::task::JoinSet::new();
        for stream in five() {
            let (contract_id, exchange) = (stream.con_id, "PAXOS".into());
            let contract =
                Contract { contract_id, exchange, security_type: SecurityType::Crypto, ..Contract::default() };
            let (builder, count) = (client.tick_by_tick(&contract, 0), count.clone());
            match stream.tick {
                TickType::Last => tasks.spawn(count.all(builder.last().await?)),
                TickType::AllLast => tasks.spawn(count.all(builder.all_last().await?)),
                TickType::BidAsk => tasks.spawn(count.all(builder.bid_ask(IgnoreSize::No).await?)),
                TickType::MidPoint => tasks.spawn(count.all(builder.mid_point().await?)),
            };
        }
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        anyhow::Ok(())
    };
    runtime.block_on(subscriptions)
}

/// Of all subscriptions together.
struct Count {
    ticks: AtomicU64,
    /// Subscriptions without a tick.
    silent: AtomicUsize,
    /// Ticks of a round.
    round: u64,
}

impl Count {
    async fn all<T>(self: Arc<Self>, mut ticks: impl Stream<Item = Result<SubscriptionItem<T>, Error>> + Unpin) {
        let mut first = true;
        while let Some(item) = ticks.next().await {
            match item {
                Ok(SubscriptionItem::Data(tick)) => {
                    std::hint::black_box(&tick);
                    self.one(std::mem::take(&mut first));
                }
                Ok(SubscriptionItem::Notice(notice)) => println!("notice {}: {}", notice.code, notice.message),
                Err(error) => println!("{error}"),
            }
        }
    }

    fn one(&self, first: bool) {
        if first && self.silent.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.ticks.store(0, Ordering::Relaxed);
            println!("ready");
        }
        if self.ticks.fetch_add(1, Ordering::Relaxed) + 1 == self.round {
            self.ticks.store(0, Ordering::Relaxed);
            println!("done");
        }
    }
}
