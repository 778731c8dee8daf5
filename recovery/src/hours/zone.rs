//! The time zone that a `timeZoneId` names.

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The longest name looked up; the longest of the time zone database has 32 letters.
const MAX_NAME: usize = 64;

/// Names that Interactive Brokers uses and that the time zone database lacks or reads otherwise.
///
/// The ones in the current list of its API documentation (`US/Eastern`, `US/Central`, `US/Pacific`, `GB-Eire`, `MET`,
/// `Hongkong`, `Japan`, `Israel`, `Asia/Calcutta`, `Australia/NSW`, `Africa/Johannesburg`, `Europe/...`) and
/// `EST5EDT`, `CST6CDT` are names of the database and need no entry, `GMT` excepted. A name stays out if its meaning
/// is in doubt (`CTT`): an error is visible, wrong hours are not.
pub(super) const ALIASES: &[(&str, &str)] = &[
    // To the database, EST and MST are fixed offsets without daylight-saving time. To IBKR they are the labels, kept
    // all year, of exchanges that observe it.
    ("EST", "America/New_York"),
    ("EDT", "America/New_York"),
    ("CST", "America/Chicago"),
    ("CDT", "America/Chicago"),
    ("MST", "America/Denver"),
    ("MDT", "America/Denver"),
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("BRT", "America/Sao_Paulo"),
    // The older label of what is `GB-Eire` today, so London with its summer time, not UTC.
    ("GMT", "Europe/London"),
    ("BST", "Europe/London"),
    // India, as contracts of its exchanges were seen with it; not Israel or Ireland.
    ("IST", "Asia/Kolkata"),
    ("HKT", "Asia/Hong_Kong"),
    ("JST", "Asia/Tokyo"),
    ("KST", "Asia/Seoul"),
    ("Korea", "Asia/Seoul"),
    ("SGT", "Asia/Singapore"),
    ("AET", "Australia/Sydney"),
    ("AEST", "Australia/Sydney"),
];

/// Finds the zone, with or without a display name behind it: `EST (Eastern Standard Time)`. Case does not matter.
///
/// Only the bundled database is asked: images may lack one, and the answer must not depend on the machine.
#[must_use]
pub fn resolve(id: &str) -> Option<TimeZone> {
    let name = match id.split_once('(') {
        Some((name, rest)) if rest.trim_end().ends_with(')') => name.trim(),
        _ => id.trim(),
    };
    if name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    let known = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map_or(name, |(_, zone)| zone);
    // jiff resolves `Etc/Unknown` to a zone that acts like UTC.
    TimeZoneDatabase::bundled().get(known).ok().filter(|zone| !zone.is_unknown())
}
