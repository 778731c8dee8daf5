use ibapi::market_data::realtime::{TickGeneric, TickPrice, TickPriceSize, TickSize, TickString};

use super::*;

const T: fn(u64) -> Duration = Duration::from_secs;

fn both(field: Field, price: f64, size_field: Field, size: f64) -> TickTypes {
    TickTypes::PriceSize(TickPriceSize {
        price_tick_type: field,
        price,
        size_tick_type: size_field,
        size,
        ..TickPriceSize::default()
    })
}

fn size(field: Field, size: f64) -> TickTypes {
    TickTypes::Size(TickSize { tick_type: field, size })
}

fn text(field: Field, value: &str) -> TickTypes {
    TickTypes::String(TickString { tick_type: field, value: value.to_owned() })
}

#[test]
fn the_first_word_is_no_change_and_the_next_one_is() {
    let mut seen = Seen::default();
    assert_eq!(seen.apply(&TickTypes::MarketDataType(MarketDataType::Realtime), T(1)), Shown::Nothing);
    assert_eq!(seen.apply(&both(Field::Bid, 10.0, Field::BidSize, 2.0), T(1)), Shown::Quote);
    assert_eq!(seen.apply(&both(Field::Ask, 11.0, Field::AskSize, 3.0), T(1)), Shown::Quote);
    seen.apply(&both(Field::Last, 10.5, Field::LastSize, 1.0), T(1));
    seen.apply(&text(Field::LastTimestamp, "1800000000"), T(1));
    seen.apply(&size(Field::Volume, 100.0), T(1));
    let none = |seen: &Seen| {
        [&seen.traded, &seen.volume_changed, &seen.quoted, &seen.moved].map(|activity| activity.last_before(T(99)))
    };
    assert_eq!(none(&seen), [None; 4]);
    assert_eq!((seen.since, seen.price_level(), seen.trade_second), (Some(T(1)), Some(10.5), Some(1_800_000_000)));

    assert_eq!(seen.apply(&size(Field::BidSize, 5.0), T(2)), Shown::Quote);
    assert_eq!(none(&seen), [None, None, Some(T(2)), None], "a size is a quote, and moves nothing");
    seen.apply(&both(Field::Ask, 11.5, Field::AskSize, 3.0), T(3));
    seen.apply(&text(Field::LastTimestamp, "1800000001"), T(4));
    seen.apply(&size(Field::Volume, 101.0), T(5));
    assert_eq!(none(&seen), [Some(T(4)), Some(T(5)), Some(T(3)), Some(T(3))]);
    assert_eq!(seen.apply(&size(Field::BidSize, 5.0), T(6)), Shown::Nothing, "a repetition is no quote");
    assert_eq!(seen.last_frame, Some(T(6)));
    let quote = Quote { bid: Some(10.0), bid_size: Some(5.0), ask: Some(11.5), ask_size: Some(3.0) };
    assert_eq!(seen.quote, quote);
}

#[test]
fn trades_with_the_price_of_the_one_before_are_seen_by_their_size() {
    let mut seen = Seen::default();
    seen.apply(&both(Field::Last, 10.5, Field::LastSize, 1.0), T(1));
    seen.apply(&size(Field::LastSize, 2.0), T(2));
    assert_eq!(seen.traded.last_before(T(9)), Some(T(2)));
}

#[test]
fn a_side_without_a_price_is_absent() {
    let mut seen = Seen::default();
    seen.apply(&both(Field::Bid, 10.0, Field::BidSize, 2.0), T(1));
    seen.apply(&both(Field::Bid, -1.0, Field::BidSize, 0.0), T(2));
    assert_eq!((seen.quote.bid, seen.price_level()), (None, None));
    // A future below zero.
    seen.apply(&both(Field::Bid, -37.63, Field::BidSize, 2.0), T(3));
    assert_eq!(seen.quote.bid, Some(-37.63));
}

#[test]
fn halts_come_and_go() {
    let mut seen = Seen::default();
    for (value, halted) in [(-1.0, false), (1.0, true), (2.0, true), (0.0, false)] {
        seen.apply(&TickTypes::Generic(TickGeneric { tick_type: Field::Halted, value }), T(1));
        assert_eq!(seen.halted, halted, "{value}");
    }
    seen.apply(&TickTypes::Generic(TickGeneric { tick_type: Field::Shortable, value: 3.0 }), T(1));
    assert!(!seen.halted);
}

#[test]
fn delayed_data_are_told_by_their_type_and_by_their_fields() {
    let price = TickPrice { tick_type: Field::DelayedLast, price: 1.0, ..TickPrice::default() };
    for tick in [
        TickTypes::MarketDataType(MarketDataType::Delayed),
        TickTypes::MarketDataType(MarketDataType::DelayedFrozen),
        TickTypes::Price(price),
        size(Field::DelayedVolume, 1.0),
        text(Field::DelayedLastTimestamp, "1800000000"),
    ] {
        assert_eq!(Seen::default().apply(&tick, T(1)), Shown::Delayed, "{tick:?}");
    }
    assert_eq!(Seen::default().apply(&TickTypes::MarketDataType(MarketDataType::Frozen), T(1)), Shown::Nothing);
}

#[test]
fn live_data_are_told_by_their_type_or_a_price_and_by_nothing_else() {
    let parameters = TickTypes::RequestParameters(ibapi::market_data::realtime::TickRequestParameters {
        min_tick: 0.25,
        bbo_exchange: String::new(),
        snapshot_permissions: 0,
    });
    let halted = TickTypes::Generic(TickGeneric { tick_type: Field::Halted, value: 0.0 });
    let delayed = TickTypes::MarketDataType(MarketDataType::Delayed);
    let realtime = TickTypes::MarketDataType(MarketDataType::Realtime);
    for (tick, live) in [
        (parameters, false),
        (halted, false),
        (delayed, false),
        (size(Field::DelayedVolume, 1.0), false),
        (realtime, true),
        (both(Field::Last, 10.5, Field::LastSize, 1.0), true),
        (both(Field::Bid, 10.5, Field::BidSize, 1.0), true),
    ] {
        let mut seen = Seen::default();
        seen.apply(&tick, T(1));
        assert_eq!(seen.live, live, "{tick:?}");
    }
}

#[test]
fn a_trade_comes_as_its_text() {
    for field in [Field::RtVolume, Field::RtTrdVolume] {
        assert_eq!(Seen::default().apply(&text(field, "1;2;3"), T(1)), Shown::Trade("1;2;3".to_owned()));
    }
}
