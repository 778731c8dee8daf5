//! What the subcommands do.

use std::path::Path;

use anyhow::Context;
use ib_gateway_sim::compare::{self, Expectation, Journal, Recording};
use ib_gateway_sim::scenario::Scenario;
use ib_gateway_sim::{Simulator, prepare};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Compare, Output, Prepare, Serve};

/// Exit code after `POST /crash`.
const CRASHED: i32 = 1;

/// Runs the gateway until a signal or a crash.
pub(crate) async fn serve(serve: Serve) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signal handler")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signal handler")?;
    let simulator = Simulator::start(serve.config()?).await?;
    let (api, admin, commands) = (simulator.api_addr(), simulator.admin_addr(), simulator.command_addr());
    match commands {
        Some(commands) => tracing::info!(%api, %admin, %commands, "started"),
        None => tracing::info!(%api, %admin, "started"),
    }
    let code = tokio::select! {
        _ = terminate.recv() => 0,
        _ = interrupt.recv() => 0,
        code = simulator.ended() => code,
        // No flush, no farewell: as if killed.
        () = simulator.crashed() => std::process::exit(CRASHED),
    };
    simulator.shutdown().await;
    tracing::info!("stopped");
    if code != 0 {
        std::process::exit(code);
    }
    Ok(())
}

/// Reads a scenario and says what is in it.
pub(crate) fn check_scenario(file: &Path) -> anyhow::Result<()> {
    let scenario = Scenario::load(file)?;
    let length = jiff::SignedDuration::try_from(scenario.length())?;
    println!("{}: sound, {} events in {length:#}", file.display(), scenario.events.len());
    Ok(())
}

/// Compares a recording with a journal, prints the outcome, and says whether they are equal.
pub(crate) fn compare(options: &Compare) -> anyhow::Result<bool> {
    let journal = match (&options.journal, &options.admin) {
        (Some(dir), _) => Journal::archive(dir.clone())?,
        (None, address) => Journal::admin(address.as_deref().unwrap_or_default())?,
    };
    let recording = Recording::open(&options.recording)?;
    let expected = Expectation { only_sent: options.only_sent, any_order: options.any_order };
    let outcome = compare::compare(&journal, &recording, (options.from, options.to), expected)?;
    match options.output {
        Output::Table => print!("{}", compare::table(&outcome)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&outcome)?),
    }
    Ok(outcome.equal)
}

/// Makes the recording of BTC/USD and prints what is in it.
pub(crate) fn prepare(files: &Prepare) -> anyhow::Result<()> {
    let facts = prepare::btcusd(&files.orders, &files.trades, &files.out)?;
    println!(
        "{}: {} quotes ({} crossed), {} trades; longest pause between quotes {:.1} s, between trades {:.1} s",
        files.out.display(),
        facts.quotes,
        facts.crossed,
        facts.trades,
        facts.longest_quote_pause_ms as f64 / 1_000.0,
        facts.longest_trade_pause_ms as f64 / 1_000.0,
    );
    Ok(())
}
