//! Bars and sessions of the past, made of the live ticks in both modes: they are complete up to the moment of asking.

mod question;

use std::ops::Range;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::begin::begin_s;
use super::days::{day_until, sessions, within};
use crate::market::catalog::Contract;
use crate::market::hours::{Hours, Span, TradingDay, zone};
use crate::market::tick::{Body, Tick};
use crate::market::{Market, Stream, Traded};
pub use question::{Back, BarsError, BarsQuestion, Show, Size};

/// Most open time that one answer covers, seconds: bars are made of ticks, which take time to make.
pub const MAX_OPEN_S: i64 = 8 * 86_400;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its first second, since the epoch.
    pub start_s: i64,
    /// The trading day of a bar of a day or more.
    pub date: Option<Date>,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Sizes of the trades together; 0 for other bars.
    pub volume: f64,
    /// Prices times sizes, added up; 0 for other bars.
    pub turnover: f64,
    /// How many ticks it is made of.
    pub ticks: i32,
}

/// Smallest units of a size in a whole: no contract has a finer one.
const UNITS: f64 = 1e8;

impl Bar {
    /// A bar without a tick.
    pub(crate) fn of(price: f64, start_s: i64, date: Option<Date>) -> Self {
        let (open, high, low, close) = (price, price, price, price);
        Self { start_s, date, open, high, low, close, volume: 0.0, turnover: 0.0, ticks: 0 }
    }

    fn add(&mut self, price: f64, size: f64) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        // Sizes are multiples of a unit, and so are their sums: without a residue of binary fractions.
        self.volume = ((self.volume + size) * UNITS).round() / UNITS;
        self.turnover += price * size;
        self.ticks += 1;
    }

    /// What a day traded, as a bar or as a part of one.
    fn add_traded(&mut self, traded: &Traded) {
        self.high = self.high.max(traded.high);
        self.low = self.low.min(traded.low);
        self.close = traded.close;
        self.volume = ((self.volume + traded.volume) * UNITS).round() / UNITS;
        self.turnover += traded.turnover;
        self.ticks = self.ticks.saturating_add(i32::try_from(traded.trades).unwrap_or(i32::MAX));
    }

    /// Average price of the trades by their sizes.
    #[must_use]
    pub fn wap(&self) -> f64 {
        if self.volume > 0.0 { self.turnover / self.volume } else { self.close }
    }
}

/// The bar of some seconds on end, of what was live by `now_us`; `None` without a tick.
#[must_use]
pub fn bar(market: &Market, con_id: i32, show: Show, seconds: Range<i64>, now_us: i64) -> Option<Bar> {
    let start_s = seconds.start;
    let mut maker = Maker::new(con_id, show, now_us);
    for second in seconds {
        maker.add_all(&market.ticks_of_second(maker.stream, second), start_s, None);
    }
    maker.finish().pop()
}

/// The bars that a question asks for, ascending. A bar without a tick is left out. Trades of whole days are added up
/// without making each of them, so their average price is a close one.
#[must_use]
pub fn bars(market: &Market, contract: &Contract, question: &BarsQuestion, now_us: i64) -> Vec<Bar> {
    let mut maker = Maker::new(contract.con_id, question.show, now_us);
    let by_days = question.show == Show::Trades && !matches!(question.size, Size::Seconds(_));
    for stretch in covered(market, contract, question, now_us) {
        if by_days {
            let traded = market.traded(contract, &stretch.day, stretch.seconds.clone(), now_us);
            let (start_s, date) = stretch.bar_of(question.size, stretch.seconds.start);
            traded.iter().for_each(|traded| maker.add_traded(traded, start_s, date));
            continue;
        }
        for second in stretch.seconds.clone() {
            let (start_s, date) = stretch.bar_of(question.size, second);
            maker.add_all(&market.ticks_of_day_second(maker.stream, &stretch.day, second), start_s, date);
        }
    }
    maker.finish()
}

/// The part of a session that a question covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The trading day of the session.
    pub day: TradingDay,
    /// All of the session.
    pub session: Span,
    /// What is covered of it, seconds since the epoch; never empty.
    pub seconds: Range<i64>,
}

impl Stretch {
    /// The bar that a second belongs to.
    fn bar_of(&self, size: Size, second: i64) -> (i64, Option<Date>) {
        let date = self.day.date;
        match size {
            Size::Seconds(length) => (bar_start(&self.day, self.session, length, second), None),
            Size::Day => (self.day.open_s(), Some(date)),
            Size::Week => (0, Some(date.saturating_sub(i64::from(date.weekday().to_monday_zero_offset()).days()))),
            Size::Month => (0, Some(date.first_of_month())),
        }
    }
}

/// Bars begin at full multiples of their length from a full hour on; the first of a session may be short.
fn bar_start(day: &TradingDay, session: Span, length: i64, second: i64) -> i64 {
    let base = day.open_s() - day.open_s().rem_euclid(3_600);
    (base + (second - base).div_euclid(length) * length).max(session.open_s)
}

/// How much time that is, seconds.
#[must_use]
pub fn open_seconds(covered: &[Stretch]) -> i64 {
    covered.iter().map(|stretch| stretch.seconds.end - stretch.seconds.start).sum()
}

/// The sessions that a question covers, or parts of them, ascending. They begin with a whole bar.
#[must_use]
pub fn covered(market: &Market, contract: &Contract, question: &BarsQuestion, now_us: i64) -> Vec<Stretch> {
    let hours = market.hours(contract);
    // The second in progress is covered, too.
    let now_s = (now_us + 999_999).div_euclid(1_000_000);
    let end = question.end_s.unwrap_or(now_s).min(now_s);
    let from = begin_s(contract, hours).unwrap_or(end).max(calendar_start(hours, question.back, end));
    let (mut seconds_left, mut days_left) = match question.back {
        Back::Seconds(seconds) => (seconds, i64::MAX),
        Back::Days(days) => (i64::MAX, days),
        Back::Weeks(_) | Back::Months(_) => (i64::MAX, i64::MAX),
    };
    let mut found = Vec::new();
    let mut next = day_until(hours, end);
    while let Some(day) = next.filter(|day| day.close_s() > from && seconds_left > 0 && days_left > 0) {
        for session in sessions(&day, question.use_rth).iter().rev() {
            let range = within(*session, from, end);
            let mut start = range.start.max(range.end.saturating_sub(seconds_left));
            if start < range.end && seconds_left > 0 {
                seconds_left -= range.end - start;
                if let Size::Seconds(length) = question.size {
                    start = bar_start(&day, *session, length, start).max(range.start);
                }
                found.push(Stretch { day: day.clone(), session: *session, seconds: start..range.end });
            }
        }
        days_left -= 1;
        next = hours.day_before(day.date);
    }
    found.reverse();
    found
}

/// Where a duration in weeks or months begins; the beginning of time for others.
fn calendar_start(hours: Hours, back: Back, end: i64) -> i64 {
    let span = match back {
        Back::Weeks(weeks) => weeks.weeks(),
        Back::Months(months) => months.months(),
        Back::Seconds(_) | Back::Days(_) => return i64::MIN,
    };
    let local = zone(hours.zone()).and_then(|zone| Some(Timestamp::from_second(end).ok()?.to_zoned(zone)));
    local.and_then(|end| end.checked_sub(span).ok()).map_or(i64::MIN, |start| start.timestamp().as_second())
}

/// Puts ticks into bars.
struct Maker {
    stream: Stream,
    show: Show,
    now_us: i64,
    bars: Vec<Bar>,
    /// Sums of bid and offer of the last bar.
    sums: (f64, f64),
}

impl Maker {
    fn new(con_id: i32, show: Show, now_us: i64) -> Self {
        let stream = Stream { con_id, tick: show.live() };
        Self { stream, show, now_us, bars: Vec::new(), sums: (0.0, 0.0) }
    }

    fn add_all(&mut self, ticks: &[Tick], start_s: i64, date: Option<Date>) {
        let now_us = self.now_us;
        for tick in ticks.iter().filter(|tick| tick.at_us() <= now_us) {
            self.add_tick(tick, start_s, date);
        }
    }

    fn add_tick(&mut self, tick: &Tick, start_s: i64, date: Option<Date>) {
        let (price, size) = match (&tick.body, self.show) {
            (Body::Trade(trade), _) => (trade.price, trade.size),
            (Body::Mid(price), _) => (*price, 0.0),
            (Body::Quote(quote), Show::Ask) => (quote.ask, 0.0),
            (Body::Quote(quote), _) => (quote.bid, 0.0),
        };
        self.begin(price, start_s, date);
        let Some(bar) = self.bars.last_mut() else { return };
        bar.add(price, size);
        if let (Body::Quote(quote), Show::BidAsk) = (&tick.body, self.show) {
            self.sums = (self.sums.0 + quote.bid, self.sums.1 + quote.ask);
            let count = f64::from(bar.ticks);
            bar.high = if bar.ticks == 1 { quote.ask } else { bar.high.max(quote.ask) };
            (bar.open, bar.close) = (self.sums.0 / count, self.sums.1 / count);
        }
    }

    fn add_traded(&mut self, traded: &Traded, start_s: i64, date: Option<Date>) {
        self.begin(traded.open, start_s, date);
        if let Some(bar) = self.bars.last_mut() {
            bar.add_traded(traded);
        }
    }

    /// Begins a new bar, unless the last one is the wanted one.
    fn begin(&mut self, open: f64, start_s: i64, date: Option<Date>) {
        let same = |bar: &Bar| if date.is_some() { bar.date == date } else { bar.start_s == start_s };
        if !self.bars.last().is_some_and(same) {
            self.bars.push(Bar::of(open, start_s, date));
            self.sums = (0.0, 0.0);
        }
    }

    fn finish(self) -> Vec<Bar> {
        self.bars
    }
}

#[cfg(test)]
mod tests;
