//! What the subcommands do.

use anyhow::Context;
use ib_gateway_sim::{Simulator, prepare};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Prepare, Serve};

/// Exit code after `POST /crash`.
const CRASHED: i32 = 1;

/// Runs the gateway until a signal or a crash.
pub(crate) async fn serve(serve: Serve) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signal handler")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signal handler")?;
    let simulator = Simulator::start(serve.config()?).await?;
    tracing::info!(api = %simulator.api_addr(), admin = %simulator.admin_addr(), "started");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        // No flush, no farewell: as if killed.
        () = simulator.crashed() => std::process::exit(CRASHED),
    }
    simulator.shutdown().await;
    tracing::info!("stopped");
    Ok(())
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
