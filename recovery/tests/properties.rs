//! What must hold in every history.

mod world;

use marketstream_crds::{ActionKind, Cause, Session, SocketState, StreamState};
use proptest::prelude::*;
use world::{BTC_QUOTES, MNQ_QUOTES, MNQ_TRADES, World};

const STREAMS: [&str; 3] = [MNQ_QUOTES, MNQ_TRADES, BTC_QUOTES];

#[derive(Clone, Copy, Debug)]
enum Step {
    Silence(usize),
    SilenceAll,
    Flow(usize),
    FlowAll,
    Compete,
    Refuse(usize),
    Socket(SocketState),
    Close,
    Report(bool),
    Pause(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let states = [
        SocketState::Connected,
        SocketState::Refused,
        SocketState::Closed,
        SocketState::NoHandshake,
        SocketState::ProbeTimeout,
        SocketState::ClientIdInUse,
    ];
    prop_oneof![
        2 => (0..3_usize).prop_map(Step::Silence),
        2 => Just(Step::SilenceAll),
        2 => (0..3_usize).prop_map(Step::Flow),
        1 => Just(Step::FlowAll),
        1 => Just(Step::Compete),
        1 => (0..3_usize).prop_map(Step::Refuse),
        2 => prop::sample::select(states.to_vec()).prop_map(Step::Socket),
        1 => Just(Step::Close),
        1 => any::<bool>().prop_map(Step::Report),
        1 => any::<bool>().prop_map(Step::Pause),
        6 => (1..900_u64).prop_map(Step::Wait),
    ]
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Silence(index) => world.silence(&[STREAMS[index]], 60),
        Step::SilenceAll => world.silence_all(60),
        Step::Flow(index) => world.flow(&[STREAMS[index]]),
        Step::FlowAll => world.flow_all(),
        Step::Compete => world.reject(&STREAMS, 10197, "No market data during competing live session"),
        Step::Refuse(index) => world.reject(&[STREAMS[index]], 200, "No security definition has been found"),
        Step::Socket(state) => world.socket(state),
        Step::Close => world.session(Session::Closed, StreamState::Idle),
        Step::Report(reporting) => world.reporting = reporting,
        Step::Pause(paused) => world.paused = paused,
        Step::Wait(seconds) => world.run(seconds),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_history_keeps_the_rules(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in steps {
            take(&mut world, step);
            let decision = world.look();
            for incident in decision.incidents.iter().chain(&decision.history) {
                for rung in &incident.rungs {
                    prop_assert!(rung.time >= rung.due_time, "early: {incident:#?}");
                }
            }
            let sessions = decision.incidents.iter().filter(|i| i.scope == marketstream_crds::Scope::Session).count();
            prop_assert!(sessions <= 1, "{:#?}", decision.incidents);
            let level = decision.incidents.iter().map(|incident| incident.level).max().unwrap_or(0);
            prop_assert_eq!(decision.level, level);
        }
        for ((_, kind, streams), cause) in world.actions.iter().zip(&world.causes) {
            match kind {
                ActionKind::RestartStreams => {
                    prop_assert!(matches!(cause, Cause::Zombie | Cause::StreamSilent | Cause::Unknown), "{cause}");
                    prop_assert!(!streams.is_empty());
                }
                ActionKind::Reconnect | ActionKind::RestartGateway | ActionKind::RollPod => {
                    prop_assert!(matches!(cause, Cause::Zombie | Cause::GatewayDown | Cause::GatewayHung), "{cause}");
                }
            }
        }
        // Healthy flow always leads back to level 0.
        world.reporting = true;
        world.paused = false;
        world.run(300);
        while world.pod.is_none() {
            world.run(1);
        }
        world.socket(SocketState::Connected);
        world.flow_all();
        world.run(60);
        prop_assert_eq!(world.status.level, Some(0), "{:#?}", world.status.incidents);
        prop_assert!(world.status.incidents.is_empty());
    }

    #[test]
    fn one_bad_stream_changes_nothing_for_the_others(waits in prop::collection::vec(1..600_u64, 1..10)) {
        let mut alone = World::new();
        alone.silence(&[MNQ_TRADES], 60);
        let mut together = World::new();
        together.reject(&[BTC_QUOTES], 200, "No security definition has been found");
        together.silence(&[MNQ_TRADES], 60);
        for wait in waits {
            alone.run(wait);
            together.run(wait);
            prop_assert_eq!(alone.restarts(), together.restarts());
        }
    }
}
