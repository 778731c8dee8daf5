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
pub struct Stored {
    places: VecDeque<Place>,
    recorded: u64,
}

enum Place {
    Recording(Part, File, u64),
    Sealed(Part, Box<SealedTicks>),
}

impl Place {
    fn part(&self) -> Part {
        match self {
            Self::Recording(part, ..) | Self::Sealed(part, _) => *part,
        }
    }
}

impl Stored {
    /// Opens what there is of these parts of an hour.
    ///
    /// # Errors
    /// When anything that is there cannot be read.
    pub fn open(data_dir: &Path, hour: HourFile, parts: &[Part]) -> io::Result<Self> {
        let mut places = places(data_dir, hour)?;
        places.retain(|place| parts.contains(&place.part()));
        Ok(Self { places, recorded: 0 })
    }

    /// How far the live recording was read, bytes; 0 without one.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// The next ticks that are `wanted`, possibly none; `None` at the end. A last record that is being written is left
    /// out, and so are records that are no ticks.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn piece(&mut self, wanted: impl Fn(&TickMessage) -> bool) -> io::Result<Option<Vec<TickMessage>>> {
        let Some(place) = self.places.front_mut() else { return Ok(None) };
        let (mut ticks, end) = match place {
            Place::Recording(part, file, offset) => {
                let Piece { ticks, next, end } = piece_of(file, *offset, &wanted)?;
                *offset = next;
                if *part == Part::Live {
                    self.recorded = next;
                }
                (ticks, end)
            }
            Place::Sealed(_, sealed) => sealed.piece()?.map_or((Vec::new(), true), |ticks| (ticks, false)),
        };
        ticks.retain(wanted);
        if end {
            self.places.pop_front();
        }
        Ok(Some(ticks))
    }
}

/// Where the ticks of an hour are, in the order in which they are read.
fn places(data_dir: &Path, hour: HourFile) -> io::Result<VecDeque<Place>> {
    let recordings = [open(data_dir, hour, Part::Live)?, open(data_dir, hour, Part::Backfill)?];
    let deleted = recordings[0].is_none();
    // Looked at after the recordings: they are deleted after they are sealed.
    let sealed = if recordings.iter().all(Option::is_some) { None } else { Some(Sealed::open(data_dir, hour)?) };
    let mut places = VecDeque::new();
    for (part, mut recording) in [Part::Live, Part::Backfill].into_iter().zip(recordings) {
        if let Some(sealed) = &sealed {
            let holds = match &mut recording {
                None => false,
                Some(file) if deleted => begins_as(file, sealed, part)?,
                Some(file) => file.metadata()?.len() >= sealed.bytes(part),
            };
            if !holds {
                places.extend(sealed.ticks(part).map(|ticks| Place::Sealed(part, Box::new(ticks))));
            }
        }
        places.extend(recording.map(|file| Place::Recording(part, file, 0)));
    }
    Ok(places)
}

fn open(data_dir: &Path, hour: HourFile, part: Part) -> io::Result<Option<File>> {
    match File::open(data_dir.join(hour.path_of(part).map_err(io::Error::other)?)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a recording still begins with what was sealed of its part, and so holds all of it and what came since. After
/// the hour's recordings were deleted, a later fill has begun another one; and where the deletion was cut short, it was
/// added to the one that was left.
fn begins_as(recording: &mut File, sealed: &Sealed, part: Part) -> io::Result<bool> {
    let Some(mut ticks) = sealed.ticks(part) else { return Ok(true) };
    let first = loop {
        match ticks.piece()? {
            Some(piece) if piece.is_empty() => {}
            piece => break piece.unwrap_or_default().into_iter().next(),
        }
    };
    Ok(piece_of(recording, 0, |_| true)?.ticks.into_iter().next() == first)
}
