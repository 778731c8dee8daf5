//! Index futures of the CME, one contract for each quarterly expiry.

use jiff::ToSpan;
use jiff::civil::{Date, Time, Weekday, time};

use super::{Contract, Halts};
use crate::market::calendar::us;
use crate::market::hours::Hours;
use crate::market::schedules::CME_INDEX;

/// Months in which index futures expire, and their codes.
const QUARTERLY: [(i8, char); 4] = [(3, 'H'), (6, 'M'), (9, 'U'), (12, 'Z')];

/// Expired quarters that the catalogue keeps, and those after the front one that it lists.
const QUARTERS_BACK: i64 = 2;
const QUARTERS_AHEAD: i64 = 8;

/// Trading of an expiring contract ends with the opening of the stock market, Chicago time.
const LAST_TRADE: Time = time(8, 30, 0, 0);

/// What the expiries of a symbol have in common.
struct Root {
    symbol: &'static str,
    long_name: &'static str,
    /// Id of the expiry that is the front one when the program starts.
    front_con_id: i32,
    /// Ids of the others: this and the number of the quarter since the year 2000.
    series_con_id: i32,
    /// USD per point.
    multiplier: f64,
    /// Points.
    base_price: i64,
    quotes_per_second: f64,
    trades_per_second: f64,
}

/// The ids of MNQ's and ES's front are the original's, of some quarter; the others are this program's.
const ROOTS: [Root; 3] = [
    Root {
        symbol: "MNQ",
        long_name: "Micro E-Mini Nasdaq-100 Index",
        front_con_id: 711_280_073,
        series_con_id: 901_000,
        multiplier: 2.0,
        base_price: 21_500,
        quotes_per_second: 12.0,
        trades_per_second: 6.0,
    },
    Root {
        symbol: "ES",
        long_name: "E-mini S&P 500",
        front_con_id: 495_512_563,
        series_con_id: 902_000,
        multiplier: 50.0,
        base_price: 6_100,
        quotes_per_second: 14.0,
        trades_per_second: 8.0,
    },
    Root {
        symbol: "NQ",
        long_name: "E-mini NASDAQ 100",
        front_con_id: 903_999,
        series_con_id: 903_000,
        multiplier: 20.0,
        base_price: 21_500,
        quotes_per_second: 12.0,
        trades_per_second: 5.0,
    },
];

/// All expiries of all symbols; those of a symbol ascend.
pub(super) fn all(today: Date) -> Vec<Contract> {
    let first = quarter_of(today) - QUARTERS_BACK - 1;
    let quarters: Vec<_> = (first..first + QUARTERS_BACK + QUARTERS_AHEAD + 4)
        .filter_map(|quarter| Some((quarter, expiry(quarter)?)))
        .collect();
    let Some(front) = quarters.iter().position(|(_, (day, _))| *day >= today) else { return Vec::new() };
    let (back, ahead) = (QUARTERS_BACK as usize, QUARTERS_AHEAD as usize);
    let listed = &quarters[front.saturating_sub(back)..(front + ahead + 1).min(quarters.len())];
    let front = quarters[front].0;
    let of_root = |root: &Root| -> Vec<Contract> {
        listed.iter().map(|(quarter, last_day)| root.contract(*quarter, *last_day, *quarter == front)).collect()
    };
    ROOTS.iter().flat_map(of_root).collect()
}

/// Number of a day's quarter since the year 2000.
fn quarter_of(day: Date) -> i64 {
    (i64::from(day.year()) - 2_000) * 4 + (i64::from(day.month()) - 1) / 3
}

/// Last trading day of a quarter's contract, and the letter of its month: the third Friday of the quarter's last month,
/// or the last day before it on which stocks trade.
fn expiry(quarter: i64) -> Option<(Date, char)> {
    let (month, code) = QUARTERLY[usize::try_from(quarter.rem_euclid(4)).ok()?];
    let year = i16::try_from(2_000 + quarter.div_euclid(4)).ok()?;
    let mut day = Date::new(year, month, 1).ok()?.nth_weekday_of_month(3, Weekday::Friday).ok()?;
    while us::holiday(day).is_some() {
        day = day.saturating_sub(1.day());
    }
    Some((day, code))
}

impl Root {
    fn contract(&self, quarter: i64, (last_day, code): (Date, char), front: bool) -> Contract {
        let hours = Hours::of(&CME_INDEX).until(last_day.to_datetime(LAST_TRADE));
        // A quarter's number has three digits until 2249.
        let number = i32::try_from(quarter).unwrap_or(0);
        Contract {
            con_id: if front { self.front_con_id } else { self.series_con_id + number },
            symbol: self.symbol.into(),
            sec_type: "FUT",
            exchange: "CME",
            valid_exchanges: &["CME", "QBALGO"],
            primary_exchange: "",
            currency: "USD",
            last_trade_date: last_day.strftime("%Y%m%d").to_string(),
            multiplier: self.multiplier,
            local_symbol: format!("{}{code}{}", self.symbol, last_day.year() % 10),
            trading_class: self.symbol.into(),
            long_name: self.long_name.into(),
            industry: ["Indices", "Broad Range Equity Index", "*"],
            steps_per_unit: 4,
            base_steps: self.base_price * 4,
            swing_steps: 1_200,
            lot: 1.0,
            min_size: 1.0,
            quotes_per_second: self.quotes_per_second,
            trades_per_second: self.trades_per_second,
            unreported_percent: 2,
            never_silent: true,
            hours,
            end_s: hours.end_s(),
            halts: Halts::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn front(day: Date) -> (String, String) {
        let mnq = all(day).into_iter().find(|contract| contract.con_id == 711_280_073).unwrap();
        (mnq.local_symbol, mnq.last_trade_date)
    }

    #[test]
    fn the_front_at_the_start_keeps_the_known_id() {
        let expected = |symbol: &str, day: &str| (symbol.to_owned(), day.to_owned());
        assert_eq!(front(date(2026, 11, 24)), expected("MNQZ6", "20261218"));
        assert_eq!(front(date(2026, 12, 18)), expected("MNQZ6", "20261218"));
        assert_eq!(front(date(2026, 12, 19)), expected("MNQH7", "20270319"));
        assert_eq!(front(date(2027, 1, 1)), expected("MNQH7", "20270319"));
        assert_eq!(front(date(2027, 4, 1)), expected("MNQM7", "20270617"));
    }

    #[test]
    fn expiry_avoids_holidays() {
        // Juneteenth is the third Friday of June 2026; in March 2008 it was Good Friday.
        assert_eq!(front(date(2026, 6, 1)), ("MNQM6".to_owned(), "20260618".to_owned()));
        assert_eq!(expiry(quarter_of(date(2008, 3, 1))), Some((date(2008, 3, 20), 'H')));
    }

    #[test]
    fn every_symbol_lists_two_expired_quarters_and_eight_after_the_front() {
        for day in [date(2026, 1, 1), date(2026, 3, 20), date(2026, 3, 21), date(2026, 11, 24), date(2026, 12, 31)] {
            for root in &ROOTS {
                let of_root: Vec<_> = all(day).into_iter().filter(|contract| contract.symbol == root.symbol).collect();
                assert_eq!(of_root.len(), 11, "{day}");
                assert_eq!(of_root.iter().position(|contract| contract.con_id == root.front_con_id), Some(2), "{day}");
                assert!(of_root.windows(2).all(|pair| pair[0].end_s < pair[1].end_s));
            }
        }
    }

    #[test]
    fn other_ids_do_not_depend_on_the_start() {
        let id =
            |day, local_symbol: &str| all(day).into_iter().find(|c| c.local_symbol == local_symbol).unwrap().con_id;
        assert_eq!(id(date(2026, 11, 24), "ESM7"), id(date(2026, 9, 1), "ESM7"));
    }
}
