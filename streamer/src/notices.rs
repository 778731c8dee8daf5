//! What the gateway's notices say about the link to IBKR and its data farms.

use std::{collections::BTreeMap, time::Duration};

use marketstream_crds::{FarmKind, FarmState, FarmStatus, Restored, Upstream, UpstreamStatus};

use crate::status::seconds;

/// Farms that are kept; the resource allows 64. IBKR has about twenty.
const MAX_FARMS: usize = 64;

/// Ticks that come so long after a link was lost were not under way then.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// The link to IBKR, as far as the notices of one API session tell. Times are on the monotonic clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    upstream: Option<(Upstream, Option<Restored>, Duration)>,
    farms: BTreeMap<String, Farm>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Farm {
    kind: FarmKind,
    state: FarmState,
    /// Since when it is usable, or is not.
    since: Duration,
    /// When it was lost, until it is OK again: that it is inactive says nothing of what was asked of it.
    lost: Option<Duration>,
}

/// What a notice asks of the streamer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing.
    None,
    /// IBKR lost all requests (1101): ask for every stream again.
    ResubscribeAll(Outage),
    /// A farm of market data or the link is back, and is said to have kept all requests. Often it has not: look whether
    /// ticks come.
    Verify(Outage),
}

/// A time without a link to IBKR, or without one to a farm of market data, by the gateway's notices. On the monotonic
/// clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the loss was told; when its end was, if that is all that was told.
    pub since: Duration,
    /// When its end was told.
    pub until: Duration,
}

impl Link {
    /// Takes a notice in.
    pub fn apply(&mut self, code: i32, text: &str, now: Duration) -> Demand {
        match code {
            // Repeated many times during one outage; the first one dates it.
            1100 | 2110 => {
                if !self.is_down() {
                    self.upstream = Some((Upstream::Down, None, now));
                }
                Demand::None
            }
            1101 => Demand::ResubscribeAll(self.restored(Restored::Lost, now)),
            1102 => Demand::Verify(self.restored(Restored::Maintained, now)),
            _ => match farm(code).zip(farm_name(text)) {
                Some(((kind, state), name)) => self.farm(name, kind, state, now),
                None => Demand::None,
            },
        }
    }

    fn restored(&mut self, how: Restored, now: Duration) -> Outage {
        let before = self.upstream.replace((Upstream::Up, Some(how), now));
        let since = before.filter(|(state, ..)| *state == Upstream::Down).map_or(now, |(.., since)| since);
        Outage { since, until: now }
    }

    fn farm(&mut self, name: &str, kind: FarmKind, state: FarmState, now: Duration) -> Demand {
        if self.farms.len() >= MAX_FARMS && !self.farms.contains_key(name) {
            return Demand::None;
        }
        let before = self.farms.get(name).copied();
        let same = before.filter(|farm| usable(farm.state) == usable(state));
        let since = same.map_or(now, |farm| farm.since);
        let known = before.and_then(|farm| farm.lost);
        // One that is connected for the first time, or on demand, had nothing to lose.
        let was_ok = before.is_some_and(|farm| farm.state == FarmState::Ok);
        let goes = state == FarmState::Broken || state == FarmState::Connecting && was_ok;
        let lost = known.or(goes.then_some(now)).filter(|_| state != FarmState::Ok);
        self.farms.insert(name.to_owned(), Farm { kind, state, since, lost });
        // No tick comes from the others.
        let back = known.filter(|_| kind == FarmKind::MarketData && state == FarmState::Ok);
        back.map_or(Demand::None, |since| Demand::Verify(Outage { since, until: now }))
    }

    /// When the links were lost that are not back.
    #[must_use]
    pub fn lost(&self) -> Vec<Duration> {
        let farms = self.farms.values().filter(|farm| farm.kind == FarmKind::MarketData);
        let upstream = self.upstream.filter(|(state, ..)| *state == Upstream::Down).map(|(.., since)| since);
        farms.filter_map(|farm| farm.lost).chain(upstream).collect()
    }

    /// Ticks come, the last one at `last`. Those that come so long after the link was lost came over it: the notice of its
    /// return did not reach us. Returns the outage that this ends.
    pub fn flows(&mut self, last: Duration, now: Duration) -> Option<Outage> {
        let (.., since) = self.upstream.filter(|(state, ..)| *state == Upstream::Down)?;
        (last > since + UNDER_WAY).then(|| {
            self.upstream = Some((Upstream::Up, None, now));
            Outage { since, until: now }
        })
    }

    /// Whether a farm of that kind is in that state.
    #[must_use]
    pub fn any(&self, kind: FarmKind, state: FarmState) -> bool {
        self.farms.values().any(|farm| (farm.kind, farm.state) == (kind, state))
    }

    /// The session is gone. That IBKR was out of reach stays the last word until the next session tells otherwise: a
    /// gateway that cannot log in then is not to blame.
    pub fn session_lost(&mut self) {
        self.farms.clear();
        self.upstream = self.upstream.filter(|(state, ..)| *state == Upstream::Down);
    }

    /// Whether the gateway has lost IBKR.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.upstream, Some((Upstream::Down, ..)))
    }

    /// The gateway's link to IBKR as of now.
    #[must_use]
    pub fn upstream(&self, now: Duration) -> Option<UpstreamStatus> {
        let (state, restored, since) = self.upstream?;
        Some(UpstreamStatus { state, for_seconds: seconds(now.saturating_sub(since)), restored })
    }

    /// The data farms by name as of now.
    #[must_use]
    pub fn farms(&self, now: Duration) -> BTreeMap<String, FarmStatus> {
        let status = |farm: &Farm| FarmStatus {
            kind: farm.kind,
            state: farm.state,
            for_seconds: seconds(now.saturating_sub(farm.since)),
        };
        self.farms.iter().map(|(name, farm)| (name.clone(), status(farm))).collect()
    }
}

/// What a notice says of the farm that it names.
fn farm(code: i32) -> Option<(FarmKind, FarmState)> {
    Some(match code {
        2103 => (FarmKind::MarketData, FarmState::Broken),
        2104 => (FarmKind::MarketData, FarmState::Ok),
        2105 => (FarmKind::History, FarmState::Broken),
        2106 => (FarmKind::History, FarmState::Ok),
        2107 => (FarmKind::History, FarmState::Inactive),
        2108 => (FarmKind::MarketData, FarmState::Inactive),
        2119 => (FarmKind::MarketData, FarmState::Connecting),
        2157 => (FarmKind::Definitions, FarmState::Broken),
        2158 => (FarmKind::Definitions, FarmState::Ok),
        _ => return None,
    })
}

fn usable(state: FarmState) -> bool {
    matches!(state, FarmState::Ok | FarmState::Inactive)
}

/// The farm's name is what stands behind the last colon: "Market data farm connection is OK:usfarm.nj". 2107 and 2108
/// end in a sentence and a full stop.
fn farm_name(text: &str) -> Option<&str> {
    let name = text.rsplit(':').next()?.trim().trim_end_matches('.');
    let word = !name.is_empty() && name.len() <= 63 && !name.contains(char::is_whitespace);
    (word && name.len() < text.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: fn(u64) -> Duration = Duration::from_secs;

    fn outage(since: u64, until: u64) -> Outage {
        Outage { since: T(since), until: T(until) }
    }

    #[test]
    fn connectivity_to_ibkr() {
        let mut link = Link::default();
        let upstream = |link: &Link| link.upstream(T(100)).map(|up| (up.state, up.restored, up.for_seconds));
        let lost = "Connectivity between IB and Trader Workstation has been lost.";
        assert_eq!(link.apply(1100, lost, T(10)), Demand::None);
        link.apply(1100, lost, T(40));
        assert_eq!(upstream(&link), Some((Upstream::Down, None, 90.0)), "a repeat is no new outage");
        link.session_lost();
        assert!(link.is_down(), "the last word stands until the next session");
        let text = "restored - data maintained. All data farms are connected: usfarm";
        assert_eq!(link.apply(1102, text, T(60)), Demand::Verify(outage(10, 60)));
        assert_eq!(upstream(&link), Some((Upstream::Up, Some(Restored::Maintained), 40.0)));
        link.apply(2110, "Connectivity between Trader Workstation and server is broken.", T(70));
        assert!(link.is_down());
        assert_eq!(link.apply(1101, "restored - data lost.", T(80)), Demand::ResubscribeAll(outage(70, 80)));
        assert_eq!(upstream(&link), Some((Upstream::Up, Some(Restored::Lost), 20.0)));
        assert_eq!(link.apply(1102, text, T(90)), Demand::Verify(outage(90, 90)), "its beginning was not told");
        link.session_lost();
        assert_eq!(link, Link::default());
    }

    #[test]
    fn ticks_that_go_on_show_that_the_return_of_the_link_was_not_told() {
        let mut link = Link::default();
        assert_eq!(link.flows(T(50), T(50)), None);
        link.apply(1100, "lost", T(10));
        assert_eq!(link.lost(), [T(10)]);
        assert_eq!(link.flows(T(15), T(60)), None, "it was under way");
        assert_eq!(link.flows(T(21), T(22)), Some(outage(10, 22)));
        assert!(!link.is_down() && link.lost().is_empty());
        assert_eq!(link.upstream(T(30)).map(|up| (up.state, up.restored)), Some((Upstream::Up, None)));
        assert_eq!(link.flows(T(40), T(40)), None);
    }

    #[test]
    fn farms_by_name() {
        let mut link = Link::default();
        let mut notice = |code, text: &str, at| link.apply(code, text, T(at));
        notice(2104, "Market data farm connection is OK:usfarm.nj", 1);
        notice(2103, "Market data farm connection is broken:usfuture", 2);
        notice(2108, "Market data farm connection is inactive but should be available upon demand.:usopt", 3);
        notice(2119, "Market data farm is connecting:eufarm", 4);
        notice(2119, "Market data farm is connecting:usfuture", 5);
        notice(2105, "HMDS data farm connection is broken:ushmds", 6);
        notice(2157, "Sec-def data farm connection is broken:secdefnj", 7);
        assert_eq!(notice(2104, "Market data farm connection is OK:usfarm.nj", 8), Demand::None);
        assert_eq!(notice(2103, "Market data farm connection is broken:cashfarm", 9), Demand::None);
        assert_eq!(notice(2104, "Market data farm connection is OK:cashfarm", 10), Demand::Verify(outage(9, 10)));
        notice(2105, "HMDS data farm connection is broken:euhmds", 10);
        assert_eq!(notice(2106, "HMDS data farm connection is OK:euhmds", 10), Demand::None);
        // Nothing is asked of it any more: what was, is lost.
        notice(2103, "Market data farm connection is broken:usopt", 11);
        notice(2108, "Market data farm connection is inactive but should be available upon demand.:usopt", 12);
        let ok = "Market data farm connection is OK:usopt";
        assert_eq!((notice(2104, ok, 13), notice(2104, ok, 13)), (Demand::Verify(outage(11, 13)), Demand::None));
        notice(2104, "no name", 11);
        notice(354, "not a farm:x", 12);
        let farms = link.farms(T(20));
        let farms: Vec<_> =
            farms.iter().map(|(name, farm)| (name.as_str(), farm.kind, farm.state, farm.for_seconds)).collect();
        use FarmKind::{Definitions, History, MarketData};
        let expected = [
            ("cashfarm", MarketData, FarmState::Ok, 10.0),
            ("eufarm", MarketData, FarmState::Connecting, 16.0),
            ("euhmds", History, FarmState::Ok, 10.0),
            ("secdefnj", Definitions, FarmState::Broken, 13.0),
            ("usfarm.nj", MarketData, FarmState::Ok, 19.0),
            // It has been down since it broke, though it is connecting now.
            ("usfuture", MarketData, FarmState::Connecting, 18.0),
            ("ushmds", History, FarmState::Broken, 14.0),
            ("usopt", MarketData, FarmState::Ok, 8.0),
        ];
        assert_eq!(farms, expected);
        // Those of market data that were there before.
        assert_eq!(link.lost(), [T(2)]);
        let ok = "Market data farm connection is OK:eufarm";
        assert_eq!(link.apply(2104, ok, T(21)), Demand::None);
        link.apply(2119, "Market data farm is connecting:eufarm", T(22));
        assert_eq!(link.apply(2104, ok, T(23)), Demand::Verify(outage(22, 23)));
    }
}
