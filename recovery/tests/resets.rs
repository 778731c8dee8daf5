//! One test for each rule of level 3, of budgets and of maintenance windows.

mod world;

use marketstream_crds::{
    ActionKind::{Reconnect, RestartGateway, RestartStreams, RollPod},
    ActionState, ActionStatus, Cause, CommandPort, FarmKind, FarmState, LoginState, Reset, SocketState, Upstream,
};
use world::{MNQ_TRADES, World};

fn kinds(world: &World) -> Vec<marketstream_crds::ActionKind> {
    world.done().into_iter().map(|(_, kind)| kind).collect()
}

// Strengths

#[test]
fn stepwise_tries_each_strength_after_the_weaker_one_failed_its_verification() {
    let mut world = World::new().live(CommandPort::Up);
    world.silence_all(60);
    world.run(900);
    let expected = [(120.0, RestartStreams), (240.0, Reconnect), (330.0, RestartGateway), (510.0, RollPod)];
    assert_eq!(world.done()[..4], expected);
    // The new pod runs after 3 s; then its roll is verified.
    assert_eq!(world.rungs().last().map(|(level, _)| *level), Some(4));
    assert!(world.rungs().contains(&(4, 60.0 + 510.0 + 3.0 + 180.0)), "{:?}", world.rungs());
}

#[test]
fn a_restart_of_the_gateway_keeps_the_client_id() {
    let mut world = World::new().live(CommandPort::Up);
    world.silence_all(60);
    world.run(300);
    let reconnected = world.status.client_id;
    world.run(60);
    assert_eq!(kinds(&world).last(), Some(&RestartGateway));
    assert_eq!(world.status.client_id, reconnected);
}

#[test]
fn a_gateway_that_took_no_command_is_rolled_without_waiting_for_it() {
    let mut world = World::new().live(CommandPort::Up);
    world.spec.recovery.reset = Some(Reset::Stepwise);
    world.login(LoginState::Completed);
    world.socket(SocketState::Refused);
    world.acknowledges = false;
    world.run(300);
    assert_eq!(world.done(), [(300.0, RestartGateway)]);
    let id = world.status.action.as_ref().unwrap().id.clone();
    world.acknowledge(ActionStatus { id, state: ActionState::Failed, message: None });
    world.run(1);
    assert_eq!(kinds(&world), [RestartGateway, RollPod]);
}

#[test]
fn a_live_pod_whose_gateway_hears_no_command_is_not_rolled_and_a_person_is_called() {
    for reset in [None, Some(Reset::RollPod)] {
        let mut world = World::new().live(CommandPort::Down);
        world.spec.recovery.reset = reset;
        world.silence_all(60);
        world.run(20_000);
        assert_eq!(world.rolls(), 0);
        assert!(world.told("RollRefused") && world.told("Critical"), "{:#?}", world.notices);
    }
}

#[test]
fn a_live_pod_whose_gateway_hears_commands_is_rolled_when_asked_for() {
    let mut world = World::new().live(CommandPort::Up);
    world.spec.recovery.reset = Some(Reset::RollPod);
    world.silence_all(60);
    world.run(300);
    assert_eq!(kinds(&world), [RestartStreams, RollPod]);
}

#[test]
fn an_external_gateway_is_never_restarted_and_its_streamer_as_the_spec_says() {
    let cases = [
        (None, vec![Reconnect, Reconnect]),
        (Some(Reset::Reconnect), vec![Reconnect, Reconnect]),
        (Some(Reset::Stepwise), vec![Reconnect, RollPod]),
        (Some(Reset::RollPod), vec![RollPod, RollPod]),
    ];
    for (reset, expected) in cases {
        let mut world = World::new().external();
        world.spec.recovery.reset = reset;
        world.silence_all(60);
        world.run(20_000);
        let resets = kinds(&world).into_iter().filter(|kind| *kind != RestartStreams);
        assert_eq!(resets.take(2).collect::<Vec<_>>(), expected, "{reset:?}");
    }
}

#[test]
fn a_gateway_that_is_down_is_never_reconnected() {
    let mut world = World::new();
    world.spec.recovery.reset = Some(Reset::Reconnect);
    world.socket(SocketState::Refused);
    world.run(3600);
    assert!(world.actions.is_empty(), "the streamer tries all the time: {:?}", world.actions);
}

// Budgets

#[test]
fn pauses_after_critical_grow_to_an_hour() {
    let mut world = World::new().external();
    world.silence_all(60);
    world.run(48 * 3600);
    let late: Vec<f64> = world.actions.iter().map(|(at, ..)| *at).filter(|at| *at > 600.0).collect();
    let pauses: Vec<f64> = late.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..3], [600.0, 1200.0, 2400.0]);
    assert!(pauses[3..].iter().all(|pause| *pause == 3600.0), "{pauses:?}");
    let resets = kinds(&world).iter().filter(|kind| **kind == Reconnect).count();
    assert!(resets * 3 > late.len(), "restarts and resets take turns: {resets} of {}", late.len());
}

#[test]
fn rolls_that_were_used_up_come_back_after_a_day() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(30 * 3600);
    assert!(world.rolls() > world.policy.rolls_per_day);
    let times: Vec<f64> = world.actions.iter().filter(|(_, kind, _)| *kind == RollPod).map(|(at, ..)| *at).collect();
    for window in times.windows(world.policy.rolls_per_day + 1) {
        assert!(window.last().unwrap() - window[0] >= 24.0 * 3600.0, "{times:?}");
    }
}

#[test]
fn a_pod_under_a_status_that_was_never_written_is_not_rolled_for_an_hour() {
    let mut world = World::new();
    let streamer = world.status.streamer.take();
    world.status = marketstream_crds::MarketStreamStatus { streamer, ..Default::default() };
    world.silence_all(60);
    world.run(3540);
    assert_eq!(world.rolls(), 0);
    assert!(world.told("RollRefused"));
    world.run(3600);
    assert!(world.rolls() > 0);
}

#[test]
fn a_status_without_a_report_allows_nothing_but_a_warning() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(10);
    world.status.streamer = None;
    world.reporting = false;
    world.run(600);
    assert!(world.actions.is_empty());
}

// Maintenance

#[test]
fn a_nightly_reset_delays_critical_to_five_minutes_after_its_end() {
    // 00:20 in New York.
    let mut world = World::new().at("2026-11-24T05:20:00Z");
    world.upstream(Upstream::Down, None);
    world.silence_all(0);
    world.run(89 * 60);
    assert_eq!(world.rungs(), [(1, 60.0)]);
    world.run(61);
    assert_eq!(world.rungs(), [(1, 60.0), (4, 90.0 * 60.0)]);
}

#[test]
fn a_reset_that_ends_by_itself_calls_nobody() {
    let mut world = World::new().at("2026-11-24T05:20:00Z");
    world.upstream(Upstream::Down, None);
    world.silence_all(0);
    world.run(80 * 60);
    world.flow_all();
    world.run(3600);
    assert!(!world.told("Critical") && world.actions.is_empty());
}

#[test]
fn the_gateways_daily_restart_delays_its_reset() {
    // 23:59 in New York.
    let mut world = World::new().at("2026-11-25T04:59:00Z");
    world.socket(SocketState::Closed);
    world.run(659);
    assert_eq!(world.rungs(), [(1, 60.0)]);
    world.run(1);
    assert_eq!(world.rungs(), [(1, 60.0), (3, 660.0)]);
}

#[test]
fn a_window_delays_only_what_maintenance_can_cause() {
    let mut zombie = World::new().at("2026-11-24T05:20:00Z");
    zombie.silence_all(60);
    zombie.run(300);
    assert_eq!(zombie.rolls(), 1);
    let mut farm = World::new().at("2026-11-24T05:20:00Z");
    farm.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    farm.run(60);
    farm.silence(&[MNQ_TRADES], 60);
    farm.run(3600);
    assert_eq!(farm.incident().cause, Cause::FarmDown);
    assert_eq!(farm.rungs(), [(1, 60.0), (2, 180.0)], "level 2 does not wait");
}

#[test]
fn the_users_own_windows_count() {
    let mut world = World::new().external();
    world.spec.maintenance_windows = serde_json::from_value(serde_json::json!([
        { "days": ["Tuesday"], "start": "15:05", "duration": "30m", "timeZone": "UTC" }
    ]))
    .unwrap();
    world.socket(SocketState::Refused);
    world.run(39 * 60);
    assert_eq!(world.rungs(), [(1, 60.0)]);
    world.run(61);
    assert_eq!(world.rungs(), [(1, 60.0), (4, 40.0 * 60.0)]);
}

// The status

#[test]
fn heartbeats_of_an_incident_write_nothing() {
    let mut world = World::new();
    world.pause(3000);
    world.silence_all(60);
    world.run(120);
    let before = world.status.clone();
    // Each report dates the end of the pause anew, a little off.
    for _ in 0..20 {
        world.run(15);
        world.delay_report(0.3);
    }
    assert_eq!(world.status.incidents, before.incidents);
}

#[test]
fn more_faults_than_the_status_holds_join_those_of_their_kind() {
    let mut world = World::new();
    for index in 0..40 {
        world.add_stream(&format!("c{index}/Last"));
    }
    for index in 0..40 {
        world.run(10);
        world.silence(&[&format!("c{index}/Last")], 60);
    }
    world.run(30);
    assert_eq!(world.status.incidents.len(), 16);
    let known: usize = world.status.incidents.iter().map(|incident| incident.streams.len()).sum();
    assert_eq!(known, 40);
}

#[test]
fn critical_waits_for_the_verification_of_a_second_roll() {
    let mut world = World::new();
    world.socket(SocketState::NoHandshake);
    world.run(303);
    world.login(LoginState::ExistingSession);
    world.run(10);
    world.login(LoginState::Completed);
    world.pause(800);
    world.run(801);
    assert_eq!(world.rolls(), 2);
    assert_eq!(world.incident().level, 3, "{:#?}", world.incident());
}
