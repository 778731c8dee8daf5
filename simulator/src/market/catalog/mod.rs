//! The contracts, and which of them a client means.

use jiff::civil::{Date, Weekday, time};

use super::hours::{Hours, Session};
use crate::wire::pb;

/// Ids of the test contracts `SIM1` to `SIM8`: this and the seven that follow.
pub const FIRST_TEST_CON_ID: i32 = 900_001;

/// Id of `SIMTHIN`, the test contract that is often silent.
pub const THIN_CON_ID: i32 = 900_009;

/// Id of BTC.USD. Chosen for this program: the original's id is not public knowledge.
pub const BTC_USD_CON_ID: i32 = 900_100;

/// One instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// IBKR's contract id.
    pub con_id: i32,
    /// For example `MNQ`.
    pub symbol: String,
    /// For example `FUT`.
    pub sec_type: &'static str,
    /// Listing exchange.
    pub exchange: &'static str,
    /// All exchanges at which it may be requested.
    pub valid_exchanges: &'static [&'static str],
    /// Primary exchange; empty unless a stock.
    pub primary_exchange: &'static str,
    /// For example `USD`.
    pub currency: &'static str,
    /// `YYYYMMDD`; empty when it does not expire.
    pub last_trade_date: String,
    /// Currency units per point; 0 when it has none.
    pub multiplier: f64,
    /// Exchange's own name.
    pub local_symbol: String,
    /// For example `MNQ` or `NMS`.
    pub trading_class: String,
    /// In words.
    pub long_name: String,
    /// Price steps per currency unit: 4 means a minimum tick of 0.25.
    pub steps_per_unit: u32,
    /// Middle of the generated prices, in currency units.
    pub base_price: u32,
    /// Largest swing of the generated prices around it, in price steps.
    pub swing_steps: i64,
    /// Smallest size.
    pub lot: f64,
    /// Smallest increment of a size.
    pub min_size: f64,
    /// Quotes a second, on average.
    pub quotes_per_second: f64,
    /// Trades a second, on average.
    pub trades_per_second: f64,
    /// Percent of the trades that are not reported (AllLast only).
    pub unreported_percent: u64,
    /// At least one tick of each type in each open second.
    pub never_silent: bool,
    /// When it trades.
    pub hours: Hours,
}

impl Contract {
    /// Whether it may be requested at that exchange.
    #[must_use]
    pub fn trades_at(&self, exchange: &str) -> bool {
        self.valid_exchanges.iter().any(|valid| valid.eq_ignore_ascii_case(exchange))
    }
}

/// All contracts.
#[derive(Debug)]
pub struct Catalog {
    contracts: Vec<Contract>,
}

impl Catalog {
    /// The contracts, in the order of their definition.
    #[must_use]
    pub fn contracts(&self) -> &[Contract] {
        &self.contracts
    }

    /// The contract with that id.
    #[must_use]
    pub fn by_id(&self, con_id: i32) -> Option<&Contract> {
        self.contracts.iter().find(|contract| contract.con_id == con_id)
    }

    /// The contracts that a client's description means. An id decides alone, but for an exchange, which must be one of
    /// the contract's; otherwise symbol and security type must be given, and whatever else is given must fit.
    #[must_use]
    pub fn find(&self, wanted: &pb::Contract) -> Vec<&Contract> {
        self.contracts.iter().filter(|contract| matches(contract, wanted)).collect()
    }
}

fn matches(contract: &Contract, wanted: &pb::Contract) -> bool {
    let fits = |value: &Option<String>, ours: &str| match value.as_deref() {
        None | Some("") => true,
        Some(text) => text.eq_ignore_ascii_case(ours),
    };
    let exchange_fits = match wanted.exchange.as_deref() {
        None | Some("") => true,
        Some(exchange) => contract.trades_at(exchange),
    };
    if let Some(con_id) = wanted.con_id.filter(|id| *id != 0) {
        return contract.con_id == con_id && exchange_fits;
    }
    let named = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.is_empty());
    let expiry_fits = match wanted.last_trade_date_or_contract_month.as_deref() {
        None | Some("") => true,
        Some(expiry) => contract.last_trade_date.starts_with(expiry),
    };
    (named(&wanted.symbol) || named(&wanted.local_symbol))
        && named(&wanted.sec_type)
        && fits(&wanted.symbol, &contract.symbol)
        && fits(&wanted.sec_type, contract.sec_type)
        && exchange_fits
        && fits(&wanted.primary_exch, contract.primary_exchange)
        && fits(&wanted.currency, contract.currency)
        && fits(&wanted.local_symbol, &contract.local_symbol)
        && fits(&wanted.trading_class, &contract.trading_class)
        && expiry_fits
}

/// US index futures: a day's session opens on the evening before and ends at 16:00, then an hour's break.
const CME: Hours = Hours::Weekdays {
    zone: "US/Central",
    trading: Session { open: time(17, 0, 0, 0), close: time(16, 0, 0, 0) },
    liquid: Session { open: time(8, 30, 0, 0), close: time(16, 0, 0, 0) },
};

/// US stocks with pre-market and after hours.
const US_STOCK: Hours = Hours::Weekdays {
    zone: "US/Eastern",
    trading: Session { open: time(4, 0, 0, 0), close: time(20, 0, 0, 0) },
    liquid: Session { open: time(9, 30, 0, 0), close: time(16, 0, 0, 0) },
};

const CRYPTO: Hours = Hours::Always { zone: "US/Eastern" };

/// Months in which index futures expire, and their codes.
const QUARTERLY: [(i8, char); 4] = [(3, 'H'), (6, 'M'), (9, 'U'), (12, 'Z')];

/// The next expiry, on or after that day: the third Friday of a quarter's last month. With the letter of the month.
fn front_expiry(today: Date) -> Option<(Date, char)> {
    let years = [today.year(), today.year() + 1];
    let expiries = years.into_iter().flat_map(|year| {
        QUARTERLY.into_iter().filter_map(move |(month, code)| {
            let first = Date::new(year, month, 1).ok()?;
            Some((first.nth_weekday_of_month(3, Weekday::Friday).ok()?, code))
        })
    });
    expiries.into_iter().find(|(day, _)| *day >= today)
}

impl Catalog {
    /// The contracts as listed on a day: each future is the front month, under an id that stays.
    #[must_use]
    pub fn on(today: Date) -> Self {
        let mut contracts = vec![
            future(today, 711_280_073, "MNQ", "Micro E-Mini Nasdaq-100 Index", 2.0, 21_500, (12.0, 6.0)),
            future(today, 495_512_563, "ES", "E-mini S&P 500", 50.0, 6_100, (14.0, 8.0)),
            apple(),
            Contract {
                base_price: 78_000,
                swing_steps: 150_000,
                long_name: "Bitcoin cryptocurrency".into(),
                ..crypto(BTC_USD_CON_ID, "BTC")
            },
        ];
        for number in 0..8 {
            contracts.push(crypto(FIRST_TEST_CON_ID + number, &format!("SIM{}", number + 1)));
        }
        contracts.push(Contract {
            quotes_per_second: 0.02,
            trades_per_second: 0.005,
            never_silent: false,
            ..crypto(THIN_CON_ID, "SIMTHIN")
        });
        Self { contracts }
    }
}

/// An index future of the CME: multiplier in USD per point, rates in quotes and trades a second.
fn future(
    today: Date,
    con_id: i32,
    symbol: &str,
    long_name: &str,
    multiplier: f64,
    base_price: u32,
    (quotes_per_second, trades_per_second): (f64, f64),
) -> Contract {
    let (last_trade_date, local_symbol) = match front_expiry(today) {
        Some((day, code)) => (day.strftime("%Y%m%d").to_string(), format!("{symbol}{code}{}", day.year() % 10)),
        // Only at the end of the calendar that jiff knows.
        None => (String::new(), symbol.to_owned()),
    };
    Contract {
        con_id,
        symbol: symbol.into(),
        sec_type: "FUT",
        exchange: "CME",
        valid_exchanges: &["CME", "QBALGO"],
        primary_exchange: "",
        currency: "USD",
        last_trade_date,
        multiplier,
        local_symbol,
        trading_class: symbol.into(),
        long_name: long_name.into(),
        steps_per_unit: 4,
        base_price,
        swing_steps: 1_200,
        lot: 1.0,
        min_size: 1.0,
        quotes_per_second,
        trades_per_second,
        unreported_percent: 2,
        never_silent: true,
        hours: CME,
    }
}

fn apple() -> Contract {
    Contract {
        con_id: 265_598,
        symbol: "AAPL".into(),
        sec_type: "STK",
        exchange: "SMART",
        valid_exchanges: &["SMART", "NASDAQ", "NYSE", "ARCA", "BATS", "IEX"],
        primary_exchange: "NASDAQ",
        currency: "USD",
        last_trade_date: String::new(),
        multiplier: 0.0,
        local_symbol: "AAPL".into(),
        trading_class: "NMS".into(),
        long_name: "APPLE INC".into(),
        steps_per_unit: 100,
        base_price: 270,
        swing_steps: 600,
        lot: 100.0,
        min_size: 0.0001,
        quotes_per_second: 10.0,
        trades_per_second: 5.0,
        unreported_percent: 15,
        never_silent: true,
        hours: US_STOCK,
    }
}

fn crypto(con_id: i32, symbol: &str) -> Contract {
    Contract {
        con_id,
        symbol: symbol.into(),
        sec_type: "CRYPTO",
        exchange: "PAXOS",
        valid_exchanges: &["PAXOS"],
        primary_exchange: "",
        currency: "USD",
        last_trade_date: String::new(),
        multiplier: 0.0,
        local_symbol: format!("{symbol}.USD"),
        trading_class: format!("{symbol}.USD"),
        long_name: format!("Test contract {symbol}, generated, open around the clock"),
        steps_per_unit: 100,
        base_price: 1_000,
        swing_steps: 2_000,
        lot: 0.001,
        min_size: 0.000_000_01,
        quotes_per_second: 6.0,
        trades_per_second: 3.0,
        unreported_percent: 10,
        never_silent: true,
        hours: CRYPTO,
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
