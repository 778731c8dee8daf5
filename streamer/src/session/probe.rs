//! Is the gateway still there? The library cannot tell a silent peer from a quiet one (measured), so it is asked for
//! the time, which tells the drift of the clocks, too.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ibapi::{Client, Error};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{clock::Clock, drift::Sample, facts::Counters};

/// Unanswered probes in a row that mean the gateway hangs.
const MISSES: u32 = 2;

/// Probes until [`MISSES`] probes in a row stay unanswered while no other frame came (`last_frame` tells when the last
/// one did). When the client says that the session is gone it waits for ever: the engine hears of that elsewhere.
pub async fn run(
    client: Arc<Client>,
    mut interval: watch::Receiver<Duration>,
    clock: Clock,
    counters: Arc<Counters>,
    last_frame: impl Fn() -> Option<Duration>,
) {
    let mut misses = 0;
    loop {
        let pause = *interval.borrow_and_update();
        // After a miss the next probe follows at once: the pause was the wait for the answer.
        if misses == 0 {
            match tokio::time::timeout(pause, interval.changed()).await {
                Err(_) => {}
                // Another pause begins.
                Ok(Ok(())) => continue,
                // The session is over, and this with it.
                Ok(Err(_)) => std::future::pending().await,
            }
        }
        let asked = clock.mono();
        match tokio::time::timeout(pause, client.server_time_millis()).await {
            Ok(Ok(told)) => {
                let now = clock.now();
                let micros = now.mono.saturating_sub(asked).as_micros();
                counters.probe_micros.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
                let told = i64::try_from(told.unix_timestamp_nanos().div_euclid(1_000_000));
                if let Some(told) = told.ok().and_then(|told| Timestamp::from_millisecond(told).ok()) {
                    counters.drift.sample(Sample::new(asked, now.mono, now.wall, told));
                }
                misses = 0;
            }
            // An unrelated error is fanned out to whoever asks just then (measured): a frame came, so it is alive.
            Ok(Err(Error::Notice(_))) => misses = 0,
            Ok(Err(Error::Timeout)) | Err(_) => misses += 1,
            Ok(Err(_)) => std::future::pending().await,
        }
        if misses > 0 && last_frame().is_some_and(|frame| frame >= asked) {
            misses = 0;
        }
        if misses >= MISSES {
            return;
        }
    }
}
