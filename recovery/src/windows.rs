//! Maintenance windows: IBKR's nightly resets, the gateway's daily restart, and the user's own. An outage in a window is
//! expected, so resets and Critical wait for its end.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};
use marketstream_crds::{Day, MaintenanceWindow, MarketStreamSpec};

use crate::{
    hours,
    policy::{Policy, Region},
    view::after,
};

/// Nobody waits longer than this for a window's end: every weekly one has come by then.
const HORIZON: Duration = Duration::from_secs(8 * 24 * 3600);
/// Days that are looked at: the horizon, and as much for a window that began before.
const MAX_DAYS: usize = 2 * 8;

/// A stretch of time without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    since: Timestamp,
    until: Timestamp,
}

/// A recurring window.
#[derive(Clone, Debug)]
struct Window {
    zone: TimeZone,
    days: Vec<Day>,
    start: civil::Time,
    duration: Duration,
}

/// The windows of one MarketStream. Each counts until the margin after its end.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    windows: Vec<Window>,
    margin: Duration,
}

impl Windows {
    pub(crate) fn new(spec: &MarketStreamSpec, policy: &Policy) -> Self {
        let region = Region::of(spec);
        let resets = policy.resets.iter().filter(|reset| reset.region == region).map(|reset| &reset.window);
        let windows =
            spec.maintenance_windows.iter().chain(resets).filter_map(Window::read).chain(restart(spec, policy));
        Self { windows: windows.collect(), margin: policy.window_margin.get() }
    }

    /// From when on something may be done that was due at `due` and is not done at `now`: the end of the windows that lie
    /// in between, or of those that `due` lies in.
    pub(crate) fn release(&self, due: Timestamp, now: Timestamp) -> Timestamp {
        let mut released = due;
        // Windows that overlap or follow each other closely are passed one by one; some may leave no gap at all.
        let horizon = after(now.max(due), HORIZON);
        while released < horizon {
            let stretches = self.between(released, now.max(released));
            let Some(until) = stretches.iter().map(|stretch| stretch.until).max() else { break };
            released = until;
        }
        released
    }

    /// The moment at which `span` has passed since `from` outside of all windows.
    pub(crate) fn outside(&self, from: Timestamp, span: Duration) -> Timestamp {
        let (mut at, mut left) = (from, span);
        let horizon = after(from, HORIZON);
        while at < horizon {
            let Some(window) = self.between(at, after(at, left)).into_iter().next() else { break };
            let free = window.since.duration_since(at);
            if !free.is_negative() {
                if free.unsigned_abs() >= left {
                    break;
                }
                left -= free.unsigned_abs();
            }
            at = at.max(window.until);
        }
        after(at, left)
    }

    /// Windows, their margin included, that overlap `from..=to`, in order.
    fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Stretch> {
        let stretches = self.windows.iter().flat_map(|window| window.between(from, to, self.margin));
        let mut stretches: Vec<Stretch> = stretches.collect();
        stretches.sort_by_key(|stretch| stretch.since);
        stretches
    }
}

/// The gateway's own daily restart.
fn restart(spec: &MarketStreamSpec, policy: &Policy) -> Option<Window> {
    let sidecar = spec.gateway.sidecar.as_ref()?;
    let (time, half) = sidecar.auto_restart_time.split_once(' ')?;
    let time = clock(time)?;
    let hour = time.hour() % 12 + if half.eq_ignore_ascii_case("PM") { 12 } else { 0 };
    let (lead, length) = (policy.restart_lead.get(), policy.restart_length.get());
    let start = civil::Time::new(hour, time.minute(), 0, 0).ok()?;
    Some(Window {
        zone: hours::zone(&sidecar.time_zone)?,
        days: vec![],
        start: start.wrapping_sub(lead),
        duration: length,
    })
}

impl Window {
    /// `None` if its texts are none that the API server accepts; the operator names a wrong zone to the user.
    fn read(window: &MaintenanceWindow) -> Option<Self> {
        Some(Self {
            zone: hours::zone(&window.time_zone)?,
            days: window.days.clone(),
            start: clock(&window.start)?,
            duration: window.duration.get(),
        })
    }

    fn between(&self, from: Timestamp, to: Timestamp, margin: Duration) -> Vec<Stretch> {
        let length = (self.duration + margin).min(HORIZON);
        let earliest = from.checked_sub(length).unwrap_or(Timestamp::MIN);
        let first = self.zone.to_datetime(earliest).date();
        let mut found = vec![];
        for date in first.series(1.day()).take(MAX_DAYS).filter(|date| self.on(*date)) {
            let Ok(since) = self.zone.to_timestamp(date.to_datetime(self.start)) else { continue };
            let stretch = Stretch { since, until: after(since, length) };
            if since > to {
                break;
            }
            if stretch.until > from {
                found.push(stretch);
            }
        }
        found
    }

    fn on(&self, date: civil::Date) -> bool {
        let day = match date.weekday() {
            civil::Weekday::Monday => Day::Monday,
            civil::Weekday::Tuesday => Day::Tuesday,
            civil::Weekday::Wednesday => Day::Wednesday,
            civil::Weekday::Thursday => Day::Thursday,
            civil::Weekday::Friday => Day::Friday,
            civil::Weekday::Saturday => Day::Saturday,
            civil::Weekday::Sunday => Day::Sunday,
        };
        self.days.is_empty() || self.days.contains(&day)
    }
}

/// A time of the day, "HH:MM".
fn clock(text: &str) -> Option<civil::Time> {
    let (hour, minute) = text.split_once(':')?;
    civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
