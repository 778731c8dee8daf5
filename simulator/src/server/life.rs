//! Carries out what the gateway's life asks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, State};
use crate::config::Config;
use crate::lifecycle::{Credentials, Effect, Farms, Life, Mode, Remembered, Start, TokenFile};
use crate::market::Market;
use crate::wire::answer::Answer;

/// How often the clock is looked at: the most that something is late.
const STEP: Duration = Duration::from_millis(10);

/// What IBKR's servers remember, in the state directory.
const REMEMBERED: &str = "life.json";

/// The file of the token.
pub(super) fn token_file(config: &Config) -> TokenFile {
    let kind = match config.life.mode {
        Mode::Paper => "paper",
        Mode::Live => "live",
    };
    TokenFile::of(config.life.settings_dir.as_deref().unwrap_or(&config.state_dir), kind)
}

/// The life of a process that starts now.
pub(super) fn begin(config: &Config, market: &Market, now_us: i64) -> std::io::Result<Life> {
    let remembered = match std::fs::read(remembered_path(&config.state_dir)) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Remembered::default(),
        Err(error) => return Err(error),
    };
    let start = Start {
        credentials: if config.login { Credentials::Given } else { Credentials::Missing },
        login_us: i64::try_from(config.login_delay.as_micros()).unwrap_or(i64::MAX),
        zone: config.time_zone.clone(),
        farms: Farms::of(market.catalog()),
        remembered,
        token: token_file(config).read(),
    };
    Ok(Life::start(config.life.clone(), start, now_us))
}

fn remembered_path(state_dir: &Path) -> PathBuf {
    state_dir.join(REMEMBERED)
}

/// Lives until the simulator stops.
pub(super) async fn run(core: Arc<Core>) {
    let mut steps = tokio::time::interval(STEP);
    steps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        steps.tick().await;
        core.live(|life, now_us| life.step(now_us));
    }
}

impl Core {
    /// Does something to the gateway's life, and all that follows from it.
    pub(crate) fn live<T>(&self, act: impl FnOnce(&mut Life, i64) -> T) -> T {
        let now_us = self.clock.now_us();
        let mut state = self.state();
        let before = state.life.remembered().clone();
        let outcome = act(&mut state.life, now_us);
        if *state.life.remembered() != before {
            self.remember(state.life.remembered());
        }
        self.follow(&mut state, now_us);
        outcome
    }

    /// Does what the gateway's life asks for.
    pub(super) fn follow(&self, state: &mut State, now_us: i64) {
        let effects = state.life.take_effects();
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            self.carry_out(state, effect, now_us);
        }
        self.set_gates(state);
    }

    fn carry_out(&self, state: &mut State, effect: Effect, now_us: i64) {
        match effect {
            Effect::Line(line) => tracing::info!("{line}"),
            Effect::Log(event) => self.log(None, None, event),
            Effect::Notice(code, text) => {
                for session in state.sessions.values().filter(|session| session.client_id.is_some()) {
                    session.answer(&Answer::error(-1, code, &text, now_us / 1_000));
                }
            }
            Effect::EndSubscriptions(refusal) => {
                for (number, session) in &mut state.sessions {
                    self.cut_off(*number, session, &refusal, now_us);
                }
            }
            Effect::CloseSockets => close(state),
            Effect::SaveToken(token) => complain("save", token_file(&self.config).save(&token)),
            Effect::RemoveToken => complain("remove", token_file(&self.config).remove()),
            Effect::LoggedIn => self.end_restart_faults(state),
            Effect::Exit(code) => {
                // The first one counts.
                let _ = self.exit_code.set(code);
                self.exit.cancel();
            }
        }
    }

    fn remember(&self, remembered: &Remembered) {
        let path = remembered_path(&self.config.state_dir);
        let partial = path.with_extension("partial");
        let written = serde_json::to_vec(remembered)
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::write(&partial, bytes))
            .and_then(|()| std::fs::rename(&partial, &path));
        if let Err(error) = written {
            tracing::error!(%error, path = %path.display(), "cannot keep what IBKR remembers");
        }
    }
}

/// Ends every API connection in good order, as a process that ends does.
fn close(state: &State) {
    for session in state.sessions.values() {
        session.closing.now.cancel();
    }
}

fn complain(what: &str, done: std::io::Result<()>) {
    if let Err(error) = done {
        tracing::error!(%error, "cannot {what} the login's token");
    }
}
