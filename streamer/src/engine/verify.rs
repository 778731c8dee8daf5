//! After a farm or the link to IBKR has come back: do ticks come again, as the notice says they do?

use std::time::Duration;

use marketstream_crds::Session;

use super::Engine;
use crate::{clock::Now, plan::StreamKey};

/// Notices come in bursts; the last one counts.
const SETTLE: Duration = Duration::from_secs(10);
/// What has not ticked within this time of an open market is asked for again.
const PATIENCE: Duration = Duration::from_secs(30);

impl Engine {
    /// Something was restored at `now`.
    pub(super) fn verify_later(&mut self, now: Duration) {
        self.restored = Some(now);
        self.verify = Some((now, now + SETTLE + PATIENCE));
    }

    /// Asks again for the streams that have been silent since. Returns when that is due.
    pub(super) fn verify_if_due(&mut self, now: Now) -> Option<Duration> {
        let (restored, due) = self.verify?;
        if now.mono < due {
            return Some(due);
        }
        self.verify = None;
        self.restart_silent_lines(restored, now.mono);
        let silent: Vec<StreamKey> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.is_running() && stream.verdict.session != Session::Closed)
            .filter(|(_, stream)| stream.pulse.last_tick().is_none_or(|tick| tick < restored))
            .map(|(key, _)| key.clone())
            .collect();
        for key in silent {
            tracing::info!(stream = %key, "silent since the link was restored; asking for it again");
            self.restart(&key, now.mono);
        }
        None
    }
}
