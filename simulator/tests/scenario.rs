//! Scenarios: the examples, and going on after a crash.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ib_gateway_sim::clock::ClockSetting;
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::scenario::{Action, Scenario};
use ib_gateway_sim::{Config, Simulator};
use support::*;

fn example(name: &str) -> Scenario {
    Scenario::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)).unwrap()
}

fn config(dir: &Path, scenario: &Arc<Scenario>) -> Config {
    Config { scenario: Some(scenario.clone()), ..Config::local(dir) }
}

async fn steps(gateway: &Gateway) -> Vec<(u64, String, u64)> {
    let lines = gateway.requests().await;
    let steps = lines.iter().filter(|line| line["event"] == "scenario_step");
    steps
        .map(|step| {
            let number = |field: &str| step[field].as_u64().unwrap();
            (number("line"), step["call"].as_str().unwrap().to_owned(), number("status"))
        })
        .collect()
}

/// Plays a scenario to its end, in as many processes as it takes, and returns its steps.
async fn play(scenario: Scenario) -> Vec<(u64, String, u64)> {
    let scenario = Arc::new(scenario);
    let dir = tempfile::tempdir().unwrap();
    let sim = Simulator::start(config(dir.path(), &scenario)).await.unwrap();
    let mut gateway = Gateway { sim, dir };
    let events = scenario.events.len();
    let gateway = within("the end of the scenario", async move {
        loop {
            let crashed = tokio::time::timeout(Duration::from_millis(20), gateway.sim.crashed()).await.is_ok();
            if crashed {
                let Gateway { sim, dir } = gateway;
                drop(sim);
                let sim = Simulator::start(config(dir.path(), &scenario)).await.unwrap();
                gateway = Gateway { sim, dir };
            }
            let done = std::fs::read(gateway.dir.path().join("scenario.json")).ok();
            let done = done.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
            let finished = done.is_some_and(|progress| progress["done"] == events);
            if finished && steps(&gateway).await.len() == events {
                return gateway;
            }
        }
    })
    .await;
    assert_eq!(gateway.json("GET", "/faults", "").await, serde_json::json!([]));
    let steps = steps(&gateway).await;
    gateway.sim.shutdown().await;
    steps
}

#[tokio::test]
async fn every_example_plays_to_its_end_without_a_failed_step() {
    let mut names: Vec<String> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 10);
    for name in names {
        let mut scenario = example(&name);
        assert!(scenario.description.is_some(), "{name}");
        let at_us = scenario.clock.and_then(|clock| clock.at_us);
        scenario.clock = Some(ClockSetting { at_us, speed: 100.0 });
        let begins = scenario.events.iter().filter(|event| matches!(event.action, Action::Begin { .. })).count();
        let steps = play(scenario).await;
        for (line, call, status) in &steps {
            assert!((200..300).contains(status), "{name}, line {line}: {call}: {status}");
        }
        let begun = steps.iter().filter(|(_, call, _)| call == "POST /faults").count();
        assert_eq!(begun, begins, "{name}");
    }
}

#[tokio::test]
async fn a_crash_is_gone_through_once_and_the_time_line_goes_on() {
    let mut scenario = example("crash.yaml");
    scenario.clock = Some(ClockSetting { speed: 100.0, ..scenario.clock.unwrap() });
    let calls: Vec<String> = play(scenario).await.into_iter().map(|(_, call, _)| call).collect();
    assert_eq!(calls, ["POST /faults", "POST /faults", "POST /crash", "DELETE /faults/1", "GET /status"]);
}

#[tokio::test]
async fn a_step_does_what_it_says_when_it_says() {
    let mut scenario = example("silent-contract.yaml");
    for event in &mut scenario.events {
        event.at /= 4;
    }
    let dir = tempfile::tempdir().unwrap();
    let sim = Simulator::start(config(dir.path(), &Arc::new(scenario))).await.unwrap();
    let gateway = Gateway { sim, dir };
    let client = gateway.client(1).await;
    let mut old = Ticks::subscribe(&client, SIM1, TickType::BidAsk).await;
    let mut other = Ticks::subscribe(&client, SIM2, TickType::BidAsk).await;
    old.flows(SIM1).await;
    within("the begin", async { while steps(&gateway).await.is_empty() {} }).await;
    assert!(old.is_silent(SIM1).await);
    other.flows(SIM2).await;
    within("the end", async { while steps(&gateway).await.len() < 2 {} }).await;
    old.flows(SIM1).await;
}

#[tokio::test]
async fn a_call_that_the_admin_port_does_not_know_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.yaml");
    for (call, expected) in [
        ("{method: GET, path: /nowhere}", "scenario, line 2: admin.path: the admin port has no /nowhere"),
        ("{method: PUT, path: /crash}", "scenario, line 2: admin.method: /crash takes POST, not PUT"),
    ] {
        std::fs::write(&file, format!("steps:\n  - at: 1s\n    admin: {call}\n")).unwrap();
        let scenario = Arc::new(Scenario::load(&file).unwrap());
        let error = Simulator::start(config(dir.path(), &scenario)).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
