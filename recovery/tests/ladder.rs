//! One test for each rule of the ladder, named after it, on a virtual clock.

mod world;

use marketstream_crds::{
    ActionKind, Cause, Duration, FarmKind, FarmState, Health, Reset, Scope, Session, SocketState, StreamState,
};
use world::{BTC_QUOTES, MNQ_QUOTES, MNQ_TRADES, World};

const COMPETING: &str = "No market data during competing live session";

#[test]
fn each_rung_fires_when_it_is_due() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(600);
    assert_eq!(world.incident().cause, Cause::Zombie);
    assert_eq!(world.rungs(), [(1, 60.0), (2, 180.0), (3, 300.0), (4, 600.0)]);
    assert_eq!(world.status.level, Some(4));
    assert_eq!(world.status.health, Some(Health::Degraded));
    for rung in &world.incident().rungs {
        assert_eq!(rung.time, rung.due_time);
    }
}

#[test]
fn level_3_replaces_the_pod_and_takes_the_next_client_id() {
    let mut world = World::new();
    assert_eq!(world.status.client_id, Some(851));
    world.silence_all(60);
    world.run(300);
    assert_eq!(world.deletes, [(240.0, "pod-1".to_owned())]);
    assert_eq!(world.status.client_id, Some(852));
    let action = world.status.action.as_ref().unwrap();
    assert_eq!((action.kind, action.client_id, action.pod_uid.as_str()), (ActionKind::RollPod, 852, "pod-1"));
    assert_eq!(world.pod.as_ref().unwrap().uid, "pod-2");
}

#[test]
fn the_cause_of_a_roll_stands_while_the_new_pod_connects() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(240);
    world.never_connected(SocketState::Connecting);
    world.run(60);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::Zombie, 3));
    world.run(300);
    assert_eq!(world.incident().cause, Cause::Unknown, "a pod that never connects must not be rolled again");
}

#[test]
fn what_passed_before_a_warning_is_no_history() {
    let mut world = World::new();
    world.socket(SocketState::Closed);
    world.run(5);
    world.socket(SocketState::Connected);
    world.run(20);
    assert!(world.status.incidents.is_empty(), "{:#?}", world.status.incidents);
    assert!(world.status.history.is_empty(), "{:#?}", world.status.history);
}

#[test]
fn client_ids_go_round_the_pool() {
    let pool = World::new().spec.gateway.client_id;
    assert_eq!([851, 857, 858, 900, 1].map(|id| pool.next(id)), [852, 858, 851, 853, 858]);
}

#[test]
fn an_incident_closes_after_data_have_flowed_for_the_settling_time() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(130);
    world.flow_all();
    world.run(9);
    assert_eq!(world.incident().next_action.as_deref(), Some("Close"));
    world.run(2);
    assert!(world.status.incidents.is_empty());
    assert_eq!((world.status.level, world.status.cause), (Some(0), None));
    assert_eq!(world.status.history[0].level, 2);
    let recovered: Vec<_> = world.notices.iter().filter(|(_, notice)| notice.reason == "Recovered").collect();
    assert_eq!(recovered.len(), 1);
}

#[test]
fn flow_shorter_than_the_settling_time_does_not_reset_the_clock() {
    let mut world = World::new();
    world.silence_all(60);
    let since = world.look().incidents[0].since;
    world.run(100);
    world.flow_all();
    world.run(5);
    world.silence_all(2);
    world.run(60);
    assert_eq!(world.incident().since, since);
}

#[test]
fn a_silent_stream_is_restarted_alone_and_never_reset() {
    let mut world = World::new();
    world.silence(&[MNQ_TRADES], 60);
    world.run(3000);
    assert_eq!(world.incident().cause, Cause::StreamSilent);
    assert_eq!(world.rolls(), 0);
    assert!(world.restarts().iter().all(|(_, streams)| streams == &[MNQ_TRADES.to_owned()]));
    let rungs = world.rungs();
    assert_eq!(rungs[..5], [(1, 60.0), (2, 180.0), (2, 300.0), (2, 540.0), (4, 600.0)]);
}

#[test]
fn after_critical_actions_go_on_with_growing_pauses() {
    let mut world = World::new();
    world.silence(&[MNQ_TRADES], 60);
    world.run(20_000);
    let later: Vec<f64> = world.rungs().iter().skip_while(|(level, _)| *level < 4).map(|(_, at)| *at).collect();
    assert_eq!(later[..5], [600.0, 900.0, 1500.0, 2700.0, 5100.0]);
    assert!(later.windows(2).all(|pair| pair[1] - pair[0] <= 3600.0));
}

#[test]
fn after_critical_a_zombie_is_restarted_and_rolled_in_turn() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(1600);
    let kinds: Vec<_> = world.actions.iter().map(|(_, kind, _)| *kind).collect();
    use ActionKind::{RestartStreams, RollPod};
    assert_eq!(kinds, [RestartStreams, RollPod, RestartStreams, RollPod]);
}

#[test]
fn rolls_are_bounded_for_a_day() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(23 * 3600);
    assert_eq!(world.rolls(), world.policy.rolls_per_day);
    assert!(world.notices.iter().any(|(_, notice)| notice.action == "RollRefused"));
}

#[test]
fn a_competing_session_is_waited_out() {
    let mut world = World::new();
    world.reject(&[MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES], 10197, COMPETING);
    world.run(7200);
    assert_eq!(world.incident().cause, Cause::CompetingSession);
    assert_eq!(world.rungs(), [(1, 60.0), (4, 600.0)]);
    assert!(world.actions.is_empty());
}

#[test]
fn what_follows_a_competing_session_has_a_clock_of_its_own() {
    let mut world = World::new();
    world.reject(&[MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES], 10197, COMPETING);
    world.run(3600);
    world.silence_all(3600);
    world.run(30);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::Zombie, 0));
    world.run(31);
    assert_eq!(world.incident().level, 1);
    assert!(world.actions.is_empty());
}

#[test]
fn an_external_gateway_that_is_down_is_never_reset() {
    let mut world = World::new().external();
    world.socket(SocketState::Refused);
    world.run(7200);
    assert_eq!((world.incident().cause, world.status.health), (Cause::GatewayDown, Some(Health::Disconnected)));
    assert_eq!(world.rungs(), [(1, 60.0), (4, 600.0)]);
    assert!(world.actions.is_empty());
}

#[test]
fn a_sidecar_that_is_down_is_rolled() {
    let mut world = World::new();
    world.socket(SocketState::Closed);
    world.run(310);
    assert_eq!(world.rungs(), [(1, 60.0), (3, 300.0)]);
    assert_eq!(world.rolls(), 1);
}

#[test]
fn a_gateway_that_never_answered_is_never_rolled() {
    let mut world = World::new();
    world.never_connected(SocketState::Refused);
    world.run(7200);
    assert_eq!(world.incident().cause, Cause::Unknown);
    assert_eq!(world.rungs(), [(1, 60.0), (4, 600.0)]);
    assert!(world.actions.is_empty());
}

#[test]
fn a_hung_gateway_is_reset() {
    let mut world = World::new().external();
    world.socket(SocketState::ProbeTimeout);
    world.run(301);
    assert_eq!(world.incident().cause, Cause::GatewayHung);
    assert_eq!(world.actions, [(300.0, ActionKind::Reconnect, vec![])]);
    assert_eq!(world.status.client_id, Some(852));
}

#[test]
fn a_streamer_that_does_not_report_is_left_alone() {
    let mut world = World::new();
    world.reporting = false;
    world.run(44);
    assert!(world.status.incidents.is_empty());
    world.run(7200);
    assert_eq!((world.incident().cause, world.status.health), (Cause::NotReporting, Some(Health::Unknown)));
    assert_eq!(world.rungs(), [(1, 60.0), (4, 600.0)]);
    assert!(world.actions.is_empty());
}

#[test]
fn a_refused_contract_is_never_restarted() {
    let mut world = World::new();
    world.reject(&[BTC_QUOTES], 200, "No security definition has been found for the request");
    world.run(3600);
    assert_eq!(world.incident().cause, Cause::ContractInvalid);
    assert_eq!(world.rungs(), [(1, 60.0), (4, 600.0)]);
    assert!(world.actions.is_empty());
}

#[test]
fn one_bad_contract_does_not_switch_recovery_off_for_the_others() {
    let mut world = World::new();
    world.reject(&[BTC_QUOTES], 200, "No security definition has been found for the request");
    world.run(1000);
    world.silence(&[MNQ_TRADES], 60);
    world.run(121);
    assert_eq!(world.status.incidents.len(), 2);
    assert_eq!(world.restarts().len(), 1);
    assert_eq!(world.restarts()[0].1, [MNQ_TRADES]);
}

#[test]
fn streams_that_fall_silent_apart_have_clocks_of_their_own() {
    let mut world = World::new();
    world.silence(&[MNQ_TRADES], 60);
    world.run(100);
    world.silence(&[MNQ_QUOTES], 60);
    world.run(25);
    assert_eq!(world.status.incidents.len(), 2);
    assert_eq!(world.restarts()[0].1, [MNQ_TRADES]);
}

#[test]
fn while_everything_is_silent_only_the_session_is_acted_for() {
    let mut world = World::new();
    world.silence(&[MNQ_TRADES], 60);
    world.run(30);
    world.silence(&[MNQ_QUOTES, BTC_QUOTES], 60);
    world.run(400);
    assert!(world.causes.len() > 1 && world.causes.iter().all(|cause| *cause == Cause::Zombie), "{:?}", world.causes);
    let stream = world.status.incidents.iter().find(|incident| incident.scope == Scope::Stream).unwrap();
    assert_eq!((stream.level, stream.next_action.as_deref()), (1, None));
    world.flow_all();
    world.run(11);
    assert!(world.status.incidents.is_empty(), "{:#?}", world.status.incidents);
}

#[test]
fn a_dead_stream_reaches_critical_though_its_thin_sibling_pauses_and_ticks() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(900));
    world.state(&[MNQ_QUOTES], StreamState::Idle);
    world.silence(&[MNQ_TRADES], 60);
    for _ in 0..8 {
        // Its pause is as long as the silence of the other: both look dead, until it ticks.
        world.quiet(BTC_QUOTES, 60);
        world.run(60);
        world.quiet(BTC_QUOTES, 0);
        world.run(30);
    }
    let dead = world.incident_with(MNQ_TRADES);
    assert_eq!((dead.cause, dead.level), (Cause::StreamSilent, 4));
}

#[test]
fn a_closed_market_is_idle_and_no_incident() {
    let mut world = World::new();
    world.session(Session::Closed, StreamState::Idle);
    world.run(72 * 3600);
    assert_eq!((world.status.health, world.status.level), (Some(Health::Idle), Some(0)));
    assert!(world.notices.is_empty());
}

#[test]
fn unknown_hours_allow_a_restart_and_no_reset() {
    let mut world = World::new();
    world.session(Session::Unknown, StreamState::Stale);
    world.silence_all(60);
    world.run(541);
    assert_eq!(world.incident().cause, Cause::Unknown);
    assert_eq!(world.rolls(), 0);
    assert!(!world.restarts().is_empty());
}

#[test]
fn a_thin_contract_shifts_its_ladder() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(360));
    world.silence(&[BTC_QUOTES], 360);
    world.run(1000);
    assert_eq!(world.rungs()[..2], [(1, 360.0), (2, 480.0)]);
}

#[test]
fn a_thin_sibling_that_ticked_before_the_silence_does_not_hide_a_zombie() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(3600));
    world.quiet(BTC_QUOTES, 60);
    world.silence(&[MNQ_QUOTES, MNQ_TRADES], 60);
    world.run(300);
    assert_eq!(world.incident().cause, Cause::Zombie);
    assert_eq!(world.restarts()[0].1, [BTC_QUOTES, MNQ_QUOTES, MNQ_TRADES]);
    assert_eq!(world.rolls(), 1);
}

#[test]
fn a_thin_sibling_that_ticked_during_the_silence_shows_that_the_session_lives() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(3600));
    world.quiet(BTC_QUOTES, 20);
    world.silence(&[MNQ_QUOTES, MNQ_TRADES], 60);
    assert_eq!(world.look().incidents[0].cause, Cause::StreamSilent);
}

#[test]
fn nothing_is_done_on_a_report_of_unknown_age() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(100);
    world.confirmed = false;
    world.run(400);
    assert!(world.actions.is_empty());
    assert_eq!((world.incident().cause, world.incident().level), (Cause::Zombie, 1));
    world.confirmed = true;
    world.run(1);
    assert_eq!(world.actions.len(), 1);
}

#[test]
fn a_streamer_that_reports_again_is_noticed_within_a_heartbeat() {
    let mut world = World::new();
    world.reporting = false;
    world.run(300);
    assert_eq!(world.incident().cause, Cause::NotReporting);
    world.reporting = true;
    // At most a heartbeat until it reports, one until that is seen, and the settling time.
    world.run(15 + 15 + 10);
    assert!(world.status.incidents.is_empty());
}

#[test]
fn a_pod_that_is_not_heard_of_is_told_of_in_time_though_its_session_was_young() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(900));
    world.never_connected(SocketState::Refused);
    world.socket(SocketState::Connected);
    world.reporting = false;
    world.run(620);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::NotReporting, 4));
}

#[test]
fn nobody_is_called_later_for_a_request_that_is_due_at_the_same_moment() {
    let mut world = World::new();
    world.spec.recovery.critical_after = Duration::from_secs(540);
    world.silence(&[MNQ_TRADES], 60);
    world.run(500);
    assert_eq!(world.rungs(), [(1, 60.0), (2, 180.0), (2, 300.0), (4, 540.0)]);
}

#[test]
fn a_thin_stream_that_the_session_asked_for_has_its_own_time_to_tick() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(900));
    world.silence(&[BTC_QUOTES], 900);
    world.silence(&[MNQ_QUOTES, MNQ_TRADES], 60);
    world.run(130);
    assert_eq!(world.restarts().len(), 1, "{:?}", world.restarts());
    let asked = world.restarts()[0].0;
    world.flow(&[MNQ_QUOTES, MNQ_TRADES]);
    world.silence(&[BTC_QUOTES], 1030);
    world.run(880);
    assert_eq!(world.restarts().len(), 1, "{:?}", world.restarts());
    world.run(30);
    assert_eq!(world.restarts().last(), Some(&(asked + 900.0, vec![BTC_QUOTES.to_owned()])));
}

#[test]
fn a_reset_that_a_broken_farm_forbade_comes_when_that_is_back() {
    let mut world = World::new();
    world.silence_all(120);
    world.farm("hfarm", FarmKind::MarketData, FarmState::Broken);
    // The pauses between the tries have grown to an hour.
    world.run(4 * 3600);
    assert_eq!((world.incident().cause, world.incident().level, world.rolls()), (Cause::Zombie, 4, 0));
    world.farm("hfarm", FarmKind::MarketData, FarmState::Ok);
    world.run(89);
    assert_eq!(world.rolls(), 0, "the streamer looks after its streams first");
    world.run(2);
    assert_eq!(world.rolls(), 1);
}

#[test]
fn resets_that_a_broken_farm_forbade_follow_each_other_when_that_is_back() {
    let mut world = World::new();
    world.spec.recovery.reset = Some(Reset::Stepwise);
    world.silence_all(120);
    world.farm("hfarm", FarmKind::MarketData, FarmState::Broken);
    world.run(4 * 3600);
    let tried = world.actions.len();
    world.farm("hfarm", FarmKind::MarketData, FarmState::Ok);
    world.run(91 + 91);
    let kinds: Vec<_> = world.done()[tried..].iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, [ActionKind::Reconnect, ActionKind::RollPod]);
}

#[test]
fn a_roll_that_was_written_and_not_done_is_done_once() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(240);
    let decided = world.status.action.clone().unwrap();
    // The operator died after the write: the pod of the decision still stands.
    let undone = world.pod.take();
    world.pod = Some(marketstream_recovery::Pod {
        uid: decided.pod_uid.clone(),
        seen: world.now,
        running: Some(world.now),
        deleting: false,
        waiting: undone.and_then(|pod| pod.waiting),
    });
    world.deletes.clear();
    let decision = world.look();
    assert_eq!(decision.delete_pod.as_ref(), Some(&decided.pod_uid));
    assert_eq!(decision.action, Some(decided));
    world.run(60);
    assert_eq!((world.deletes.len(), world.rolls()), (1, 1));
}

#[test]
fn never_two_actions_at_once() {
    let mut world = World::new();
    world.acknowledges = false;
    world.silence(&[MNQ_TRADES], 60);
    world.run(50);
    world.silence(&[MNQ_QUOTES], 60);
    world.run(71);
    assert_eq!(world.restarts().len(), 1);
    world.run(59);
    assert_eq!(world.restarts().len(), 2, "the second waits for the first's deadline: {:?}", world.restarts());
}

#[test]
fn paused_means_no_action() {
    let mut world = World::new();
    world.paused = true;
    world.silence_all(60);
    world.run(3600);
    assert!(world.actions.is_empty());
    assert_eq!(world.incident().next_action.as_deref(), Some("none: paused"));
}

#[test]
fn stepwise_reconnects_before_it_rolls() {
    let mut world = World::new();
    world.spec.recovery.reset = Some(Reset::Stepwise);
    world.silence_all(60);
    world.run(541);
    let kinds: Vec<_> = world.actions.iter().map(|(at, kind, _)| (*at, *kind)).collect();
    use ActionKind::{Reconnect, RestartStreams, RollPod};
    assert_eq!(kinds, [(120.0, RestartStreams), (240.0, Reconnect), (330.0, RollPod)]);
}

#[test]
fn a_live_gateway_is_not_rolled_unless_asked_for() {
    let mut world = World::new();
    world.spec.gateway.sidecar.as_mut().unwrap().trading_mode = marketstream_crds::TradingMode::Live;
    world.silence_all(60);
    world.run(20_000);
    assert_eq!(world.rolls(), 0);
}

#[test]
fn without_change_nothing_is_written() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(200);
    let before = world.status.clone();
    world.run(10);
    assert_eq!(world.status.incidents, before.incidents);
}
