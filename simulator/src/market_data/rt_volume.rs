//! The text of an RTVolume tick.

use crate::market::tick::{Body, Tick};
use crate::market::{Market, TopOfBook};

/// `price;size;time in ms;total volume;average price;single trade` of a trade, as IBKR documents it. Total and average
/// are of the day's reported trades up to this one. Each trade has a text of its own, so the last field is always true.
/// Price, size and time are those of `shown`, which a fault may have altered. `None` for what is no trade.
#[must_use]
pub fn text(market: &Market, con_id: i32, tick: &Tick, shown: &Tick) -> Option<String> {
    let Body::Trade(trade) = &shown.body else { return None };
    let at_ms = shown.at_us().div_euclid(1_000);
    let TopOfBook { day, .. } = market.top_of_book(con_id, tick.at_us())?;
    let average = if day.volume > 0.0 { day.turnover / day.volume } else { trade.price };
    Some(format!("{};{};{at_ms};{};{average:.8};true", trade.price, trade.size, day.volume))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::tick::{TickType, Trade};
    use crate::market::{MarketConfig, Stream};

    const SIM1: i32 = 900_001;

    #[test]
    fn total_and_average_are_of_the_reported_trades_of_the_day() {
        let today = jiff::civil::date(2026, 11, 24);
        let market = Market::new(MarketConfig { today, ..Default::default() });
        let midnight = today.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
        let contract = market.catalog().by_id(SIM1).unwrap();
        let day = market.hours(contract).latest_day(midnight + 86_399).unwrap();
        let stream = Stream { con_id: SIM1, tick: TickType::AllLast };
        let ticks: Vec<Tick> =
            (day.open_s()..day.open_s() + 60).flat_map(|second| market.ticks_of_second(stream, second)).collect();
        let (mut volume, mut turnover) = (0.0, 0.0);
        for tick in &ticks {
            let Body::Trade(Trade { price, size, unreported, .. }) = &tick.body else { panic!("{tick:?}") };
            if !unreported {
                volume += size;
                turnover += price * size;
            }
            let written = text(&market, SIM1, tick, tick).unwrap();
            let fields: Vec<&str> = written.split(';').collect();
            let number = |at: usize| fields[at].parse::<f64>().unwrap();
            assert_eq!((fields.len(), number(0), number(1)), (6, *price, *size), "{written}");
            assert_eq!(fields[2].parse::<i64>().unwrap(), tick.at_us() / 1_000);
            // The average is off by less than the price moves in a second: 80 steps of a cent.
            assert!((number(3) - volume).abs() < 1e-8 && (number(4) - turnover / volume).abs() < 0.8, "{written}");
            assert_eq!(fields[5], "true");
        }
        assert!(ticks.len() > 60);
    }
}
