//! Daily volumes of a future's expiries, from IBKR's history.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use ibapi::{
    Client, Error,
    market_data::{
        TradingHours,
        historical::{self, BarSize, BarTimestamp, HistoricalData},
    },
};
use jiff::civil::Date;
use marketstream_proto::TickKind;
use marketstream_recovery::codes::{ErrorClass, classify};

use super::details::Resolved;
use crate::{
    backfill::{budget::Budget, work},
    clock::Clock,
    facts::Counters,
    roll::{Candidate, Volumes},
};

/// Expiries that are compared: the current one and those after it. Each costs one historical request a day.
const COMPARED: usize = 4;
/// Trading days that are asked for: in the evening the bar of tomorrow grows already, and that of today counts as not
/// over.
const DAYS: i32 = 3;
/// Bound of one answer. The library has none of its own (measured).
const BOUND: Duration = Duration::from_secs(60);
/// IBKR's code of everything about history.
const HISTORY: i32 = 162;

/// Why the volumes are not known.
#[derive(Debug)]
pub enum Unknown {
    /// There is no answer, or none that tells; what is wrong is logged.
    NoAnswer,
    /// Another session of the user has the data, says IBKR with this code and text.
    Competing(i32, String),
}

/// What the questions need.
pub struct Questions {
    /// The session.
    pub client: Arc<Client>,
    /// What the login has asked already.
    pub budget: Arc<Mutex<Budget>>,
    /// Requests in ten minutes.
    pub allowed: u32,
    /// Clocks.
    pub clock: Clock,
    /// Counts.
    pub counters: Arc<Counters>,
}

/// The expiries whose volumes decide, as candidates.
#[must_use]
pub fn candidates(expiries: &[Resolved]) -> Vec<Candidate> {
    let known = expiries.iter().filter_map(|resolved| {
        Some(Candidate { con_id: resolved.contract.contract_id, expiry: resolved.expiry.clone()? })
    });
    known.collect()
}

impl Questions {
    /// Volumes of the nearest expiries on the last whole trading day.
    ///
    /// # Errors
    /// See [`Unknown`].
    pub async fn ask(&self, expiries: &[Resolved]) -> Result<Volumes, Unknown> {
        let now = self.clock.now().wall;
        let mut nearest: Vec<&Resolved> = expiries.iter().filter(|resolved| !resolved.has_ended(now)).collect();
        nearest.sort_by_key(|resolved| resolved.expiry.as_ref().map(crate::roll::Expiry::ends));
        let today =
            nearest.first().and_then(|first| Some(first.expiry.as_ref()?.today(now))).ok_or(Unknown::NoAnswer)?;
        let mut bars = BTreeMap::new();
        for resolved in nearest.into_iter().take(COMPARED) {
            bars.insert(resolved.contract.contract_id, self.bars(resolved).await?);
        }
        Volumes::of_last_day(&bars, today).ok_or(Unknown::NoAnswer)
    }

    async fn bars(&self, resolved: &Resolved) -> Result<Vec<(Date, f64)>, Unknown> {
        work::turn(&self.budget, TickKind::Last, self.allowed, self.clock).await;
        let question = self
            .client
            .historical_data(&resolved.contract, BarSize::Day)
            .duration(historical::Duration::days(DAYS))
            .trading_hours(TradingHours::Extended)
            .fetch();
        let symbol = &resolved.contract.local_symbol;
        let answer = tokio::time::timeout(BOUND, question).await;
        if let Ok(Err(Error::Notice(notice))) = &answer {
            self.counters.notice(notice.code);
        }
        match answer {
            Ok(Ok(data)) => Ok(daily(&data)),
            Ok(Err(Error::Notice(notice))) if notice.code == HISTORY && notice.message.contains("returned no data") => {
                Ok(Vec::new())
            }
            Ok(Err(Error::Notice(notice))) => {
                tracing::warn!(symbol, code = notice.code, "no daily volume: {}", notice.message);
                match classify(notice.code, &notice.message) {
                    ErrorClass::Pacing => work::locked(&self.budget).cool_down(self.clock.mono()),
                    ErrorClass::CompetingSession => return Err(Unknown::Competing(notice.code, notice.message)),
                    _ => {}
                }
                Err(Unknown::NoAnswer)
            }
            Ok(Err(error)) => {
                tracing::warn!(symbol, %error, "no daily volume");
                Err(Unknown::NoAnswer)
            }
            Err(_) => {
                tracing::warn!(symbol, "no daily volume: no answer within {} s", BOUND.as_secs());
                Err(Unknown::NoAnswer)
            }
        }
    }
}

fn daily(data: &HistoricalData) -> Vec<(Date, f64)> {
    let day = |at: BarTimestamp| {
        let date = match at {
            BarTimestamp::Date(date) => date,
            BarTimestamp::DateTime(at) => at.date(),
        };
        Date::new(i16::try_from(date.year()).ok()?, u8::from(date.month()) as i8, date.day() as i8).ok()
    };
    data.bars.iter().filter_map(|bar| Some((day(bar.date)?, bar.volume))).collect()
}
