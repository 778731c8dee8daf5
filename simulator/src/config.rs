//! Settings of one simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::clock::ClockSetting;
use crate::history::HistoryConfig;
use crate::lifecycle::LifeConfig;
use crate::limits::LimitsConfig;
use crate::market::MarketConfig;
use crate::scenario::Scenario;

/// Settings of one simulator.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where API clients connect; port 0 takes a free one.
    pub api: SocketAddr,
    /// Where the admin HTTP server listens; port 0 takes a free one.
    pub admin: SocketAddr,
    /// Directory of the journal, the request log and the faults. Made when missing.
    pub state_dir: PathBuf,
    /// What time it is.
    pub clock: ClockSetting,
    /// The ticks.
    pub market: MarketConfig,
    /// How true the history is.
    pub history: HistoryConfig,
    /// What is to happen, by itself.
    pub scenario: Option<Arc<Scenario>>,
    /// Which limits are in force.
    pub limits: LimitsConfig,
    /// The login, and what goes by a clock.
    pub life: LifeConfig,
    /// Whether user and password are there. When not, the API port stays closed.
    pub login: bool,
    /// How long the login takes.
    pub login_delay: Duration,
    /// Account that the login manages.
    pub account: String,
    /// Zone of the time in the handshake.
    pub time_zone: TimeZone,
}

impl Config {
    /// For tests: free ports on the loopback address, everything always open, no limits, no login delay.
    #[must_use]
    pub fn local(state_dir: impl Into<PathBuf>) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            api: any,
            admin: any,
            state_dir: state_dir.into(),
            clock: ClockSetting::default(),
            market: MarketConfig { always_open: true, ..MarketConfig::default() },
            history: HistoryConfig::default(),
            scenario: None,
            limits: LimitsConfig::OFF,
            life: LifeConfig::default(),
            login: true,
            login_delay: Duration::ZERO,
            account: "DU1234567".to_owned(),
            time_zone: TimeZone::UTC,
        }
    }
}
