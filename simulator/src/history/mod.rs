//! What the historical data server (HMDS) says: a pure function of the market, the question and the time of asking.
//!
//! In ideal mode it holds exactly the ticks that were or would have been sent live. What [`What::Trades`] holds are the
//! reported trades, those of tick-by-tick Last; AllLast has no history, here as in the original.

mod archive;
pub mod bars;
mod begin;
mod config;
mod days;
mod message;
mod question;
mod realistic;
mod time;
pub mod truth;

pub use archive::Archive;
pub use begin::begin_s;
pub use config::{HistoryConfig, Mode, SettingError};
pub use message::{bar as bar_message, bars_end, schedule};

pub use question::{Anchor, MAX_TICKS, Question, QuestionError, What};
pub use time::{BAD_TIME, parse as parse_time, text as time_text};
