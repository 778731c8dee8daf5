//! One test for each rule about actions: which, on what, with which client ID, and when none.

mod world;

use marketstream_crds::{
    ActionKind::{RestartStreams, RollPod},
    Cause, Duration, FarmKind, FarmState, LoginState, Session, SocketState, StreamState,
};
use world::{BTC_QUOTES, MNQ_QUOTES, MNQ_TRADES, World};

#[test]
fn after_critical_what_was_tried_last_comes_second() {
    // Level 3 was not allowed before, since a farm was down: it is the first to be tried when the farm is back.
    let mut farm = World::new();
    farm.silence_all(300);
    farm.farm("usfuture", FarmKind::MarketData, FarmState::Broken);
    farm.run(300);
    assert_eq!((farm.incident().cause, farm.levels()), (Cause::Zombie, vec![1, 2, 4]));
    farm.farm("usfuture", FarmKind::MarketData, FarmState::Ok);
    farm.run(300);
    let kinds: Vec<_> = farm.done().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [RestartStreams, RollPod]);
    // Level 3 was the last before: level 2 comes first.
    let mut reset = World::new();
    reset.silence_all(60);
    reset.run(1000);
    let kinds: Vec<_> = reset.done().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [RestartStreams, RollPod, RestartStreams]);
}

#[test]
fn after_critical_what_is_not_allowed_is_left_out() {
    let mut world = World::new();
    world.login(LoginState::Completed);
    world.socket(SocketState::Closed);
    world.run(3 * 3600);
    assert!(world.rolls() > 1);
    assert_eq!(world.restarts(), [], "without a session there is nothing to subscribe on");
}

#[test]
fn only_what_is_silent_and_wanted_is_asked_for_when_a_session_is_restarted() {
    let mut world = World::new();
    world.reject(&[MNQ_TRADES], 354, "Requested market data is not subscribed.");
    world.session_of(&[BTC_QUOTES], Session::Closed, StreamState::Idle);
    world.silence(&[MNQ_QUOTES], 60);
    world.run(180);
    assert_eq!(world.restarts()[0].1, [MNQ_QUOTES]);
}

#[test]
fn a_reset_takes_the_client_id_after_the_one_in_use() {
    let mut world = World::new();
    // Level 3 comes between two reports.
    world.spec.recovery.monitor_interval = Duration::from_secs(35);
    world.silence_all(65);
    world.run(234);
    // After an error 326 the streamer went on to another ID by itself.
    world.status.streamer.as_mut().unwrap().client_id = 855;
    world.run(1);
    assert_eq!((world.rolls(), world.status.client_id), (1, Some(856)));
}

#[test]
fn a_pool_of_client_ids_that_moved_away_is_followed() {
    let mut world = World::new();
    assert_eq!(world.look().client_id, 851);
    world.spec.gateway.client_id.base = 900;
    assert_eq!(world.look().client_id, 900);
}

#[test]
fn nothing_is_done_to_a_pod_that_is_being_deleted() {
    let mut world = World::new();
    world.pod.as_mut().unwrap().deleting = true;
    world.silence_all(60);
    world.run(600);
    assert_eq!(world.done(), []);
    world.pod.as_mut().unwrap().deleting = false;
    world.run(1);
    assert!(!world.done().is_empty());
}

#[test]
fn a_roll_that_was_written_and_is_needed_no_more_is_not_done() {
    let mut world = World::new();
    world.silence_all(60);
    world.run(240);
    let decided = world.status.action.clone().unwrap();
    assert_eq!(decided.kind, RollPod);
    // The operator died after the write; when it is back, the pod still stands and data flow.
    world.pod = Some(marketstream_recovery::Pod {
        uid: decided.pod_uid,
        seen: world.now,
        running: Some(world.now),
        deleting: false,
        waiting: None,
    });
    world.deletes.clear();
    world.flow_all();
    assert_eq!(world.look().delete_pod, None);
    world.run(60);
    assert_eq!(world.deletes, []);
}
