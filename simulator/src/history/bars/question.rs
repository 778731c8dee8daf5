//! A request for bars, checked.

use jiff::tz::TimeZone;

use super::super::time;
use crate::market::catalog::Contract;
use crate::market::tick::TickType;
use crate::wire::pb;

/// Bar sizes of less than a day and how requests write them.
const SIZES: [(&str, i64); 19] = [
    ("1 secs", 1),
    ("5 secs", 5),
    ("10 secs", 10),
    ("15 secs", 15),
    ("30 secs", 30),
    ("1 min", 60),
    ("2 mins", 120),
    ("3 mins", 180),
    ("4 mins", 240),
    ("5 mins", 300),
    ("10 mins", 600),
    ("15 mins", 900),
    ("20 mins", 1_200),
    ("30 mins", 1_800),
    ("1 hour", 3_600),
    ("2 hours", 7_200),
    ("3 hours", 10_800),
    ("4 hours", 14_400),
    ("8 hours", 28_800),
];

/// Length of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Less than a day, seconds.
    Seconds(i64),
    /// A trading day.
    Day,
    /// The trading days from a Monday to a Sunday.
    Week,
    /// The trading days of a month.
    Month,
}

impl Size {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let seconds = SIZES.into_iter().find(|(name, _)| *name == text || name.trim_end_matches('s') == text);
        match text.as_str() {
            "1 day" => Some(Self::Day),
            "1 week" | "1w" => Some(Self::Week),
            "1 month" | "1m" => Some(Self::Month),
            _ => seconds.map(|(_, seconds)| Self::Seconds(seconds)),
        }
    }
}

/// How far back from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// Seconds of open market.
    Seconds(i64),
    /// Trading days, the one of the end included.
    Days(i64),
    /// Calendar weeks.
    Weeks(i64),
    /// Calendar months.
    Months(i64),
}

impl Back {
    fn read(text: &str) -> Option<Self> {
        let (number, unit) = text.trim().split_once(' ')?;
        let number: i64 = number.parse().ok().filter(|number| (1..=100_000).contains(number))?;
        match unit.trim() {
            "S" => Some(Self::Seconds(number)),
            "D" => Some(Self::Days(number)),
            "W" => Some(Self::Weeks(number)),
            "M" => Some(Self::Months(number)),
            "Y" => Some(Self::Months(number * 12)),
            _ => None,
        }
    }
}

/// What the bars show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Reported trades.
    Trades,
    /// The middle between bid and offer.
    Midpoint,
    /// Best bids.
    Bid,
    /// Best offers.
    Ask,
    /// Average bid, highest offer, lowest bid, average offer.
    BidAsk,
    /// No bars: the sessions.
    Schedule,
}

impl Show {
    /// The kind with that name in requests.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "TRADES" | "AGGTRADES" | "ADJUSTED_LAST" => Some(Self::Trades),
            "MIDPOINT" => Some(Self::Midpoint),
            "BID" => Some(Self::Bid),
            "ASK" => Some(Self::Ask),
            "BID_ASK" => Some(Self::BidAsk),
            "SCHEDULE" => Some(Self::Schedule),
            _ => None,
        }
    }

    /// The live ticks that they are made of.
    #[must_use]
    pub fn live(self) -> TickType {
        match self {
            Self::Trades | Self::Schedule => TickType::Last,
            Self::Midpoint => TickType::MidPoint,
            Self::Bid | Self::Ask | Self::BidAsk => TickType::BidAsk,
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BarsError {
    /// A bar size that does not exist.
    #[error(
        "Historical data bar size setting is invalid. Legal ones are: 1 secs, 5 secs, 10 secs, 15 secs, 30 secs, \
             1 min, 2 mins, 3 mins, 4 mins, 5 mins, 10 mins, 15 mins, 20 mins, 30 mins, 1 hour, 2 hours, 3 hours, \
             4 hours, 8 hours, 1 day, 1W, 1M"
    )]
    Size,
    /// A duration that cannot be read.
    #[error("Invalid duration: it must be a number and one of S, D, W, M, Y, for example 1800 S")]
    Duration,
    /// Unknown or not served data.
    #[error("whatToShow must be one of TRADES, AGGTRADES, MIDPOINT, BID, ASK, BID_ASK, ADJUSTED_LAST, SCHEDULE")]
    Show,
    /// A time that cannot be read.
    #[error("{}", time::BAD_TIME)]
    Time,
    /// An end of bars that have none.
    #[error("End time must be empty for data that is kept up to date")]
    EndOfUpdates,
    /// An end for a future that has none.
    #[error("Setting end date/time for continuous future security type is not allowed.")]
    EndOfContinuous,
    /// Crypto has no plain trades.
    #[error("Expected what to show is AGGTRADES, please use that instead of TRADES.")]
    CryptoTrades,
}

impl BarsError {
    /// Code of the error.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Time => 10314,
            Self::EndOfContinuous => 10339,
            Self::CryptoTrades => 10299,
            _ => 321,
        }
    }
}

/// A request for bars, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarsQuestion {
    /// IBKR's contract id.
    pub con_id: i32,
    /// What they show.
    pub show: Show,
    /// How long they are.
    pub size: Size,
    /// How far back they go.
    pub back: Back,
    /// The second after the last one; now when absent.
    pub end_s: Option<i64>,
    /// Of the liquid hours only.
    pub use_rth: bool,
    /// Times as text in the zone of the contract, not as seconds since the epoch.
    pub text_times: bool,
    /// Whether further bars follow.
    pub keep_up_to_date: bool,
}

impl BarsQuestion {
    /// Checks a request for bars of a contract. Times without zone are in `zone`.
    ///
    /// # Errors
    /// See [`BarsError`].
    pub fn new(contract: &Contract, request: &pb::HistoricalDataRequest, zone: &TimeZone) -> Result<Self, BarsError> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let show_name = text(&request.what_to_show);
        let end = text(&request.end_date_time);
        let keep_up_to_date = request.keep_up_to_date.unwrap_or(false);
        let wanted_type = request.contract.as_ref().and_then(|wanted| wanted.sec_type.as_deref()).unwrap_or_default();
        let end_s = match end.trim() {
            "" => None,
            _ if keep_up_to_date => return Err(BarsError::EndOfUpdates),
            _ if wanted_type.eq_ignore_ascii_case("CONTFUT") => return Err(BarsError::EndOfContinuous),
            end => Some(time::parse(end, zone).ok_or(BarsError::Time)?),
        };
        if contract.sec_type == "CRYPTO" && show_name.eq_ignore_ascii_case("TRADES") {
            return Err(BarsError::CryptoTrades);
        }
        Ok(Self {
            con_id: contract.con_id,
            show: Show::read(&show_name).ok_or(BarsError::Show)?,
            size: Size::read(&text(&request.bar_size_setting)).ok_or(BarsError::Size)?,
            back: Back::read(&text(&request.duration)).ok_or(BarsError::Duration)?,
            end_s,
            use_rth: request.use_rth.unwrap_or(false),
            text_times: request.format_date == Some(1),
            keep_up_to_date,
        })
    }
}
