//! Scenarios: a time-line of faults and other admin calls, in a YAML file. Reading one is pure; [`play`] carries it out.

mod file;
pub(crate) mod play;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::ClockSetting;
use crate::config::Config;
use crate::faults::Fault;

/// A scenario that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is about, in the author's words.
    pub description: Option<String>,
    /// Instead of [`MarketConfig::seed`](crate::market::MarketConfig::seed).
    pub seed: Option<u64>,
    /// Instead of [`MarketConfig::rate`](crate::market::MarketConfig::rate).
    pub rate: Option<f64>,
    /// Instead of [`MarketConfig::always_open`](crate::market::MarketConfig::always_open).
    pub always_open: Option<bool>,
    /// Instead of [`Config::clock`].
    pub clock: Option<ClockSetting>,
    /// What happens, in the order of time.
    pub events: Vec<Event>,
    /// Of the file's text: another text is another scenario.
    pub checksum: u64,
}

/// Something that happens once.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, on the simulator's clock, since the scenario began.
    pub at: Duration,
    /// Line of its step in the file, from 1.
    pub line: u64,
    /// What.
    pub action: Action,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A fault begins.
    Begin {
        /// Names this one begin, for its end.
        handle: String,
        /// The step's name.
        name: Option<String>,
        /// What goes wrong.
        fault: Fault,
    },
    /// The fault of one begin ends.
    End {
        /// Of its begin.
        handle: String,
    },
    /// All faults of that name end; those that have ended already are no error.
    EndNamed {
        /// Of their steps.
        name: String,
    },
    /// Another call of the admin port.
    Call {
        /// Method of HTTP.
        method: String,
        /// Path, with its query.
        path: String,
        /// JSON, or nothing.
        body: String,
    },
}

/// Why a file is not a scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Of the file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}, line {line}: {what}", path.display())]
    Malformed {
        /// Of the file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// Names the field.
        what: String,
    },
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or something in it is wrong.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ScenarioError::Io { path: path.to_owned(), cause })?;
        file::parse(&text).map_err(|file::Mistake { line, what }| {
            let path = path.to_owned();
            ScenarioError::Malformed { path, line, what }
        })
    }

    /// Forgets how far a scenario of a state directory was: it will be played from its begin.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub fn forget(state_dir: &Path) -> std::io::Result<()> {
        play::forget(state_dir)
    }

    /// When the last event happens, since the begin.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.events.last().map_or(Duration::ZERO, |event| event.at)
    }

    /// Makes the settings those of the scenario, where it has any.
    pub fn apply(&self, config: &mut Config) {
        let market = &mut config.market;
        market.seed = self.seed.unwrap_or(market.seed);
        market.rate = self.rate.unwrap_or(market.rate);
        market.always_open = self.always_open.unwrap_or(market.always_open);
        config.clock = self.clock.unwrap_or(config.clock);
        // The futures that exist are those of the day on which it plays.
        if let Some(at_us) = self.clock.and_then(|clock| clock.at_us)
            && let Ok(at) = Timestamp::from_microsecond(at_us)
        {
            config.market.today = at.to_zoned(config.time_zone.clone()).date();
        }
    }
}
