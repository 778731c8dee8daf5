//! Clients that this project did not write, unmodified, through every kind of request of a data client: the official
//! Python client (protobuf), `ib_async` (text) and the Rust crate `ibapi` (protobuf). What they receive must be what the
//! journal says, tick for tick.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod check;
mod packages;
mod python;
mod rust;
#[path = "../support/mod.rs"]
mod support;

use support::Gateway;

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_client_works() {
    let gateway = Gateway::start().await;
    let report = python::run(&gateway, "official.py").await;
    check::all(&gateway, &report, 226).await;
    check::start_up(&report);
    check::error(&report, "duplicate id", 102);
    check::milliseconds(&report);
}

#[tokio::test(flavor = "multi_thread")]
async fn ib_async_works() {
    let gateway = Gateway::start().await;
    let report = python::run(&gateway, "ib_async_client.py").await;
    check::all(&gateway, &report, 178).await;
}

/// The script that asks a gateway what had to be guessed knows what this one answers.
#[tokio::test(flavor = "multi_thread")]
async fn the_guesses_are_as_the_script_says() {
    let gateway = Gateway::start().await;
    // The port opens a moment after the start.
    gateway.client(1).await.disconnect().await;
    let output = python::settle(&gateway).await;
    let last = output.lines().last().unwrap_or_default();
    assert!(last.ends_with("questions, 0 answers differ from the simulator's"), "{output}");
}
