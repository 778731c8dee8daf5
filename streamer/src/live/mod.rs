//! Live readers: who wants to see ticks as they come gets them from the recorder, after they are written.
//!
//! What a reader sees is therefore what is stored, under the number that it is stored with; who was away reads on in the
//! files. A stream that nobody reads costs one look at a counter per flush, and no reader can hold the recorder up: each
//! has a bounded queue, and what does not fit there is lost to that reader alone.

mod cursor;
pub mod envelope;
pub mod files;
mod hub;
mod reader;
mod stored;
mod tail;

pub use self::{
    cursor::{Cursor, NotACursor},
    hub::{Hub, Listener, Missed},
    reader::{Got, Reader, Stopped, Wanted},
    stored::Stored,
};
