//! A simulator on a thread of its own.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::Context;
use ib_gateway_sim::market::Stream;
use ib_gateway_sim::{Config, Simulator};
use tempfile::TempDir;
use tokio::sync::mpsc as asynchronous;

use crate::cpu;

/// What the thread is asked for, and where the answer goes.
enum Ask {
    Burst(Vec<Stream>, u32, mpsc::Sender<anyhow::Result<()>>),
    CpuTime(mpsc::Sender<anyhow::Result<f64>>),
}

/// A running simulator.
pub(crate) struct Gateway {
    pub(crate) addr: SocketAddr,
    dir: TempDir,
    asks: asynchronous::UnboundedSender<Ask>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Gateway {
    /// Starts one with a state directory of its own.
    pub(crate) fn start(change: impl FnOnce(&mut Config) + Send + 'static) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut config = Config::local(dir.path());
        change(&mut config);
        let (asks, mut asked) = asynchronous::unbounded_channel();
        let (ready, started) = mpsc::channel();
        let thread = std::thread::spawn(move || -> anyhow::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let simulator = Simulator::start(config).await?;
                ready.send(simulator.api_addr())?;
                while let Some(ask) = asked.recv().await {
                    // Whoever asked may have given up.
                    let _ = match ask {
                        Ask::CpuTime(answer) => answer.send(cpu::of_this_thread()).is_ok(),
                        Ask::Burst(streams, ticks, answer) => answer.send(burst(&simulator, &streams, ticks)).is_ok(),
                    };
                }
                simulator.shutdown().await;
                Ok(())
            })
        });
        let addr = started.recv().context("the simulator did not start")?;
        Ok(Self { addr, dir, asks, thread })
    }

    /// Bursts of so many ticks in each of the streams.
    pub(crate) fn burst(&self, streams: &[Stream], ticks: u32) -> anyhow::Result<()> {
        let (answer, result) = mpsc::channel();
        self.asks.send(Ask::Burst(streams.to_vec(), ticks, answer))?;
        result.recv()?
    }

    /// CPU time that it has taken so far, seconds.
    pub(crate) fn cpu_s(&self) -> anyhow::Result<f64> {
        let (answer, result) = mpsc::channel();
        self.asks.send(Ask::CpuTime(answer))?;
        result.recv()?
    }

    /// Stops it, with everything on disk, and returns the directory.
    pub(crate) fn stop(self) -> anyhow::Result<TempDir> {
        let Self { dir, asks, thread, .. } = self;
        drop(asks);
        thread.join().map_err(|_| anyhow::anyhow!("the simulator panicked"))??;
        Ok(dir)
    }
}

fn burst(simulator: &Simulator, streams: &[Stream], ticks: u32) -> anyhow::Result<()> {
    for stream in streams {
        simulator.burst(*stream, ticks)?;
    }
    Ok(())
}
