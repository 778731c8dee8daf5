//! One test for each row of the cause table that covers a session: the evidence, when it expires, and what it allows.

mod world;

use marketstream_crds::{
    ActionKind, Cause, CommandPort, Duration, Health, LoginState, Restored, Session, SocketState, StreamState, Upstream,
};
use world::{BTC_QUOTES, MNQ_QUOTES, MNQ_TRADES, World};

const ALL: [&str; 3] = [MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES];
const COMPETING: (i32, &str) = (10197, "No market data during competing live session");
const PACING: (i32, &str) = (100, "Max rate of messages per second has been exceeded");

// NotReporting

#[test]
fn a_pod_that_does_not_start_is_not_reporting_and_its_reason_is_told() {
    let mut world = World::new();
    let pod = world.pod.as_mut().unwrap();
    (pod.uid, pod.waiting) = ("pod-2".into(), Some("container gateway: ImagePullBackOff".into()));
    world.reporting = false;
    world.run(120);
    assert_eq!(world.incident().cause, Cause::NotReporting);
    assert!(
        world.notices.iter().any(|(_, notice)| notice.message.contains("ImagePullBackOff")),
        "{:#?}",
        world.notices
    );
}

// StorageFull

#[test]
fn a_full_volume_is_told_while_data_flow_and_ends_when_it_takes_writes() {
    let mut world = World::new();
    world.storage(false);
    world.run(605);
    assert_eq!((world.incident().cause, world.status.health), (Cause::StorageFull, Some(Health::Degraded)));
    assert_eq!(world.rungs(), [(1, 60.0), (4, 600.0)]);
    assert!(world.actions.is_empty());
    world.storage(true);
    world.run(11);
    assert!(world.status.incidents.is_empty());
}

// AuthRequired

#[test]
fn a_login_that_waits_for_a_person_is_critical_at_once_also_while_the_market_is_closed() {
    for state in [LoginState::SecondFactor, LoginState::Failed, LoginState::TooManyAttempts, LoginState::Held] {
        let mut world = World::new();
        world.session(Session::Closed, StreamState::Idle);
        world.login(state);
        world.socket(SocketState::Refused);
        world.look();
        assert_eq!((world.incident().cause, world.rungs()), (Cause::AuthRequired, vec![(4, 0.0)]), "{state:?}");
        world.run(24 * 3600);
        assert_eq!(world.rungs().len(), 1, "one call: {:#?}", world.incident());
        assert!(world.actions.is_empty(), "a roll costs a login: {:?}", world.actions);
    }
}

#[test]
fn a_login_that_completes_ends_the_call() {
    let mut world = World::new();
    world.login(LoginState::SecondFactor);
    world.socket(SocketState::Refused);
    world.run(600);
    world.login(LoginState::Completed);
    world.socket(SocketState::Connected);
    world.flow_all();
    world.run(11);
    assert!(world.status.incidents.is_empty(), "{:#?}", world.status.incidents);
}

#[test]
fn what_follows_a_login_has_a_clock_of_its_own() {
    let mut world = World::new();
    world.login(LoginState::SecondFactor);
    world.socket(SocketState::Refused);
    world.run(3600);
    world.login(LoginState::Started);
    world.run(30);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::GatewayDown, 0));
}

#[test]
fn full_authentication_calls_a_person_for_a_live_account_only() {
    let mut paper = World::new();
    paper.login(LoginState::FullAuthentication);
    paper.never_connected(SocketState::Refused);
    assert_eq!(paper.look().cause, Some(Cause::Unknown));
    let mut live = World::new().live(CommandPort::Down);
    live.login(LoginState::FullAuthentication);
    live.never_connected(SocketState::Refused);
    assert_eq!(live.look().cause, Some(Cause::AuthRequired));
}

#[test]
fn without_a_log_a_gateway_that_lives_and_refuses_for_four_minutes_waits_for_a_login() {
    let mut world = World::new().live(CommandPort::Up);
    world.never_connected(SocketState::Refused);
    world.run(239);
    assert_eq!(world.incident().cause, Cause::Unknown);
    world.run(1);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::AuthRequired, 4));
    world.command_port = Some(CommandPort::Down);
    world.run(15);
    assert_ne!(world.incident().cause, Cause::AuthRequired);
    assert!(world.actions.is_empty());
}

// CompetingSession

#[test]
fn a_refusal_for_a_competing_session_expires_also_while_the_socket_is_down() {
    let mut world = World::new();
    world.reject(&ALL, COMPETING.0, COMPETING.1);
    world.run(600);
    assert_eq!(world.incident().cause, Cause::CompetingSession);
    world.socket(SocketState::Refused);
    world.run(149);
    assert_eq!(world.incident().cause, Cause::CompetingSession, "the gateway may exit because of it");
    world.run(1);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::GatewayDown, 0));
}

#[test]
fn an_existing_session_in_the_log_is_a_competing_session_also_when_the_gateway_exits() {
    let mut world = World::new();
    world.login(LoginState::ExistingSession);
    world.socket(SocketState::Refused);
    world.run(800);
    assert_eq!(world.levels(), [1, 4]);
    assert_eq!(world.incident().cause, Cause::CompetingSession);
    assert!(world.actions.is_empty());
    world.run(24 * 3600);
    assert_eq!(world.incident().cause, Cause::CompetingSession, "nothing contradicts the log's last word");
    assert!(world.actions.is_empty(), "a reset would only fight for the login");
}

#[test]
fn a_competing_session_outlasts_any_pause_of_the_canary() {
    let mut world = World::new();
    world.reject(&ALL, COMPETING.0, COMPETING.1);
    world.run(24 * 3600);
    assert_eq!(world.incident().cause, Cause::CompetingSession);
    assert_eq!(world.levels(), [1, 4]);
}

// ClientIdInUse

#[test]
fn a_client_id_in_use_is_left_to_the_streamer() {
    let mut world = World::new();
    world.socket(SocketState::ClientIdInUse);
    world.run(3600);
    assert_eq!((world.incident().cause, world.levels()), (Cause::ClientIdInUse, vec![1, 4]));
    assert!(world.actions.is_empty());
}

// GatewayDown

#[test]
fn a_login_that_had_completed_makes_a_refused_port_a_gateway_that_is_down() {
    let mut world = World::new();
    world.never_connected(SocketState::Refused);
    assert_eq!(world.look().cause, Some(Cause::Unknown));
    world.login(LoginState::Completed);
    assert_eq!(world.look().cause, Some(Cause::GatewayDown));
}

#[test]
fn a_session_cause_keeps_its_clock_and_levels_while_the_market_is_closed() {
    let mut world = World::new();
    world.session(Session::Closed, StreamState::Idle);
    world.socket(SocketState::Closed);
    world.run(305);
    assert_eq!(world.rungs(), [(1, 60.0), (3, 300.0)]);
}

// UpstreamDown

#[test]
fn a_lost_link_to_ibkr_is_waited_out() {
    let mut world = World::new();
    world.upstream(Upstream::Down, None);
    world.silence_all(5);
    world.run(1500);
    assert_eq!((world.incident().cause, world.rungs()), (Cause::UpstreamDown, vec![(1, 60.0), (4, 600.0)]));
    assert!(world.actions.is_empty());
}

#[test]
fn a_lost_link_is_no_fault_while_data_flow() {
    let mut world = World::new();
    world.upstream(Upstream::Down, None);
    world.run(600);
    assert!(world.status.incidents.is_empty());
}

#[test]
fn a_lost_link_resets_the_gateway_after_half_an_hour_and_not_before() {
    let mut world = World::new();
    world.upstream(Upstream::Down, None);
    world.silence_all(0);
    world.run(3600);
    assert_eq!(world.done()[0], (1800.0, ActionKind::RollPod));
}

#[test]
fn silence_that_outlasts_a_restored_link_by_a_minute_is_a_zombie_whose_clock_began_with_the_notice() {
    for restored in [Restored::Lost, Restored::Maintained] {
        let mut world = World::new();
        world.upstream(Upstream::Down, None);
        world.silence_all(0);
        world.run(1200);
        world.upstream(Upstream::Up, Some(restored));
        world.run(59);
        assert_eq!((world.incident().cause, world.done()), (Cause::UpstreamDown, vec![]));
        world.run(1);
        assert_eq!((world.incident().cause, world.incident().level), (Cause::Zombie, 1));
        world.run(300);
        assert_eq!(world.rungs(), [(1, 60.0), (2, 180.0), (3, 300.0)]);
    }
}

#[test]
fn the_streamer_has_its_turn_when_the_link_is_back_before_anything_is_asked_for_again() {
    let mut world = World::new();
    world.silence(&[MNQ_TRADES], 100);
    world.upstream(Upstream::Up, Some(Restored::Maintained));
    world.run(89);
    assert_eq!(world.done(), []);
    world.run(1);
    assert_eq!(world.done(), [(90.0, ActionKind::RestartStreams)]);
}

#[test]
fn a_tick_after_the_link_came_back_ends_its_evidence() {
    let mut world = World::new();
    world.upstream(Upstream::Down, None);
    world.silence_all(0);
    world.run(100);
    world.upstream(Upstream::Up, Some(Restored::Lost));
    world.flow_all();
    world.run(100);
    assert!(world.status.incidents.is_empty());
    world.silence_all(60);
    assert_eq!(world.look().cause, Some(Cause::Zombie));
}

// Zombie

#[test]
fn a_thin_contract_alone_shifts_the_ladder_of_its_session() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(360));
    world.state(&[MNQ_QUOTES, MNQ_TRADES], StreamState::Idle);
    world.silence(&[BTC_QUOTES], 360);
    world.run(485);
    assert_eq!(world.incident().cause, Cause::Zombie);
    // Whether level 2 helped can show for 360 s.
    assert_eq!(world.rungs(), [(1, 360.0), (2, 480.0), (3, 840.0)]);
}

#[test]
fn quiet_and_halted_streams_lack_nothing() {
    let mut world = World::new();
    world.state(&ALL, StreamState::Quiet);
    world.state(&[BTC_QUOTES], StreamState::Halted);
    world.run(3600);
    assert_eq!((world.status.health, world.status.level), (Some(Health::Healthy), Some(0)));
    assert!(world.notices.is_empty());
}

#[test]
fn a_stream_that_is_known_to_be_quiet_is_no_fault_any_more() {
    let mut world = World::new();
    world.silence(&[BTC_QUOTES], 60);
    world.run(100);
    world.state(&[BTC_QUOTES], StreamState::Quiet);
    world.run(11);
    assert!(world.status.incidents.is_empty());
}

// Pacing

#[test]
fn nothing_is_asked_for_while_requests_pause() {
    let mut world = World::new();
    world.reject(&ALL, PACING.0, PACING.1);
    world.pause(600);
    world.run(599);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::Pacing, 0));
    assert!(world.actions.is_empty() && world.notices.is_empty());
}

#[test]
fn a_pause_holds_levels_2_and_3_of_every_cause() {
    let mut world = World::new();
    world.pause(600);
    world.silence_all(60);
    world.run(599);
    assert_eq!((world.incident().cause, world.levels()), (Cause::Zombie, vec![1]));
    world.run(1);
    assert_eq!(world.done()[0], (600.0, ActionKind::RestartStreams));
}

#[test]
fn a_pause_holds_no_roll_that_is_refused_nor_the_call_behind_it() {
    let mut world = World::new().live(CommandPort::Down);
    world.socket(SocketState::Refused);
    world.pause(700);
    world.run(601);
    assert_eq!(world.rungs(), [(1, 60.0), (3, 300.0), (4, 600.0)]);
    assert!(world.told("RollRefused") && world.actions.is_empty());
}

#[test]
fn what_follows_a_pause_has_a_clock_of_its_own() {
    let mut world = World::new();
    world.reject(&ALL, PACING.0, PACING.1);
    world.pause(600);
    world.run(600);
    world.silence_all(600);
    assert_eq!((world.look().cause, world.incident().level), (Some(Cause::Zombie), 0));
    world.run(59);
    assert_eq!(world.incident().level, 0);
}

#[test]
fn refusals_for_pacing_without_end_call_a_person_in_the_end() {
    let mut world = World::new();
    world.reject(&ALL, PACING.0, PACING.1);
    world.run(3600 + 601);
    assert_eq!(world.rungs(), [(1, 3660.0), (4, 4200.0)]);
    assert!(world.actions.is_empty());
}

// The order of the table

#[test]
fn the_first_cause_of_the_table_wins() {
    let mut world = World::new();
    world.silence_all(60);
    assert_eq!(world.look().cause, Some(Cause::Zombie));
    world.upstream(Upstream::Down, None);
    assert_eq!(world.look().cause, Some(Cause::UpstreamDown));
    world.socket(SocketState::ProbeTimeout);
    assert_eq!(world.look().cause, Some(Cause::GatewayHung));
    world.socket(SocketState::Connected);
    world.socket(SocketState::Refused);
    assert_eq!(world.look().cause, Some(Cause::GatewayDown));
    world.login(LoginState::ExistingSession);
    assert_eq!(world.look().cause, Some(Cause::CompetingSession));
    world.login(LoginState::Failed);
    assert_eq!(world.look().cause, Some(Cause::AuthRequired));
    // Without an incident of the data that waits beside it.
    for (reporting, cause) in [(true, Cause::StorageFull), (false, Cause::NotReporting)] {
        world.status.incidents.clear();
        world.storage(false);
        world.reporting = reporting;
        world.run(60);
        assert_eq!(world.incident().cause, cause);
    }
}
