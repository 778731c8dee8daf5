//! One test for each rule about how incidents are opened, followed and closed.

mod world;

use marketstream_crds::{Cause, FarmKind, FarmState, Restored, Scope, Session, SocketState, StreamState, Upstream};
use world::{BTC_QUOTES, MNQ_QUOTES, MNQ_TRADES, World};

#[test]
fn streams_that_fall_silent_within_five_seconds_of_each_other_share_an_incident() {
    let mut world = World::new();
    world.silence(&[MNQ_QUOTES], 65);
    world.silence(&[MNQ_TRADES], 60);
    world.look();
    assert_eq!(world.incident().streams, [MNQ_QUOTES, MNQ_TRADES]);
    let mut apart = World::new();
    apart.silence(&[MNQ_QUOTES], 66);
    apart.silence(&[MNQ_TRADES], 60);
    apart.look();
    assert_eq!(apart.status.incidents.len(), 2);
}

#[test]
fn no_two_incidents_have_one_id_though_they_began_at_the_same_moment() {
    let mut world = World::new();
    world.reject(&[BTC_QUOTES], 354, "Requested market data is not subscribed.");
    world.reject(&[MNQ_TRADES], 200, "No security definition has been found for the request");
    world.run(20);
    world.flow(&[BTC_QUOTES]);
    world.run(11);
    // The first is closed, and the third began when the first two did.
    world.silence(&[MNQ_QUOTES], 31);
    world.look();
    let ids: std::collections::BTreeSet<&str> = world.status.incidents.iter().map(|known| known.id.as_str()).collect();
    assert_eq!((world.status.incidents.len(), ids.len()), (2, 2), "{ids:?}");
}

#[test]
fn the_same_streams_under_another_cause_are_the_same_fault() {
    let mut world = World::new();
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    world.run(60);
    world.silence(&[MNQ_TRADES], 60);
    world.run(30);
    let before = world.incident().clone();
    world.farm("usfuture", FarmKind::MarketData, FarmState::Ok);
    world.look();
    let after = world.incident();
    assert_eq!((before.cause, after.cause), (Cause::FarmDown, Cause::StreamSilent));
    assert_eq!((&after.id, after.since, after.level), (&before.id, before.since, 1));
}

#[test]
fn a_stream_that_recovers_leaves_the_incident_that_it_shared() {
    let mut world = World::new();
    world.silence(&[MNQ_QUOTES, MNQ_TRADES], 60);
    world.run(30);
    world.flow(&[MNQ_QUOTES]);
    world.run(100);
    assert_eq!(world.incident().streams, [MNQ_TRADES]);
    assert_eq!(world.restarts()[0].1, [MNQ_TRADES]);
}

#[test]
fn a_session_incident_explains_those_of_its_streams() {
    let mut world = World::new();
    world.silence(&[MNQ_TRADES], 60);
    world.run(30);
    world.socket(SocketState::Closed);
    world.look();
    assert_eq!((world.incident().cause, world.incident().scope), (Cause::GatewayDown, Scope::Session));
    assert_eq!(world.notices.last().unwrap().1.reason, "Superseded");
    assert_eq!(world.status.history[0].cause, Cause::StreamSilent);
}

#[test]
fn a_session_recovers_when_nothing_has_to_flow_any_more() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(30);
    world.session(Session::Closed, StreamState::Idle);
    world.run(11);
    assert!(world.status.incidents.is_empty(), "{:#?}", world.status.incidents);
}

#[test]
fn a_stream_that_is_silent_for_a_reason_of_its_own_does_not_keep_the_sessions_incident_open() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(30);
    world.session_of(&[MNQ_QUOTES, MNQ_TRADES], Session::Closed, StreamState::Idle);
    world.corrupt(&[BTC_QUOTES]);
    world.run(11);
    assert_eq!((world.incident().cause, world.incident().streams.len()), (Cause::CorruptData, 1));
}

#[test]
fn a_stream_that_waits_for_its_first_tick_keeps_the_sessions_incident_open() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(30);
    world.state(&[MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES], StreamState::Pending);
    world.run(60);
    assert_eq!((world.incident().cause, world.incident().recovered_time), (Cause::Zombie, None));
}

#[test]
fn a_silent_session_has_the_clock_of_the_last_tick_though_its_stream_has_closed_since() {
    let mut world = World::new();
    world.silent_since_open(&[BTC_QUOTES], 0, 20);
    world.session_of(&[BTC_QUOTES], Session::Closed, StreamState::Idle);
    world.silence(&[MNQ_QUOTES, MNQ_TRADES], 60);
    world.run(39);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::Zombie, 0));
    world.run(1);
    assert_eq!(world.rungs(), [(1, 60.0)]);
}

#[test]
fn an_expired_contract_lacks_nothing() {
    let mut world = World::new();
    world.state(&[BTC_QUOTES], StreamState::Expired);
    world.run(24 * 3600);
    assert!(world.status.incidents.is_empty() && world.notices.is_empty());
}

#[test]
fn hours_that_were_known_when_the_session_was_reset_count_as_known_until_it_ends() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(240);
    assert_eq!(world.incident().level, 3);
    // The new pod has not been told the hours yet.
    world.session(Session::Unknown, StreamState::Pending);
    world.run(360);
    assert_eq!(world.incident().level, 4);
}

#[test]
fn a_stream_may_tick_for_ten_seconds_more_when_its_farm_has_broken() {
    for (last_tick, cause) in [(9, Cause::FarmDown), (11, Cause::StreamSilent)] {
        let mut world = World::new();
        world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
        world.run(last_tick + 60);
        world.silence(&[MNQ_TRADES], 60);
        assert_eq!(world.look().cause, Some(cause), "ticked {last_tick} s after the break");
    }
}

#[test]
fn the_streamer_has_its_turn_when_a_farm_is_back_before_its_streams_are_asked_for_again() {
    let mut world = World::new();
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    world.run(60);
    world.silence(&[MNQ_TRADES], 60);
    world.run(110);
    world.farm("usfuture", FarmKind::MarketData, FarmState::Ok);
    world.run(89);
    assert_eq!(world.restarts(), []);
    world.run(1);
    assert_eq!(world.restarts().len(), 1);
}

#[test]
fn an_existing_session_in_the_log_counts_for_a_quarter_of_an_hour_where_a_session_is_up_and_ends_with_any_tick() {
    let existing = || {
        let mut world = World::new();
        world.login(marketstream_crds::LoginState::ExistingSession);
        world.silence_all(60);
        world
    };
    let mut silent = existing();
    silent.run(899);
    assert_eq!(silent.incident().cause, Cause::CompetingSession);
    silent.run(1);
    assert_eq!(silent.incident().cause, Cause::Zombie);
    let mut ticks = existing();
    ticks.flow(&[MNQ_QUOTES]);
    assert_eq!(ticks.look().cause, Some(Cause::StreamSilent));
}

#[test]
fn a_new_request_that_failed_since_the_link_broke_is_made_again_when_the_link_is_back() {
    let mut world = World::new();
    world.acknowledges = false;
    world.silence_all(60);
    world.run(120);
    let id = world.status.action.as_ref().unwrap().id.clone();
    world.upstream(Upstream::Down, None);
    world.acknowledge(marketstream_crds::ActionStatus {
        id,
        state: marketstream_crds::ActionState::Failed,
        message: Some("the link to IBKR is down".into()),
    });
    world.acknowledges = true;
    world.run(900);
    assert_eq!((world.incident().cause, world.actions.len()), (Cause::UpstreamDown, 1));
    world.upstream(Upstream::Up, Some(Restored::Maintained));
    world.run(181);
    // Its clock began with the notice, so levels 1 and 2 come before any reset.
    assert_eq!((world.incident().cause, world.levels()), (Cause::Zombie, vec![1, 2]));
    assert_eq!(world.restarts().len(), 2);
}
