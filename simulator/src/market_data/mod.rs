//! Market data lines, order books, five-second bars and bars that are kept up to date: what a subscription says, and when. Pure: a
//! feed is stepped with the market, whether something is withheld, and the time.

mod depth;
mod feed;
mod generic;
mod line;
mod live_bars;
mod rt_volume;
mod show;

pub use depth::Depth;
pub use feed::{Effect, Feed, Interference, Step};
pub use generic::{GenericError, GenericTicks};
pub use line::{Kind, Line};
pub use live_bars::{KeptUp, RealTimeBars};
pub use rt_volume::text as rt_volume;
