//! The stored ticks of one hour, wherever they are: in its recordings, or sealed when those have been deleted.

use std::{collections::VecDeque, fs::File, io, path::Path};

use marketstream_proto::{
    TickMessage,
    layout::{HourFile, Part},
};

use super::files::{Piece, piece_of};
use crate::seal::read::{Sealed, SealedTicks};

/// Reads an hour: live ticks first, then those that were fetched later, each in the order of its recording. Everything is
/// opened at once, so that whoever deletes or replaces files meanwhile takes nothing from a reader.
pub struct Stored(VecDeque<Place>);

enum Place {
    Recording(File, u64),
    Sealed(Box<SealedTicks>),
}

impl Stored {
    /// Opens what there is of an hour.
    ///
    /// # Errors
    /// When anything that is there cannot be read.
    pub fn open(data_dir: &Path, hour: HourFile) -> io::Result<Self> {
        let recordings = [open(data_dir, hour, Part::Live)?, open(data_dir, hour, Part::Backfill)?];
        if recordings.iter().all(Option::is_some) {
            return Ok(Self(recordings.into_iter().flatten().map(|file| Place::Recording(file, 0)).collect()));
        }
        // Looked at after the recordings: they are deleted after they are sealed.
        let sealed = Sealed::open(data_dir, hour)?;
        let deleted = recordings[0].is_none() && sealed.bytes(Part::Live) > 0;
        let mut places = VecDeque::new();
        for (part, recording) in [Part::Live, Part::Backfill].into_iter().zip(recordings) {
            let length = recording.as_ref().map(|file| file.metadata().map(|metadata| metadata.len())).transpose()?;
            if !holds(length, sealed.bytes(part), deleted) {
                places.extend(sealed.ticks(part).map(|ticks| Place::Sealed(Box::new(ticks))));
            }
            places.extend(recording.map(|file| Place::Recording(file, 0)));
        }
        Ok(Self(places))
    }

    /// The next ticks that are `wanted`, possibly none; `None` at the end. A last record that is being written is left
    /// out, and so are records that are no ticks.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn piece(&mut self, wanted: impl Fn(&TickMessage) -> bool) -> io::Result<Option<Vec<TickMessage>>> {
        let Some(place) = self.0.front_mut() else { return Ok(None) };
        let (mut ticks, end) = match place {
            Place::Recording(file, offset) => {
                let Piece { ticks, next, end } = piece_of(file, *offset, &wanted)?;
                *offset = next;
                (ticks, end)
            }
            Place::Sealed(sealed) => sealed.piece()?.map_or((Vec::new(), true), |ticks| (ticks, false)),
        };
        ticks.retain(wanted);
        if end {
            self.0.pop_front();
        }
        Ok(Some(ticks))
    }
}

fn open(data_dir: &Path, hour: HourFile, part: Part) -> io::Result<Option<File>> {
    match File::open(data_dir.join(hour.path_of(part).map_err(io::Error::other)?)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a recording of this length holds what was sealed when it had `sealed` bytes. It does, and what came since,
/// unless the hour's recordings were `deleted`: one of another length has then begun anew, with a later fill.
fn holds(recording: Option<u64>, sealed: u64, deleted: bool) -> bool {
    match recording {
        Some(length) if deleted => length == sealed,
        Some(length) => length >= sealed,
        None => false,
    }
}
