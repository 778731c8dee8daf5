//! Flags of the limits.

use clap::{Args, ValueEnum};
use ib_gateway_sim::limits::{AboveRate, LimitsConfig, TICK_BY_TICK_PAUSE_S, TickByTickError};

/// Which limits are in force.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LimitsPreset {
    /// None.
    Off,
    /// Those of IBKR, but for the pause between tick-by-tick requests of one instrument.
    Ibkr,
    /// All that are documented.
    Strict,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AboveRateArg {
    /// Error 100; the third one closes the connection.
    Reject,
    /// The message waits for its turn.
    Queue,
}

/// Limits of the login. A value of 0 switches one off.
#[derive(Debug, Args)]
pub(super) struct Limits {
    /// Limits of the login; single ones are changed by the flags that follow, where 0 means off.
    #[arg(long, env = "IB_SIM_LIMITS", value_enum, default_value = "ibkr")]
    limits: LimitsPreset,
    /// Market data lines; messages a second, tick-by-tick subscriptions and order books follow from it.
    #[arg(long, env = "IB_SIM_LINES")]
    lines: Option<u32>,
    /// Messages of a client in a second [default: half the lines].
    #[arg(long, env = "IB_SIM_MESSAGE_RATE")]
    message_rate: Option<u32>,
    /// What happens to messages above that rate.
    #[arg(long, env = "IB_SIM_ABOVE_RATE", value_enum, default_value = "reject")]
    above_rate: AboveRateArg,
    /// Tick-by-tick subscriptions at a time [default: 5 for each 100 lines].
    #[arg(long, env = "IB_SIM_TICK_BY_TICK")]
    tick_by_tick: Option<u32>,
    /// Code of the error above that: 10190 or 322.
    #[arg(long, env = "IB_SIM_TICK_BY_TICK_ERROR", default_value = "10190", value_parser = ["10190", "322"])]
    tick_by_tick_error: String,
    /// Seconds between two tick-by-tick requests of one instrument.
    #[arg(long, env = "IB_SIM_TICK_BY_TICK_PAUSE")]
    tick_by_tick_pause: Option<u32>,
    /// Order books at a time [default: 3, and more from 500 lines].
    #[arg(long, env = "IB_SIM_DEPTH")]
    depth: Option<u32>,
    /// Whether history is paced: how many questions there may be in ten minutes, and how soon again.
    #[arg(long, env = "IB_SIM_HISTORY_PACING")]
    history_pacing: Option<bool>,
    /// Questions to the history at a time, of one client.
    #[arg(long, env = "IB_SIM_CONCURRENT_HISTORY")]
    concurrent_history: Option<u32>,
    /// Clients at a time.
    #[arg(long, env = "IB_SIM_CLIENTS")]
    clients: Option<u32>,
    /// Seconds for which the id and the lines of a client that is gone stay taken.
    #[arg(long, env = "IB_SIM_LINGER", default_value_t = 0)]
    linger: u32,
}

impl Limits {
    /// What they mean.
    pub(super) fn config(&self) -> LimitsConfig {
        let mut config = match self.limits {
            LimitsPreset::Off => LimitsConfig::OFF,
            LimitsPreset::Ibkr => LimitsConfig::IBKR,
            LimitsPreset::Strict => LimitsConfig { tick_by_tick_pause_s: TICK_BY_TICK_PAUSE_S, ..LimitsConfig::IBKR },
        };
        if let Some(lines) = self.lines {
            config = config.with_lines(lines);
        }
        config.messages_per_s = self.message_rate.unwrap_or(config.messages_per_s);
        config.tick_by_tick = self.tick_by_tick.unwrap_or(config.tick_by_tick);
        config.tick_by_tick_pause_s = self.tick_by_tick_pause.unwrap_or(config.tick_by_tick_pause_s);
        config.depth = self.depth.unwrap_or(config.depth);
        config.history_pacing = self.history_pacing.unwrap_or(config.history_pacing);
        config.concurrent_history = self.concurrent_history.unwrap_or(config.concurrent_history);
        config.clients = self.clients.unwrap_or(config.clients);
        config.linger_s = self.linger;
        config.above_rate = match self.above_rate {
            AboveRateArg::Reject => AboveRate::Reject,
            AboveRateArg::Queue => AboveRate::Queue,
        };
        if self.tick_by_tick_error == "322" {
            config.tick_by_tick_error = TickByTickError::Code322;
        }
        config
    }
}
