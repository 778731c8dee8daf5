//! One test for each rule about what comes a step forward, or ends, by itself.

mod world;

use marketstream_crds::{
    ActionKind, Cause, CommandPort, Duration, FarmKind, FarmState, LoginState, Restored, SocketState, StreamState,
    Upstream,
};
use world::{BTC_QUOTES, MNQ_QUOTES, MNQ_TRADES, World};

const ALL: [&str; 3] = [MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES];

// Logins

#[test]
fn a_login_that_another_session_holds_stays_so_while_the_port_is_refused_however_old_the_log() {
    let mut world = World::new().live(CommandPort::Up);
    world.login(LoginState::ExistingSession);
    world.socket(SocketState::Refused);
    world.run(6 * 3600);
    assert_eq!(world.incident().cause, Cause::CompetingSession);
    assert_eq!(world.done(), []);
}

#[test]
fn a_login_that_has_just_completed_is_not_reset_though_a_retry_is_due() {
    let mut world = World::new().live(CommandPort::Up);
    world.login(LoginState::Completed);
    world.socket(SocketState::Refused);
    world.run(3600);
    let before = world.done().len();
    assert!(before > 0);
    world.login(LoginState::Completed);
    world.run(170);
    assert_eq!(world.done().len(), before);
    world.run(3600);
    assert!(world.done().len() > before);
}

#[test]
fn a_gateway_that_starts_again_and_again_is_not_reset_and_a_person_is_called_on_time() {
    let mut world = World::new();
    world.login(LoginState::Completed);
    world.socket(SocketState::Refused);
    for _ in 0..11 {
        world.login(LoginState::Started);
        world.run(60);
    }
    assert_eq!(world.rungs(), [(1, 60.0), (4, 600.0)]);
    assert_eq!(world.done(), []);
}

#[test]
fn a_gateway_that_starts_while_the_link_is_down_is_not_to_blame() {
    let mut world = World::new();
    world.login(LoginState::Completed);
    world.upstream(Upstream::Down, None);
    world.silence_all(0);
    world.run(120);
    world.socket(SocketState::Refused);
    world.run(30);
    world.login(LoginState::Started);
    world.run(1500);
    assert_eq!((world.incident().cause, world.rungs()), (Cause::UpstreamDown, vec![(1, 60.0), (4, 600.0)]));
    assert_eq!(world.done(), []);
    // Logged in, and the port stays closed: that is the gateway's fault, from now on.
    world.login(LoginState::Completed);
    world.run(1);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::GatewayDown, 0));
}

#[test]
fn a_lost_link_is_remembered_though_the_gateway_went_down_before_anything_was_stale() {
    let mut world = World::new();
    world.login(LoginState::Completed);
    world.upstream(Upstream::Down, None);
    world.run(5);
    world.socket(SocketState::Refused);
    world.login(LoginState::Started);
    world.run(1500);
    assert_eq!((world.incident().cause, world.done()), (Cause::UpstreamDown, vec![]));
}

#[test]
fn a_gateway_that_does_not_start_while_the_link_is_down_is_to_blame_after_three_minutes() {
    let mut world = World::new();
    world.upstream(Upstream::Down, None);
    world.silence_all(0);
    world.run(120);
    world.socket(SocketState::Refused);
    world.run(179);
    assert_eq!(world.incident().cause, Cause::UpstreamDown);
    world.run(1);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::GatewayDown, 0));
}

#[test]
fn a_gateway_that_goes_down_after_its_client_ids_were_taken_has_a_clock_of_its_own() {
    let mut world = World::new();
    world.login(LoginState::Completed);
    world.socket(SocketState::ClientIdInUse);
    world.run(900);
    assert_eq!((world.incident().cause, world.incident().level), (Cause::ClientIdInUse, 4));
    world.socket(SocketState::Refused);
    world.run(299);
    assert_eq!((world.incident().cause, world.done()), (Cause::GatewayDown, vec![]));
    world.run(2);
    assert_eq!(world.done().len(), 1);
}

// Sessions

#[test]
fn a_session_that_came_up_by_itself_has_a_minute_for_its_streams() {
    let mut world = World::new();
    world.login(LoginState::Completed);
    world.socket(SocketState::ProbeTimeout);
    world.run(299);
    world.socket(SocketState::Connected);
    world.silence_all(360);
    world.run(59);
    assert_eq!((world.incident().cause, world.done()), (Cause::Zombie, vec![]));
    world.run(2);
    assert_eq!(world.done()[0].1, ActionKind::RestartStreams);
}

#[test]
fn streams_of_a_new_session_are_not_missed_before_they_could_be_stale() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(900));
    world.socket(SocketState::Closed);
    world.run(400);
    let rungs = world.rungs();
    world.state(&[MNQ_QUOTES, MNQ_TRADES], StreamState::Idle);
    world.quiet(BTC_QUOTES, 0);
    world.state(&[BTC_QUOTES], StreamState::Pending);
    world.socket(SocketState::Connected);
    world.run(899);
    assert_eq!(world.rungs(), rungs, "a thin contract has nothing to say yet");
    world.run(2);
    assert!(world.rungs().len() > rungs.len());
}

#[test]
fn a_thin_sibling_that_ticked_last_shows_how_long_the_session_lived() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(3600));
    world.silence(&[MNQ_QUOTES, MNQ_TRADES], 300);
    world.quiet(BTC_QUOTES, 150);
    world.run(89);
    assert_eq!(world.rungs(), [(1, 150.0), (2, 180.0)], "the others are silent for 300 s and more");
}

#[test]
fn a_stream_that_follows_its_siblings_by_a_moment_is_no_fault_of_its_own() {
    // By itself, and after the whole session was asked for again.
    for (silent, moment) in [(30, 9), (125, 40)] {
        let mut world = World::new();
        world.silence_all(60);
        world.run(silent);
        let told = world.notices.len();
        world.flow(&[MNQ_QUOTES, MNQ_TRADES]);
        world.run(moment);
        world.flow(&[BTC_QUOTES]);
        world.run(20);
        assert!(world.status.incidents.is_empty(), "{:#?}", world.status.incidents);
        let history: Vec<Cause> = world.status.history.iter().map(|incident| incident.cause).collect();
        assert_eq!(history, [Cause::Zombie]);
        let later: Vec<&str> = world.notices[told..].iter().map(|(_, notice)| notice.reason).collect();
        assert_eq!(later, ["Recovered"]);
    }
}

#[test]
fn a_stream_that_does_not_follow_its_siblings_keeps_the_clock_of_its_silence() {
    let mut settled = World::new();
    settled.silence_all(60);
    settled.run(30);
    settled.flow(&[MNQ_QUOTES, MNQ_TRADES]);
    settled.run(600);
    let incident = settled.incident_with(BTC_QUOTES);
    assert_eq!((incident.cause, incident.level), (Cause::StreamSilent, 4));
    // Warned of when the session's incident had settled, 100 s after its last tick; the rest as if it had been alone.
    assert_eq!(settled.rungs()[..3], [(1, 100.0), (2, 180.0), (2, 300.0)]);
    let mut asked = World::new();
    asked.silence_all(60);
    asked.run(125);
    asked.flow(&[MNQ_QUOTES, MNQ_TRADES]);
    asked.run(480);
    // Its session's new requests, 180 s after its last tick, were its own, too: their effect is awaited first.
    assert_eq!(asked.rungs(), [(1, 240.0), (2, 240.0), (2, 360.0), (4, 600.0)]);
}

// The link to IBKR

#[test]
fn no_stream_is_asked_for_while_the_link_to_ibkr_is_down() {
    let mut world = World::new();
    world.silence(&[MNQ_TRADES], 170);
    world.upstream(Upstream::Down, None);
    world.run(300);
    assert_eq!(world.restarts(), []);
}

#[test]
fn a_link_that_was_lost_late_in_an_incident_has_its_own_half_hour() {
    let mut world = World::new();
    world.socket(SocketState::ClientIdInUse);
    world.run(1700);
    world.silence_all(1700);
    world.socket(SocketState::Connected);
    world.upstream(Upstream::Down, None);
    world.run(1790);
    assert_eq!((world.incident().cause, world.done()), (Cause::UpstreamDown, vec![]));
    // Back in the last moment: no reset comes for that, either.
    world.upstream(Upstream::Up, Some(Restored::Maintained));
    world.run(30);
    assert_eq!(world.done(), []);
}

#[test]
fn a_farm_that_is_down_keeps_a_silent_session_from_being_reset() {
    let mut world = World::new();
    world.silence_all(300);
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    world.run(3600);
    assert_eq!(world.incident().cause, Cause::Zombie);
    assert!(world.done().iter().all(|(_, kind)| *kind == ActionKind::RestartStreams), "{:?}", world.done());
    assert_eq!(world.incident().level, 4);
}

#[test]
fn level_2_waits_for_the_streamer_after_a_farm_is_back_and_not_after_a_session_names_its_farms() {
    for (told, restarted) in [(0, 60.0), (20, 110.0)] {
        let mut world = World::new();
        world.spec.recovery.warn_after = Duration::from_secs(10);
        world.spec.recovery.restart_streams_after = Duration::from_secs(20);
        world.socket(SocketState::Refused);
        world.socket(SocketState::Connected);
        world.silence_all(0);
        world.run(told);
        world.farm("usfuture", FarmKind::MarketData, FarmState::Ok);
        world.run(200);
        assert_eq!(world.done().first(), Some(&(restarted, ActionKind::RestartStreams)), "told after {told} s");
    }
}

#[test]
fn level_3_waits_for_the_streamer_after_a_farm_is_back_and_nobody_is_called_later_for_it() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(200);
    for _ in 0..10 {
        // It breaks and comes back again and again.
        world.farm("hfarm", FarmKind::MarketData, FarmState::Broken);
        world.run(20);
        world.farm("hfarm", FarmKind::MarketData, FarmState::Ok);
        world.run(20);
    }
    assert_eq!((world.rungs(), world.rolls()), (vec![(1, 60.0), (2, 180.0), (4, 600.0)], 0));
    world.run(71);
    assert_eq!(world.rolls(), 1, "90 s after its last return");
}

#[test]
fn a_reset_waits_for_a_pending_stream_while_the_others_are_silent_for_reasons_of_their_own() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(900));
    world.socket(SocketState::Closed);
    world.run(200);
    world.socket(SocketState::Connected);
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    ALL.iter().for_each(|key| world.quiet(key, 0));
    world.state(&ALL, StreamState::Pending);
    world.run(60);
    world.silence(&[MNQ_QUOTES, MNQ_TRADES], 60);
    world.run(600);
    assert_eq!(world.done(), [], "the session may be well: {:#?}", world.status.incidents);
}

#[test]
fn what_waits_under_a_silent_pod_goes_on_with_its_clock_and_its_rungs() {
    let mut world = World::new();
    world.reject(&ALL, 10197, "No market data during competing live session");
    world.run(300);
    world.reporting = false;
    world.run(100);
    assert_eq!(world.status.incidents.len(), 2);
    world.reporting = true;
    world.run(202);
    assert_eq!((world.incident().cause, world.rungs()), (Cause::CompetingSession, vec![(1, 60.0), (4, 600.0)]));
}

#[test]
fn a_farm_that_broke_explains_the_silence_that_a_lost_link_began() {
    let mut world = World::new();
    world.upstream(Upstream::Down, None);
    world.silence_all(0);
    world.run(600);
    world.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    world.upstream(Upstream::Up, Some(Restored::Maintained));
    world.run(3600);
    assert!(world.status.incidents.iter().all(|incident| incident.cause == Cause::FarmDown), "{:#?}", world.status);
    assert!(world.done().iter().all(|(_, kind)| *kind == ActionKind::RestartStreams), "{:?}", world.done());
}

// Clocks of streams

#[test]
fn a_refused_thin_contract_is_told_at_once_and_delays_nobody() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(900));
    world.reject(&ALL, 354, "Requested market data is not subscribed.");
    world.run(601);
    for incident in &world.status.incidents {
        let rungs: Vec<_> = incident.rungs.iter().map(|rung| rung.level).collect();
        assert_eq!((incident.cause, rungs), (Cause::NotEntitled, vec![1, 4]));
    }
}

#[test]
fn streams_with_different_patience_have_incidents_of_their_own() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(900));
    world.silence(&[MNQ_TRADES, BTC_QUOTES], 900);
    world.run(1);
    assert_eq!(world.incident_with(MNQ_TRADES).streams, [MNQ_TRADES]);
    assert_eq!(world.incident_with(BTC_QUOTES).streams, [BTC_QUOTES]);
}

#[test]
fn a_thin_contract_is_asked_for_again_no_sooner_than_it_could_show_that_it_helped() {
    let mut world = World::new();
    world.contract("btc").stale_after = Some(Duration::from_secs(360));
    world.silence(&[BTC_QUOTES], 360);
    world.run(1200);
    let times: Vec<f64> = world.restarts().iter().map(|(at, _)| *at).collect();
    assert_eq!(times[0], 120.0);
    assert!(times[1] - times[0] >= 360.0, "{times:?}");
}

#[test]
fn what_follows_a_full_volume_or_a_silent_pod_has_the_clock_of_its_own_silence() {
    let mut full = World::new();
    full.storage(false);
    full.run(200);
    full.silence_all(60);
    full.run(50);
    full.storage(true);
    full.run(1);
    assert_eq!((full.incident().cause, full.rungs()), (Cause::Zombie, vec![(1, 110.0)]));
    let mut silent = World::new();
    silent.reporting = false;
    silent.run(300);
    silent.reporting = true;
    silent.silence_all(60);
    silent.run(16);
    assert_eq!((silent.incident().cause, silent.incident().level), (Cause::Zombie, 1));
}

// A new operator

#[test]
fn nobody_is_called_for_reports_that_a_new_operator_has_not_waited_for_itself() {
    for returns in [true, false] {
        let mut world = World::new();
        world.reporting = false;
        world.run(500);
        assert_eq!((world.incident().cause, world.incident().level), (Cause::NotReporting, 1));
        // Another operator takes over when Critical is overdue.
        world.paused = true;
        world.run(200);
        world.paused = false;
        world.restart_operator();
        world.run(2);
        assert_eq!(world.incident().level, 1);
        world.reporting = returns;
        world.run(50);
        assert_eq!(world.told("Critical"), !returns);
    }
}

#[test]
fn nobody_is_called_on_a_report_of_unknown_age() {
    let mut world = World::new();
    world.reject(&[BTC_QUOTES], 200, "No security definition has been found for the request");
    world.run(590);
    world.confirmed = false;
    world.run(60);
    assert_eq!(world.rungs(), [(1, 60.0)]);
    world.confirmed = true;
    world.run(15);
    assert_eq!(world.incident().level, 4);
}
