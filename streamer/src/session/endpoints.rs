//! Where the gateway may answer, and which client ID to present there.

use std::time::Duration;

use marketstream_crds::{ClientId, Gateway, TradingMode, names};

/// A sidecar shares the pod's loopback address: trying it costs nothing, and each moment without it costs ticks.
const SIDECAR_RETRY: Duration = Duration::from_millis(500);
const LOOPBACK: &str = "127.0.0.1";

/// A host and a port of the TWS API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // An IPv6 address needs brackets before a port.
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Where a gateway may answer, in the order of the manifest; the last good one first.
#[must_use]
pub fn endpoints(gateway: &Gateway, last_good: Option<&Endpoint>) -> Vec<Endpoint> {
    let mut all: Vec<Endpoint> = match (&gateway.sidecar, &gateway.external) {
        (Some(sidecar), _) => {
            let port = match sidecar.trading_mode {
                TradingMode::Paper => names::GATEWAY_PORT_PAPER,
                TradingMode::Live => names::GATEWAY_PORT_LIVE,
            };
            vec![Endpoint { host: LOOPBACK.to_owned(), port }]
        }
        (None, Some(external)) => {
            external.ports.iter().map(|port| Endpoint { host: external.host.clone(), port: *port }).collect()
        }
        (None, None) => Vec::new(),
    };
    all.sort_by_key(|endpoint| Some(endpoint) != last_good);
    all
}

/// Pause between two rounds over all endpoints.
#[must_use]
pub fn retry_pause(gateway: &Gateway) -> Duration {
    if gateway.sidecar.is_some() { SIDECAR_RETRY } else { gateway.reconnect_delay.get() }
}

/// The fields of the manifest that a user looks at when nothing answers.
#[must_use]
pub fn fields(gateway: &Gateway) -> &'static str {
    if gateway.sidecar.is_some() {
        "spec.gateway.sidecar.image"
    } else {
        "spec.gateway.external.host and spec.gateway.external.ports"
    }
}

/// Attempts with one client ID before the next: the gateway may hold the ID of a dead connection for a while.
const ATTEMPTS_PER_ID: u32 = 3;
/// Pause between two attempts with the same ID.
pub const ID_PAUSE: Duration = Duration::from_secs(5);

/// Chooses the client ID of the next session.
#[derive(Debug)]
pub struct ClientIds {
    pool: ClientId,
    /// What the operator, the volume or the manifest says.
    wanted: i32,
    current: i32,
    refusals: u32,
}

impl ClientIds {
    /// The operator's ID if it has spoken, else the one stored on the volume, else the base; always one of the pool.
    #[must_use]
    pub fn new(pool: ClientId, operator: Option<i32>, stored: Option<i32>) -> Self {
        let wanted = operator.or(stored).filter(|id| pool.range().contains(id)).unwrap_or(pool.base);
        Self { pool, wanted, current: wanted, refusals: 0 }
    }

    /// The ID to present.
    #[must_use]
    pub fn current(&self) -> i32 {
        self.current
    }

    /// Takes a changed manifest or the operator's word in. The ID stays as it is unless one of the two changed.
    pub fn update(&mut self, pool: ClientId, operator: Option<i32>) {
        let wanted = operator.unwrap_or(self.wanted);
        let wanted = if pool.range().contains(&wanted) { wanted } else { pool.base };
        if wanted != self.wanted || !pool.range().contains(&self.current) {
            (self.current, self.refusals) = (wanted, 0);
        }
        (self.pool, self.wanted) = (pool, wanted);
    }

    /// The gateway said 326. After three refusals the next ID of the pool is due. Returns the pause before the next
    /// attempt.
    pub fn refused(&mut self) -> Duration {
        self.refusals += 1;
        if self.refusals < ATTEMPTS_PER_ID {
            return ID_PAUSE;
        }
        (self.current, self.refusals) = (self.pool.next(self.current), 0);
        Duration::ZERO
    }

    /// The gateway accepted the ID.
    pub fn accepted(&mut self) {
        self.refusals = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::spec;

    fn external() -> Gateway {
        spec(serde_json::json!({
            "contracts": [{"name": "a", "conId": 1, "ticks": ["Last"]}],
            "gateway": {"external": {"host": "gw", "ports": [7497, 4002]}},
        }))
        .gateway
    }

    #[test]
    fn the_last_good_port_comes_first() {
        let gateway = external();
        let ports = |good: Option<&Endpoint>| -> Vec<u16> {
            endpoints(&gateway, good).iter().map(|endpoint| endpoint.port).collect()
        };
        assert_eq!(ports(None), [7497, 4002]);
        assert_eq!(ports(Some(&Endpoint { host: "gw".to_owned(), port: 4002 })), [4002, 7497]);
        assert_eq!(ports(Some(&Endpoint { host: "old".to_owned(), port: 4002 })), [7497, 4002]);
        assert_eq!(retry_pause(&gateway), Duration::from_secs(5));
    }

    #[test]
    fn a_sidecar_answers_on_loopback_at_its_modes_port() {
        for (mode, address) in [("Paper", "127.0.0.1:4002"), ("Live", "127.0.0.1:4001")] {
            let gateway = spec(serde_json::json!({
                "contracts": [{"name": "a", "conId": 1, "ticks": ["Last"]}],
                "gateway": {"sidecar": {"image": "gw", "tradingMode": mode, "credentialsSecretRef": {"name": "s"}}},
            }))
            .gateway;
            let all: Vec<String> = endpoints(&gateway, None).iter().map(ToString::to_string).collect();
            assert_eq!(all, [address]);
            assert_eq!(retry_pause(&gateway), SIDECAR_RETRY);
        }
        assert_eq!(Endpoint { host: "fd00::1".to_owned(), port: 1 }.to_string(), "[fd00::1]:1");
    }

    #[test]
    fn the_operators_id_wins_over_the_stored_one_and_both_must_be_of_the_pool() {
        let pool = ClientId { base: 851, pool: 8 };
        for (operator, stored, expected) in [
            (None, None, 851),
            (None, Some(853), 853),
            (Some(855), Some(853), 855),
            (Some(900), Some(853), 851),
            (None, Some(7), 851),
        ] {
            assert_eq!(ClientIds::new(pool, operator, stored).current(), expected);
        }
    }

    #[test]
    fn an_id_in_use_is_tried_three_times_and_then_the_next() {
        let pool = ClientId { base: 851, pool: 2 };
        let mut ids = ClientIds::new(pool, Some(851), None);
        assert_eq!((ids.refused(), ids.refused(), ids.current()), (ID_PAUSE, ID_PAUSE, 851));
        assert_eq!((ids.refused(), ids.current()), (Duration::ZERO, 852));
        ids.accepted();
        // The same word of the operator does not undo it; a new one does.
        ids.update(pool, Some(851));
        assert_eq!(ids.current(), 852);
        ids.update(pool, Some(852));
        ids.update(pool, Some(851));
        assert_eq!(ids.current(), 851);
        ids.update(ClientId { base: 100, pool: 2 }, None);
        assert_eq!(ids.current(), 100);
    }
}
