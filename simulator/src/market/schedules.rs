//! The usual sessions of the exchanges in the catalogue, in IBKR's zones.

use jiff::civil::{Time, time};

use super::calendar::Calendar;
use super::hours::{Schedule, Session};

const fn at(hour: i8, minute: i8) -> Time {
    time(hour, minute, 0, 0)
}

const fn session(open: Time, close: Time) -> Session {
    Session { open, close }
}

/// US index futures: a day's session opens on the evening before and ends at 16:00, then an hour's break.
pub(super) static CME_INDEX: Schedule = Schedule {
    zone: "US/Central",
    calendar: Calendar::CmeIndex,
    trading: &[session(at(17, 0), at(16, 0))],
    liquid: &[session(at(8, 30), at(16, 0))],
};

/// US stocks with pre-market and after hours.
pub(super) static US_STOCKS: Schedule = Schedule {
    zone: "US/Eastern",
    calendar: Calendar::UsStocks,
    trading: &[session(at(4, 0), at(20, 0))],
    liquid: &[session(at(9, 30), at(16, 0))],
};

/// Hong Kong stocks, without the auctions.
pub(super) static HONG_KONG: Schedule = Schedule {
    zone: "Hongkong",
    calendar: Calendar::HongKong,
    trading: &[session(at(9, 30), at(12, 0)), session(at(13, 0), at(16, 0))],
    liquid: &[session(at(9, 30), at(12, 0)), session(at(13, 0), at(16, 0))],
};

/// Tokyo stocks, with the close of 15:30 that is in force since 2024-11-05.
pub(super) static TOKYO: Schedule = Schedule {
    zone: "Japan",
    calendar: Calendar::Japan,
    trading: &[session(at(9, 0), at(11, 30)), session(at(12, 30), at(15, 30))],
    liquid: &[session(at(9, 0), at(11, 30)), session(at(12, 30), at(15, 30))],
};

/// Currencies: a quarter of an hour's break each day.
pub(super) static FOREX: Schedule = Schedule {
    zone: "US/Eastern",
    calendar: Calendar::Forex,
    trading: &[session(at(17, 15), at(17, 0))],
    liquid: &[session(at(17, 15), at(17, 0))],
};
