//! What decides, and what it is shown.

use marketstream_crds::Action;

use crate::{clock::Ms, fault::Strength, market::Mask, oracle::Oracle, streamer::Streamer, trace::Trace, world::World};

/// Something that is done to the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    /// How strong it is.
    pub strength: Strength,
    /// The streams that it is meant for.
    pub streams: Mask,
}

/// Something that people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Tells alarms of different incidents apart.
    pub id: u64,
    /// The streams that it is about.
    pub streams: Mask,
    /// 1 warning to 4 Critical.
    pub level: u8,
}

/// Everything that a brain can look at and act on.
pub struct Scene<'a> {
    /// The world. A brain reads of it only what its means would show it.
    pub world: &'a mut World,
    /// The streamer's process, while there is one.
    pub streamer: &'a mut Option<Streamer>,
    /// Who judges.
    pub oracle: &'a mut Oracle,
    /// The time-line.
    pub trace: &'a mut Trace,
}

impl Scene<'_> {
    /// An action is carried out, on a report that was written at `seen`.
    pub fn judge(&mut self, now: Ms, seen: Ms, deed: Deed) {
        self.oracle.acted(now, seen, deed, self.world, self.streamer.as_ref(), self.trace);
    }

    /// What people are told now, all of it, on a report that was written at `seen`.
    pub fn alarms(&mut self, now: Ms, seen: Ms, alarms: &[Alarm]) {
        self.oracle.alarmed(now, seen, alarms, self.world, self.trace);
    }
}

/// A ladder of some kind.
pub trait Brain {
    /// Time has passed until `now`, and nothing else has happened yet.
    fn before(&mut self, scene: &Scene<'_>, now: Ms);
    /// The world and the streamer have done what was due at `now`.
    fn step(&mut self, scene: &mut Scene<'_>, now: Ms);
    /// When it must be called again, unless something happens before.
    fn next(&self) -> Option<Ms>;
    /// The client ID that a new process is to use.
    fn client_id(&self) -> Option<i32> {
        None
    }
    /// The action that a new process finds.
    fn found(&self, _uid: u32) -> Option<Action> {
        None
    }
}
