//! What IBKR says of each recorded contract, kept on the volume for as long as its ticks are:
//! `.marketstream/instruments/{conId}.json`. Contract details cover the next days only, so the sessions are collected.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use ibapi::contracts::ContractDetails;
use jiff::{civil::Date, tz::TimeZone};
use marketstream_recovery::hours::{named_sessions, zone};
use serde::{Deserialize, Serialize};

use super::days::Sessions;

const FOLDER: &str = ".marketstream/instruments";

/// A contract and its sessions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instrument {
    /// IBKR's contract identifier.
    pub con_id: i32,
    /// Name in the manifest.
    pub contract: String,
    /// Symbol.
    pub symbol: String,
    /// The exchange's own symbol.
    pub local_symbol: String,
    /// IBKR's code of the security type.
    pub sec_type: String,
    /// Exchange.
    pub exchange: String,
    /// Currency.
    pub currency: String,
    /// Multiplier; empty without one.
    pub multiplier: String,
    /// Trading class.
    pub trading_class: String,
    /// Last trade date or month of a contract that expires.
    pub last_trade_date: String,
    /// Smallest step of the price.
    pub min_tick: f64,
    /// Full name.
    pub long_name: String,
    /// IBKR's name of the exchange's time zone.
    pub time_zone: String,
    /// The sessions that are known, past ones included, in order of time.
    pub sessions: Vec<Session>,
}

/// One session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Session {
    /// First second, since 1970.
    pub open: i64,
    /// First second behind it.
    pub close: i64,
    /// The trading day.
    pub date: Date,
    /// One of `liquidHours`; otherwise of `tradingHours`.
    pub liquid: bool,
}

impl Instrument {
    /// From a contract's details. Hours that cannot be read are left out, which the look-up has said.
    #[must_use]
    pub fn new(contract: &str, details: &ContractDetails) -> Self {
        let known = &details.contract;
        let sessions = |texts: &[String], liquid| {
            let named = named_sessions(&texts.join(";"), &details.time_zone_id).unwrap_or_default();
            named.into_iter().map(move |session| Session {
                open: session.since.as_second(),
                close: session.until.as_second(),
                date: session.date,
                liquid,
            })
        };
        let trading = sessions(&details.trading_hours, false);
        let mut sessions: Vec<_> = trading.chain(sessions(&details.liquid_hours, true)).collect();
        sessions.sort_unstable();
        Self {
            con_id: known.contract_id,
            contract: contract.to_owned(),
            symbol: known.symbol.to_string(),
            local_symbol: known.local_symbol.clone(),
            sec_type: known.security_type.to_string(),
            exchange: known.exchange.to_string(),
            currency: known.currency.to_string(),
            multiplier: known.multiplier.clone(),
            trading_class: known.trading_class.clone(),
            last_trade_date: known.last_trade_date_or_contract_month.clone(),
            min_tick: details.min_tick,
            long_name: details.long_name.clone(),
            time_zone: details.time_zone_id.clone(),
            sessions,
        }
    }

    /// Keeps it, with the sessions that were known before and are not told any more.
    ///
    /// # Errors
    /// When the volume refuses it; the older one stays whole then.
    pub fn keep(mut self, data_dir: &Path) -> io::Result<()> {
        let old = read(data_dir, self.con_id);
        if let Some(old) = &old {
            // What IBKR says today of a day counts; days that it no longer speaks of stay as they were.
            let first = self.sessions.first().map_or(i64::MAX, |session| session.open);
            self.sessions.extend(old.sessions.iter().filter(|session| session.close <= first));
            self.sessions.sort_unstable();
            if *old == self {
                return Ok(());
            }
        }
        let path = path(data_dir, self.con_id);
        let new = path.with_extension("new");
        fs::create_dir_all(data_dir.join(FOLDER))?;
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&self)?)?;
        file.sync_all()?;
        fs::rename(new, path)
    }

    /// The exchange's time zone; UTC when it is not known.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        zone(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// Its trading days, in order of time.
    #[must_use]
    pub fn days(&self) -> Vec<Sessions> {
        let mut days: Vec<Sessions> = Vec::new();
        for session in self.sessions.iter().filter(|session| !session.liquid) {
            match days.last_mut().filter(|day| day.date == session.date) {
                Some(day) => day.close = day.close.max(session.close),
                None => days.push(Sessions { date: session.date, open: session.open, close: session.close }),
            }
        }
        days
    }
}

/// What is known of a contract.
#[must_use]
pub fn read(data_dir: &Path, con_id: i32) -> Option<Instrument> {
    let bytes = fs::read(path(data_dir, con_id)).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::warn!(con_id, %error, "what is known of the contract cannot be read"))
        .ok()
}

/// Every contract that is known, by identifier.
#[must_use]
pub fn all(data_dir: &Path) -> Vec<Instrument> {
    let entries = fs::read_dir(data_dir.join(FOLDER)).into_iter().flatten().flatten();
    let con_ids = entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok());
    let mut con_ids: Vec<i32> = con_ids.collect();
    con_ids.sort_unstable();
    con_ids.into_iter().filter_map(|con_id| read(data_dir, con_id)).collect()
}

fn path(data_dir: &Path, con_id: i32) -> PathBuf {
    data_dir.join(FOLDER).join(format!("{con_id}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(trading: &str) -> ContractDetails {
        let mut details = ContractDetails {
            time_zone_id: "US/Central".to_owned(),
            trading_hours: vec![trading.to_owned()],
            ..ContractDetails::default()
        };
        details.contract.contract_id = 7;
        details
    }

    #[test]
    fn past_sessions_stay_and_what_is_said_anew_counts() {
        let data = tempfile::tempdir().unwrap();
        let keep = |trading: &str| Instrument::new("a", &details(trading)).keep(data.path()).unwrap();
        keep("20261122:1700-20261123:1600;20261123:1700-20261124:1600");
        // A holiday was announced: the 24th closes early.
        keep("20261123:1700-20261124:1200;20261124:1700-20261125:1600");
        let instrument = read(data.path(), 7).unwrap();
        let hours: Vec<_> =
            instrument.days().iter().map(|day| (day.date.to_string(), (day.close - day.open) / 3600)).collect();
        let expected = [("2026-11-23", 23), ("2026-11-24", 19), ("2026-11-25", 23)];
        assert_eq!(hours, expected.map(|(date, hours)| (date.to_owned(), hours)));
        assert_eq!(all(data.path()), [instrument]);
    }
}
