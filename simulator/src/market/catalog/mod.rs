//! The contracts, and which of them a client means.

mod futures;
mod listing;

use jiff::civil::Date;

use super::hours::Hours;
use crate::wire::pb;

/// Ids of the test contracts `SIM1` to `SIM8`: this and the seven that follow.
pub const FIRST_TEST_CON_ID: i32 = 900_001;

/// Id of `SIMTHIN`, the test contract that is often silent.
pub const THIN_CON_ID: i32 = 900_009;

/// Id of `SIMHALT`, the test contract that is halted from minute 10 to 20 of each hour.
pub const HALT_CON_ID: i32 = 900_010;

/// Id of `SIMHALTED`, the test contract that is always halted.
pub const HALTED_CON_ID: i32 = 900_011;

/// Id of BTC.USD. Chosen for this program: the original's id is not public knowledge.
pub const BTC_USD_CON_ID: i32 = 900_100;

/// Security type of a future that stands for whichever expiry is the front one.
pub const CONTINUOUS: &str = "CONTFUT";

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
    /// Industry, category and subcategory; empty where IBKR gives none.
    pub industry: [&'static str; 3],
    /// Price steps per currency unit: 4 means a minimum tick of 0.25.
    pub steps_per_unit: u32,
    /// Middle of the generated prices, in price steps.
    pub base_steps: i64,
    /// Largest swing of the generated prices around it, in price steps.
    pub swing_steps: i64,
    /// Smallest size.
    pub lot: f64,
    /// Smallest increment of a size.
    pub min_size: f64,
    /// Quotes a second, on average, when it is neither busy nor quiet.
    pub quotes_per_second: f64,
    /// Trades a second, likewise; 0 when trades of it are not reported at all.
    pub trades_per_second: f64,
    /// Percent of the trades that are not reported (AllLast only).
    pub unreported_percent: u64,
    /// At least one tick of each type that it has in each open second.
    pub never_silent: bool,
    /// When it trades.
    pub hours: Hours,
    /// Second from which it trades no more.
    pub end_s: Option<i64>,
    /// When its trading is halted in these hours.
    pub halts: Halts,
}

/// When trading is halted: a pure function of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halts {
    /// Not at all.
    Never,
    /// From one minute of each hour, UTC, to another, which is not included.
    Hourly {
        /// First minute, 0 to 59.
        from: i64,
        /// The minute after the last one, 1 to 60.
        to: i64,
    },
    /// All the time.
    Always,
}

impl Halts {
    /// Whether trading is halted in that second.
    #[must_use]
    pub fn halted_at(self, second: i64) -> bool {
        match self {
            Self::Never => false,
            Self::Hourly { from, to } => (from..to).contains(&(second.rem_euclid(3_600) / 60)),
            Self::Always => true,
        }
    }
}

impl Contract {
    /// Whether it may be requested at that exchange.
    #[must_use]
    pub fn trades_at(&self, exchange: &str) -> bool {
        self.valid_exchanges.iter().any(|valid| valid.eq_ignore_ascii_case(exchange))
    }

    /// Whether its last trade is past.
    #[must_use]
    pub fn expired_at(&self, second: i64) -> bool {
        self.end_s.is_some_and(|end| end <= second)
    }
}

/// All contracts.
#[derive(Debug)]
pub struct Catalog {
    contracts: Vec<Contract>,
    /// Each future again as a [`CONTINUOUS`] one: the answer while it is the front one. Expiries of a symbol ascend.
    continuous: Vec<Contract>,
}

impl Catalog {
    /// The contracts of a program that starts on a day: futures of all expiries from two quarters before it to two years
    /// after it.
    ///
    /// The future that is the front one on that day has the id that is known of the original (`711280073` for MNQ), so
    /// that settings which name it go on working in every quarter. It keeps the id for as long as the program runs, also
    /// when the front rolls. All others have ids of this program, equal in each start.
    #[must_use]
    pub fn on(today: Date) -> Self {
        let futures = futures::all(today);
        let continuous = futures.iter().map(|future| Contract { sec_type: CONTINUOUS, ..future.clone() }).collect();
        let contracts = futures.into_iter().chain(listing::all()).collect();
        Self { contracts, continuous }
    }

    /// The contracts, in the order of their definition; those of [`CONTINUOUS`] excepted.
    #[must_use]
    pub fn contracts(&self) -> &[Contract] {
        &self.contracts
    }

    /// The contract with that id.
    #[must_use]
    pub fn by_id(&self, con_id: i32) -> Option<&Contract> {
        self.contracts.iter().find(|contract| contract.con_id == con_id)
    }

    /// The contracts that a client's description means at a moment, seconds since the epoch. An id decides alone, but
    /// for an exchange, which must be one of the contract's; otherwise symbol and security type must be given, and
    /// whatever else is given must fit. Expired ones are meant only with `includeExpired`.
    ///
    /// A [`CONTINUOUS`] future is the nearest expiry that still trades, with that one's id. The front
    /// rolls when it expires; the original's rolls some days before, by volume.
    #[must_use]
    pub fn find_at(&self, wanted: &pb::Contract, now_second: i64) -> Vec<&Contract> {
        if wanted.sec_type.as_deref().is_some_and(|sec_type| sec_type.eq_ignore_ascii_case(CONTINUOUS)) {
            let fits = |contract: &&Contract| matches(contract, wanted) && self.is_front(contract, now_second);
            return self.continuous.iter().filter(fits).collect();
        }
        let expired_too = wanted.include_expired.unwrap_or(false);
        let listed = |contract: &&Contract| expired_too || !contract.expired_at(now_second);
        self.contracts.iter().filter(listed).filter(|contract| matches(contract, wanted)).collect()
    }

    fn is_front(&self, contract: &Contract, now_second: i64) -> bool {
        let mut of_symbol = self.continuous.iter().filter(|other| other.symbol == contract.symbol);
        of_symbol.find(|other| !other.expired_at(now_second)).is_some_and(|front| front.con_id == contract.con_id)
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

#[cfg(test)]
mod tests;
