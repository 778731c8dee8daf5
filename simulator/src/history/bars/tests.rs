use jiff::tz::TimeZone;

use super::*;
use crate::market::MarketConfig;
use crate::market::tick::TickType;
use crate::wire::pb;

const SIM1: i32 = 900_001;
const MNQ: i32 = 711_280_073;

/// Tuesday 2026-11-24 15:00:00 UTC.
const NOW_S: i64 = 1_795_532_400;
const NOW_US: i64 = NOW_S * 1_000_000;

fn market() -> Market {
    Market::new(MarketConfig { today: jiff::civil::date(2026, 11, 24), ..Default::default() })
}

fn request(show: &str, size: &str, back: &str) -> pb::HistoricalDataRequest {
    pb::HistoricalDataRequest {
        what_to_show: Some(show.into()),
        bar_size_setting: Some(size.into()),
        duration: Some(back.into()),
        format_date: Some(2),
        ..Default::default()
    }
}

fn question(market: &Market, con_id: i32, request: &pb::HistoricalDataRequest) -> Result<BarsQuestion, BarsError> {
    BarsQuestion::new(market.catalog().by_id(con_id).unwrap(), request, &TimeZone::UTC)
}

fn ask(market: &Market, con_id: i32, request: &pb::HistoricalDataRequest) -> Vec<Bar> {
    let question = question(market, con_id, request).unwrap();
    bars(market, market.catalog().by_id(con_id).unwrap(), &question, NOW_US)
}

#[test]
fn minutes_are_made_of_the_trades() {
    let market = market();
    let bars = ask(&market, SIM1, &request("AGGTRADES", "1 min", "300 S"));
    assert_eq!(
        bars.iter().map(|bar| bar.start_s).collect::<Vec<_>>(),
        [-300, -240, -180, -120, -60].map(|s| NOW_S + s)
    );
    let stream = Stream { con_id: SIM1, tick: TickType::Last };
    let trades: Vec<_> = (NOW_S - 60..NOW_S)
        .flat_map(|second| market.ticks_of_second(stream, second))
        .map(|tick| match tick.body {
            Body::Trade(trade) => (trade.price, trade.size),
            other => panic!("{other:?}"),
        })
        .collect();
    let bar = &bars[4];
    assert_eq!(bar.ticks as usize, trades.len());
    assert_eq!((bar.open, bar.close), (trades[0].0, trades.last().unwrap().0));
    assert_eq!(bar.high, trades.iter().map(|trade| trade.0).fold(f64::MIN, f64::max));
    assert_eq!(bar.low, trades.iter().map(|trade| trade.0).fold(f64::MAX, f64::min));
    assert!((bar.volume - trades.iter().map(|trade| trade.1).sum::<f64>()).abs() < 1e-9);
    assert!((bar.low..=bar.high).contains(&bar.wap()));
}

#[test]
fn bid_ask_bars_show_averages_and_extremes() {
    let market = market();
    let show = |name| ask(&market, SIM1, &request(name, "1 min", "60 S")).pop().unwrap();
    let (bid, ask, both, middle) = (show("BID"), show("ASK"), show("BID_ASK"), show("MIDPOINT"));
    assert_eq!((both.low, both.high), (bid.low, ask.high));
    assert!(both.open > bid.low && both.open < bid.high && both.close > ask.low && both.close < ask.high);
    assert!(middle.low >= bid.low && middle.high <= ask.high);
    assert_eq!((bid.volume, both.volume, middle.volume), (0.0, 0.0, 0.0));
}

#[test]
fn a_bar_in_progress_holds_what_has_come() {
    let market = market();
    let half = NOW_US + 30_500_000;
    let question = question(&market, SIM1, &request("MIDPOINT", "1 min", "60 S")).unwrap();
    let contract = market.catalog().by_id(SIM1).unwrap();
    let last = bars(&market, contract, &question, half).pop().unwrap();
    assert_eq!(last.start_s, NOW_S);
    let stream = Stream { con_id: SIM1, tick: TickType::MidPoint };
    let ticks = (NOW_S..NOW_S + 60).flat_map(|second| market.ticks_of_second(stream, second));
    assert_eq!(last.ticks as usize, ticks.filter(|tick| tick.at_us() <= half).count());
}

#[test]
fn seconds_go_back_over_the_daily_break() {
    // The session of MNQ opens at 17:00 and closes at 16:00 US/Central: 23:00 and 22:00 UTC.
    let market = market();
    let contract = market.catalog().by_id(MNQ).unwrap();
    let question = question(&market, MNQ, &request("MIDPOINT", "1 min", "599 S")).unwrap();
    let open = NOW_S + 8 * 3_600;
    let covered = covered(&market, contract, &question, (open + 299) * 1_000_000);
    let sessions: Vec<_> = covered.iter().map(|part| (part.seconds.start - open, part.seconds.end - open)).collect();
    assert_eq!(sessions, [(-3_900, -3_600), (0, 299)]);
}

#[test]
fn a_day_is_a_trading_day() {
    let market = market();
    let contract = market.catalog().by_id(MNQ).unwrap();
    let question = question(&market, MNQ, &request("MIDPOINT", "1 day", "1 D")).unwrap();
    let covered = covered(&market, contract, &question, NOW_US);
    assert_eq!(covered.len(), 1);
    assert_eq!(covered[0].seconds, NOW_S - 16 * 3_600..NOW_S);
    let date = |size| covered[0].bar_of(size, NOW_S).1;
    assert_eq!(date(Size::Day), Some(jiff::civil::date(2026, 11, 24)));
    assert_eq!(date(Size::Week), Some(jiff::civil::date(2026, 11, 23)));
    assert_eq!(date(Size::Month), Some(jiff::civil::date(2026, 11, 1)));
}

#[test]
fn days_of_trades_are_what_their_trades_add_up_to() {
    let market = market();
    let contract = market.catalog().by_id(MNQ).unwrap();
    let stream = Stream { con_id: MNQ, tick: TickType::Last };
    let burst = market.add_burst(stream, (NOW_S - 60) * 1_000_000, 500).unwrap();
    // A part of a session, so that each of its trades can be made: it ends within a second.
    let question = question(&market, MNQ, &request("TRADES", "1 day", "1 D")).unwrap();
    let question = BarsQuestion { back: Back::Seconds(900), ..question };
    let now_us = NOW_US + 400_000;
    let mut maker = Maker::new(MNQ, Show::Trades, now_us);
    for part in covered(&market, contract, &question, now_us) {
        assert!(part.seconds.contains(&burst.second) && part.seconds.contains(&NOW_S));
        for second in part.seconds {
            maker.add_all(&market.ticks_of_day_second(stream, &part.day, second), 0, Some(part.day.date));
        }
    }
    let (days, each) = (bars(&market, contract, &question, now_us), maker.finish());
    let ([day], [bar]) = (&days[..], &each[..]) else { panic!("{days:?} {each:?}") };
    let essence = |bar: &Bar| (bar.date, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ticks);
    assert_eq!(essence(day), essence(bar));
    // Ten steps of 0.25.
    assert!((day.wap() - bar.wap()).abs() < 2.5, "{} {}", day.wap(), bar.wap());
}

#[test]
fn a_day_without_a_trade_has_no_bar() {
    let market = market();
    let contract = market.catalog().by_id(MNQ).unwrap();
    let question = question(&market, MNQ, &request("TRADES", "1 day", "1 D")).unwrap();
    // The first second of a session, before its first trade.
    let open_us = (NOW_S - 16 * 3_600) * 1_000_000;
    let within = |us: i64| bars(&market, contract, &BarsQuestion { back: Back::Seconds(1), ..question }, open_us + us);
    assert_eq!((within(1).len(), within(999_999).len()), (0, 1));
}

#[test]
fn bad_requests_are_refused_by_name() {
    let market = market();
    let good = request("MIDPOINT", "1 min", "60 S");
    let with = |change: fn(&mut pb::HistoricalDataRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    for (bad, error, code) in [
        (request("MIDPOINT", "7 min", "60 S"), BarsError::Size, 321),
        (request("MIDPOINT", "1 min", "60"), BarsError::Duration, 321),
        (request("MIDPOINT", "1 min", "0 D"), BarsError::Duration, 321),
        (request("NEWS", "1 min", "60 S"), BarsError::Show, 321),
        (request("TRADES", "1 min", "60 S"), BarsError::CryptoTrades, 10299),
        (with(|r| r.end_date_time = Some("yesterday".into())), BarsError::Time, 10314),
        (
            with(|r| {
                r.end_date_time = Some("20261124-15:00:00".into());
                r.keep_up_to_date = Some(true);
            }),
            BarsError::EndOfUpdates,
            321,
        ),
        (
            with(|r| {
                r.end_date_time = Some("20261124-15:00:00".into());
                r.contract = Some(pb::Contract { sec_type: Some("CONTFUT".into()), ..Default::default() });
            }),
            BarsError::EndOfContinuous,
            10339,
        ),
    ] {
        assert_eq!(question(&market, SIM1, &bad), Err(error), "{bad:?}");
        assert_eq!(error.code(), code);
    }
    for (text, size) in [("1 secs", 1), ("1 sec", 1), ("5 mins", 300), ("1 hour", 3_600), ("8 Hours", 28_800)] {
        let question = question(&market, SIM1, &request("MIDPOINT", text, "60 S")).unwrap();
        assert_eq!(question.size, Size::Seconds(size), "{text}");
    }
}
