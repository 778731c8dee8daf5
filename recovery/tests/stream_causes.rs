//! One test for each row of the cause table that covers streams: the evidence, when it expires, and what it allows.

mod world;

use marketstream_crds::{
    ActionKind, Cause, FarmKind, FarmState, Health, LoginState, Session, SocketState, StreamState,
};
use world::{BTC_QUOTES, MNQ_QUOTES, MNQ_TRADES, World};

const ALL: [&str; 3] = [MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES];

// NotEntitled, Capacity, ContractInvalid

#[test]
fn refusals_that_no_request_can_change_are_told_and_nothing_more() {
    let cases = [
        (354, "Requested market data is not subscribed.", Cause::NotEntitled),
        (10089, "Requested market data requires additional subscription for API.", Cause::NotEntitled),
        (10168, "Requested market data is not subscribed. Delayed market data is not enabled.", Cause::NotEntitled),
        (10186, "Requested market data is not subscribed. Delayed market data is not enabled.", Cause::NotEntitled),
        (10189, "Failed to request tick-by-tick data.No market data permissions for NYSE STK", Cause::NotEntitled),
        (101, "Max number of tickers has been reached", Cause::Capacity),
        (309, "Max number (3) of market depth requests has been reached", Cause::Capacity),
        (10190, "Max number of tick-by-tick requests has been reached.", Cause::Capacity),
        (322, "Error processing request: Max number of tick-by-tick requests has been reached", Cause::Capacity),
        (0, "no tick-by-tick line is left", Cause::Capacity),
        (200, "No security definition has been found for the request", Cause::ContractInvalid),
        (203, "The security XYZ is not available or allowed for this account.", Cause::ContractInvalid),
        (321, "Error validating request", Cause::ContractInvalid),
        (10182, "Failed to request live updates (disconnected).", Cause::Unknown),
    ];
    for (code, text, cause) in cases {
        let mut world = World::new();
        world.reject(&[BTC_QUOTES], code, text);
        world.run(3600);
        assert_eq!(world.incident().cause, cause, "{code} {text}");
        assert_eq!(world.rungs(), [(1, 60.0), (4, 600.0)], "{code} {text}");
        assert!(world.actions.is_empty(), "{code} {text}");
        assert!(world.notices.iter().any(|(_, notice)| notice.message.contains(text)), "{:#?}", world.notices);
    }
}

#[test]
fn a_refusal_that_nothing_renews_expires() {
    let mut world = World::new();
    world.refuses_again = false;
    world.reject(&[BTC_QUOTES], 354, "Requested market data is not subscribed.");
    world.run(26 * 3600 - 1);
    assert_eq!(world.cause_of(BTC_QUOTES), Some(Cause::NotEntitled));
    world.run(1);
    assert_eq!(world.cause_of(BTC_QUOTES), Some(Cause::Unknown));
}

#[test]
fn a_stream_that_is_recorded_from_market_data_lacks_nothing() {
    let mut world = World::new();
    world.state(&[BTC_QUOTES], StreamState::Overflow);
    world.run(3600);
    assert_eq!((world.status.level, world.status.health), (Some(0), Some(Health::Healthy)));
}

#[test]
fn an_unknown_contract_is_not_believed_while_a_definitions_farm_is_down_or_a_login_is_young() {
    let mut world = World::new();
    world.farm("secdefnj", FarmKind::Definitions, FarmState::Broken);
    world.reject(&[BTC_QUOTES], 200, "No security definition has been found for the request");
    assert_eq!(world.look().cause, Some(Cause::Unknown));
    world.run(300);
    assert!(world.actions.is_empty(), "a refused stream is never restarted");
    world.farm("secdefnj", FarmKind::Definitions, FarmState::Ok);
    assert_eq!(world.look().cause, Some(Cause::ContractInvalid));
    world.login(LoginState::Completed);
    assert_eq!(world.look().cause, Some(Cause::Unknown));
    world.run(899);
    assert_eq!(world.incident().cause, Cause::Unknown);
    world.run(1);
    assert_eq!(world.incident().cause, Cause::ContractInvalid);
}

// FarmDown

#[test]
fn streams_that_fall_silent_with_a_farm_are_restarted_and_never_reset() {
    let mut world = World::new();
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    world.run(60);
    world.silence_all(60);
    world.run(6000);
    assert_eq!((world.incident().cause, world.rolls()), (Cause::FarmDown, 0));
    assert_eq!(world.rungs()[..3], [(1, 60.0), (2, 180.0), (4, 600.0)]);
}

#[test]
fn a_farm_that_is_back_ends_its_evidence() {
    let mut world = World::new();
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    world.run(60);
    world.silence(&[MNQ_TRADES], 60);
    world.farm("usfuture", FarmKind::MarketData, FarmState::Connecting);
    assert_eq!(world.look().cause, Some(Cause::FarmDown), "connecting is not back");
    world.farm("usfuture", FarmKind::MarketData, FarmState::Ok);
    assert_eq!(world.look().cause, Some(Cause::StreamSilent));
}

#[test]
fn another_kind_of_farm_explains_no_silence() {
    for (kind, state) in [
        (FarmKind::History, FarmState::Broken),
        (FarmKind::Definitions, FarmState::Broken),
        (FarmKind::MarketData, FarmState::Inactive),
        (FarmKind::MarketData, FarmState::Ok),
    ] {
        let mut world = World::new();
        world.farm("farm", kind, state);
        world.run(60);
        world.silence(&[MNQ_TRADES], 60);
        assert_eq!(world.look().cause, Some(Cause::StreamSilent), "{kind:?} {state:?}");
    }
}

#[test]
fn a_farm_explains_neither_what_was_silent_before_nor_what_ticked_since() {
    let mut world = World::new();
    world.silence(&[MNQ_TRADES], 300);
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    assert_eq!(world.cause_of(MNQ_TRADES), None);
    world.run(100);
    assert_eq!(world.cause_of(MNQ_TRADES), Some(Cause::StreamSilent));
    world.silence(&[BTC_QUOTES], 60);
    world.run(1);
    assert_eq!(world.cause_of(BTC_QUOTES), Some(Cause::StreamSilent), "it ticked 40 s after the break");
}

#[test]
fn a_farm_that_broke_while_the_market_was_closed_explains_the_silence_after_the_open() {
    let mut world = World::new();
    world.session(Session::Closed, StreamState::Idle);
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    world.run(3600);
    world.session(Session::Open, StreamState::Idle);
    world.silent_since_open(&ALL, 60, 7200);
    assert_eq!(world.look().cause, Some(Cause::FarmDown));
    world.run(600);
    assert_eq!(world.rolls(), 0);
}

// CorruptData

/// Streams whose ticks cannot be true, from a minute ago until so many seconds from now.
fn corrupt_until(keys: &[&str], seconds: u64) -> World {
    let mut world = World::new();
    world.silence(keys, 60);
    for _ in 0..seconds / 10 {
        world.corrupt(keys);
        world.run(10);
    }
    world
}

#[test]
fn streams_of_impossible_ticks_are_restarted_then_reconnected_and_never_rolled() {
    let world = corrupt_until(&ALL, 560);
    assert_eq!(world.incident().cause, Cause::CorruptData);
    use ActionKind::{Reconnect, RestartStreams};
    assert_eq!(world.done(), [(120.0, RestartStreams), (240.0, Reconnect)]);
    assert_eq!(world.restarts()[0].1.len(), ALL.len());
    assert_eq!(world.levels(), [1, 2, 3, 4]);
}

#[test]
fn one_stream_of_impossible_ticks_does_not_cut_those_that_flow() {
    let world = corrupt_until(&[MNQ_TRADES], 560);
    assert_eq!(world.done(), [(120.0, ActionKind::RestartStreams)]);
    assert_eq!(world.restarts()[0].1, [MNQ_TRADES]);
    assert_eq!(world.levels(), [1, 2, 4]);
}

#[test]
fn what_ticks_well_again_is_neither_restarted_nor_reset_nor_told() {
    for (until, done) in [(110, 0), (230, 1), (530, 2)] {
        let mut world = corrupt_until(&ALL, until);
        world.tick_well(&ALL);
        world.run(65);
        assert_eq!(world.actions.len(), done, "{until} s: {:?}", world.actions);
        assert!(!world.told("Critical"), "{until} s");
    }
}

#[test]
fn an_impossible_tick_counts_until_the_next_good_one() {
    let mut world = World::new();
    world.quiet(MNQ_TRADES, 100);
    world.corrupt(&[MNQ_TRADES]);
    world.run(200);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::CorruptData, 2));
}

#[test]
fn an_impossible_tick_counts_no_longer_while_trading_is_halted() {
    let mut world = World::new();
    world.quiet(MNQ_TRADES, 100);
    world.corrupt(&[MNQ_TRADES]);
    world.run(70);
    assert_eq!(world.incident().cause, Cause::CorruptData);
    world.state(&[MNQ_TRADES], StreamState::Halted);
    world.run(11);
    assert!(world.status.incidents.is_empty(), "{:#?}", world.status.incidents);
}

#[test]
fn a_farm_explains_no_stream_that_ticks_however_wrongly() {
    let mut world = World::new();
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    world.run(60);
    world.silence(&[MNQ_TRADES], 60);
    assert_eq!(world.look().cause, Some(Cause::FarmDown));
    world.corrupt(&[MNQ_TRADES]);
    assert_eq!(world.look().cause, Some(Cause::CorruptData));
}

#[test]
fn a_refusal_does_not_begin_with_an_impossible_tick_of_before() {
    let mut world = World::new();
    world.corrupt(&[MNQ_TRADES]);
    world.run(3600);
    world.reject(&[MNQ_TRADES], 354, "Requested market data is not subscribed.");
    world.look();
    assert_eq!((world.incident().cause, world.incident().level), (Cause::NotEntitled, 0));
}

#[test]
fn a_new_session_of_ours_does_not_begin_the_clock_of_impossible_ticks_anew() {
    // Reported on its way, or only as the end of the one before.
    for between in [SocketState::Connecting, SocketState::Closed, SocketState::Refused] {
        let mut world = corrupt_until(&ALL, 250);
        assert_eq!(world.actions.len(), 2);
        world.socket(between);
        world.run(2);
        world.socket(SocketState::Connected);
        for _ in 0..30 {
            world.corrupt(&ALL);
            world.run(10);
        }
        assert_eq!((world.actions.len(), world.incident().level), (2, 4), "{between:?}: {:?}", world.actions);
    }
}

#[test]
fn one_impossible_tick_expires_before_anybody_is_warned() {
    let mut world = World::new();
    world.corrupt(&[MNQ_TRADES]);
    assert_eq!(world.look().cause, Some(Cause::CorruptData));
    world.run(71);
    assert!(world.status.incidents.is_empty() && world.notices.is_empty());
}

#[test]
fn impossible_ticks_of_every_stream_are_no_zombie() {
    let mut world = World::new();
    world.silence_all(60);
    world.corrupt(&ALL);
    assert_eq!(world.look().cause, Some(Cause::CorruptData));
}

#[test]
fn impossible_ticks_are_reconnected_as_soon_as_no_sibling_lives_however_long_they_have_lasted() {
    let mut world = corrupt_until(&[MNQ_TRADES], 16 * 3600);
    assert!(world.done().iter().all(|(_, kind)| *kind == ActionKind::RestartStreams), "{:?}", world.done());
    let tried = world.actions.len();
    world.state(&[MNQ_QUOTES, BTC_QUOTES], StreamState::Idle);
    world.corrupt(&[MNQ_TRADES]);
    world.run(1);
    let kinds: Vec<_> = world.done()[tried..].iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, [ActionKind::Reconnect], "it does not wait for the next hour");
}

// Refusals beside a silent session

#[test]
fn a_refusal_is_told_on_time_though_a_thin_sibling_makes_the_session_look_dead() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(marketstream_crds::Duration::from_secs(900));
    world.reject(&[MNQ_QUOTES], 203, "The security is not available or allowed for this account.");
    world.state(&[MNQ_TRADES], StreamState::Idle);
    world.silence(&[BTC_QUOTES], 900);
    world.run(600);
    let refused = world.incident_with(MNQ_QUOTES);
    assert_eq!((refused.cause, refused.level), (Cause::ContractInvalid, 4));
    let silent = world.status.incidents.iter().find(|incident| incident.cause == Cause::Zombie);
    assert!(silent.is_some_and(|incident| incident.streams.is_empty()), "{:#?}", world.status.incidents);
    // It ends by itself, beside the Zombie.
    world.flow(&[MNQ_QUOTES]);
    world.state(&[MNQ_QUOTES], StreamState::Idle);
    world.run(11);
    assert!(world.status.incidents.iter().all(|incident| incident.streams.is_empty()));
}

#[test]
fn a_dead_stream_that_is_refused_while_the_session_is_silent_is_the_same_fault() {
    let mut world = World::new();
    world.silence(&[MNQ_QUOTES], 60);
    world.run(30);
    world.silence_all(90);
    world.reject(&[MNQ_QUOTES], 354, "Requested market data is not subscribed.");
    world.run(5);
    let of_stream = world.status.incidents.iter().filter(|incident| incident.streams.contains(&MNQ_QUOTES.to_owned()));
    let causes: Vec<_> = of_stream.map(|incident| incident.cause).collect();
    assert_eq!(causes, [Cause::NotEntitled]);
}

// MarketClosed, Unknown, delayed data

#[test]
fn a_close_ends_silence_and_an_open_begins_it_anew() {
    let mut world = World::new();
    world.silence(&[MNQ_TRADES], 60);
    world.run(130);
    assert_eq!(world.incident().level, 2);
    world.session(Session::Closed, StreamState::Idle);
    world.run(3600);
    assert!(world.status.incidents.is_empty());
    world.session(Session::Open, StreamState::Flowing);
    world.silence(&[MNQ_TRADES], 60);
    assert_eq!((world.look().cause, world.incident().level), (Some(Cause::StreamSilent), 1));
}

#[test]
fn a_refusal_counts_while_the_market_is_closed_and_silence_does_not() {
    let mut world = World::new();
    world.session(Session::Closed, StreamState::Idle);
    world.reject(&[BTC_QUOTES], 354, "Requested market data is not subscribed.");
    world.reject(&[MNQ_TRADES], 10182, "Failed to request live updates (disconnected).");
    world.run(60);
    assert_eq!(world.incident().streams, [BTC_QUOTES]);
}

#[test]
fn unknown_hours_allow_levels_1_and_2_only() {
    let mut world = World::new();
    world.session(Session::Unknown, StreamState::Stale);
    world.silence_all(60);
    world.run(24 * 3600);
    assert_eq!((world.incident().cause, world.levels()), (Cause::Unknown, vec![1, 2]));
    assert_eq!(world.restarts().len(), 1);
}

#[test]
fn delayed_data_are_not_healthy() {
    let mut world = World::new();
    world.delay(&[MNQ_TRADES]);
    world.look();
    assert_eq!((world.status.health, world.status.level), (Some(Health::Degraded), Some(0)));
}
