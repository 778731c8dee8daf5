//! The faults of a year, drawn from a seed: what recurs by the clock, what comes at random, and what comes together.

use jiff::{
    ToSpan,
    civil::{Date, Time, Weekday, date, time},
    tz::TimeZone,
};

use crate::{
    clock::{DAY, HOUR, MINUTE, Ms, SECOND},
    dice::Dice,
    fault::{Cure, Fault, Kind, Refusal, Restored, Strength},
    market::{House, Manifest, Mask, members},
};

/// Where IBKR's servers for North America are, and the default zone of the gateway.
const NEW_YORK: &str = "America/New_York";

/// Moments of the year in New York's time.
pub struct Days(TimeZone, i16);

impl Days {
    /// The days of a year.
    ///
    /// # Panics
    /// Without a time zone database, which comes along.
    #[must_use]
    pub fn of(year: i16) -> Self {
        Self(TimeZone::get(NEW_YORK).expect("the time zone database comes along"), year)
    }

    /// The year's first moment, and the first one after it, in UTC.
    #[must_use]
    pub fn year(&self) -> (Ms, Ms) {
        let start =
            |year| date(year, 1, 1).to_zoned(TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_millisecond());
        (start(self.1), start(self.1 + 1))
    }

    fn all(&self) -> impl Iterator<Item = Date> + use<> {
        date(self.1, 1, 1).series(1.day()).take(365)
    }

    fn at(&self, day: Date, time: Time) -> Ms {
        let zoned = day.to_datetime(time).to_zoned(self.0.clone());
        zoned.map_or(0, |zoned| zoned.timestamp().as_millisecond())
    }

    /// Starts of IBKR's nightly resets: 00:15 to 01:45, Sunday to Friday.
    pub fn resets(&self) -> impl Iterator<Item = Ms> + '_ {
        let nights = self.all().filter(|day| day.weekday() != Weekday::Saturday);
        nights.map(|day| self.at(day, time(0, 15, 0, 0)))
    }

    /// Starts of IBKR's weekend resets: Friday, 23:00, for four hours.
    pub fn weekends(&self) -> impl Iterator<Item = Ms> + '_ {
        let fridays = self.all().filter(|day| day.weekday() == Weekday::Friday);
        fridays.map(|day| self.at(day, time(23, 0, 0, 0)))
    }

    /// The gateway's daily restarts, at 23:59.
    pub fn restarts(&self) -> impl Iterator<Item = Ms> + '_ {
        self.all().map(|day| self.at(day, time(23, 59, 0, 0)))
    }

    /// When login tokens expire: Sunday, 01:00.
    pub fn expiries(&self) -> impl Iterator<Item = Ms> + '_ {
        self.all().filter(|day| day.weekday() == Weekday::Sunday).map(|day| self.at(day, time(1, 0, 0, 0)))
    }
}

/// Draws the faults of a year, in the order in which they begin.
#[must_use]
pub fn faults(dice: &mut Dice, manifest: &Manifest, days: &Days) -> Vec<Fault> {
    let (start, end) = days.year();
    let mut deck = Deck { dice, manifest, faults: Vec::new() };
    for reset in days.resets() {
        deck.nightly(reset);
    }
    for reset in days.weekends() {
        deck.weekend(reset);
    }
    for restart in days.restarts() {
        deck.add(Kind::DailyRestart, restart, None, manifest.all(), Cure::Nothing);
    }
    let mut at = start + HOUR;
    loop {
        at += deck.dice.wait(20 * HOUR);
        if at >= end - DAY {
            break;
        }
        deck.surprise(at);
        // Troubles come together: the second one within the first one's reach.
        if deck.dice.chance(0.25) {
            let soon = at + deck.dice.spread(SECOND, 2 * HOUR);
            deck.surprise(soon);
        }
    }
    let mut faults = deck.faults;
    faults.sort_by_key(|fault| fault.begin);
    faults
}

struct Deck<'a> {
    dice: &'a mut Dice,
    manifest: &'a Manifest,
    faults: Vec<Fault>,
}

impl Deck<'_> {
    fn add(&mut self, kind: Kind, begin: Ms, lasts: Option<Ms>, streams: Mask, cure: Cure) {
        self.faults.push(Fault { kind, begin, until: lasts.map(|lasts| begin + lasts), streams, cure });
    }

    /// One to three dips of a minute or so, on most nights.
    fn nightly(&mut self, reset: Ms) {
        if self.dice.chance(0.2) {
            return;
        }
        for _ in 0..self.dice.between(1, 4) {
            let begin = reset + self.dice.between(0, 80 * MINUTE);
            let lasts = self.dice.between(20 * SECOND, 4 * MINUTE);
            if self.dice.chance(0.5) {
                let restored = self.restored();
                self.add(Kind::Upstream(restored), begin, Some(lasts), self.manifest.all(), Cure::Nothing);
            } else {
                self.farm(begin, lasts);
            }
        }
    }

    /// As in other nights, and longer.
    fn weekend(&mut self, reset: Ms) {
        if self.dice.chance(0.5) {
            let (begin, lasts) = (reset + self.dice.between(0, 2 * HOUR), self.dice.spread(MINUTE, 90 * MINUTE));
            let restored = self.restored();
            self.add(Kind::Upstream(restored), begin, Some(lasts), self.manifest.all(), Cure::Nothing);
        }
    }

    fn restored(&mut self) -> Restored {
        match self.dice.unit() {
            luck if luck < 0.4 => Restored::Lost,
            luck if luck < 0.7 => Restored::Kept,
            _ => Restored::Lies(self.some()),
        }
    }

    fn farm(&mut self, begin: Ms, lasts: Ms) {
        let index = self.dice.between(0, self.manifest.streams.len() as Ms) as usize;
        let name = self.manifest.streams[index].farm;
        let streams = self.manifest.of_farm(name);
        let lost = if self.dice.chance(0.4) { streams } else { 0 };
        self.add(Kind::Farm { lost, name }, begin, Some(lasts), streams, Cure::Nothing);
    }

    /// Some streams, at least one.
    fn some(&mut self) -> Mask {
        let drawn = self.dice.number() as Mask & self.dice.number() as Mask & self.manifest.all();
        if drawn == 0 { self.one() } else { drawn }
    }

    fn one(&mut self) -> Mask {
        1 << self.dice.between(0, self.manifest.streams.len() as Ms)
    }

    fn one_some_or_all(&mut self) -> Mask {
        match self.dice.unit() {
            luck if luck < 0.4 => self.one(),
            luck if luck < 0.6 => self.some(),
            _ => self.manifest.all(),
        }
    }

    fn surprise(&mut self, at: Ms) {
        let all = self.manifest.all();
        let sidecar = self.manifest.house != House::External;
        match self.dice.between(0, 106) {
            0..10 => {
                let (restored, lasts) = (self.restored(), self.dice.spread(5 * SECOND, 12 * HOUR));
                self.add(Kind::Upstream(restored), at, Some(lasts), all, Cure::Nothing);
            }
            10..16 => {
                let lasts = self.dice.spread(5 * SECOND, 4 * HOUR);
                self.farm(at, lasts);
            }
            16..19 => self.flaps(at),
            19..30 => self.competing(at),
            30..35 => {
                let down = self.dice.spread(3 * SECOND, if sidecar { MINUTE } else { 4 * HOUR });
                self.add(Kind::Crash, at, Some(down), all, Cure::Nothing);
            }
            35..38 if sidecar => {
                let person = self.dice.spread(HOUR, 3 * DAY);
                self.add(Kind::Wedged, at, Some(person), all, Cure::Deed(Strength::RollPod));
            }
            35..38 => {
                let lasts = self.dice.spread(2 * SECOND, 4 * HOUR);
                self.add(Kind::NetworkCut, at, Some(lasts), all, Cure::Nothing);
            }
            38..44 => self.hang(at, sidecar),
            44..62 => self.silent(at, sidecar),
            62..68 => self.refused(at),
            68..70 => {
                let lasts = self.dice.spread(MINUTE, DAY);
                self.add(Kind::DiskFull, at, Some(lasts), 0, Cure::Nothing);
            }
            70..73 => self.add(Kind::StreamerCrash, at, Some(2 * SECOND), all, Cure::Nothing),
            73..78 => {
                let lasts = self.dice.spread(5 * SECOND, 8 * HOUR);
                self.add(Kind::ApiCut, at, Some(lasts), 0, Cure::Nothing);
            }
            78..82 => {
                let (by, lasts) = (self.dice.between(SECOND, 40 * SECOND), self.dice.spread(MINUTE, 12 * HOUR));
                self.add(Kind::LateReports { by }, at, Some(lasts), 0, Cure::Nothing);
            }
            82..84 => {
                let lasts = self.dice.spread(2 * MINUTE, DAY);
                self.add(Kind::NodeLost, at, Some(lasts), all, Cure::Nothing);
            }
            84..91 => {
                let lasts = self.dice.spread(2 * SECOND, HOUR);
                self.add(Kind::OperatorDown, at, Some(lasts), 0, Cure::Nothing);
            }
            91..93 => {
                let (by, lasts) = (self.dice.between(-20 * MINUTE, 20 * MINUTE), self.dice.spread(HOUR, 20 * DAY));
                self.add(Kind::ClockOff { by }, at, Some(lasts), 0, Cure::Nothing);
            }
            93..96 => {
                let (ids, lasts) = (self.dice.between(1, 10) as i32, self.dice.spread(MINUTE, 2 * HOUR));
                self.add(Kind::IdHeld { ids }, at, Some(lasts), all, Cure::Nothing);
            }
            96..98 => self.add(Kind::Login, at, None, all, Cure::Nothing),
            98..101 => {
                let (told, lasts) = (self.dice.chance(0.5), self.dice.spread(MINUTE, 10 * DAY));
                let drawn = self.some();
                self.add(Kind::Delayed { told }, at, Some(lasts), self.whole_contracts(drawn), Cure::Nothing);
            }
            101..104 => self.corrupt(at),
            _ => {
                let (one, lasts) = (self.one(), self.dice.spread(5 * MINUTE, 2 * HOUR));
                self.add(Kind::Halt, at, Some(lasts), one, Cure::Nothing);
            }
        }
    }

    /// A farm that comes and goes twenty times within minutes.
    fn flaps(&mut self, at: Ms) {
        let mut begin = at;
        for _ in 0..self.dice.between(4, 20) {
            let lasts = self.dice.between(2 * SECOND, 15 * SECOND);
            self.farm(begin, lasts);
            begin += lasts + self.dice.between(SECOND, 20 * SECOND);
        }
    }

    fn competing(&mut self, at: Ms) {
        let told = self.dice.chance(0.7);
        let all = self.manifest.all();
        if self.dice.chance(0.2) {
            let mut begin = at;
            for _ in 0..self.dice.between(3, 10) {
                let lasts = self.dice.spread(5 * SECOND, 5 * MINUTE);
                self.add(Kind::Competing { told }, begin, Some(lasts), all, Cure::Nothing);
                begin += lasts + self.dice.spread(5 * SECOND, 10 * MINUTE);
            }
        } else {
            let lasts = self.dice.spread(5 * SECOND, 3 * DAY);
            self.add(Kind::Competing { told }, at, Some(lasts), all, Cure::Nothing);
        }
    }

    fn hang(&mut self, at: Ms, sidecar: bool) {
        let command = self.dice.chance(0.6);
        let cure = match self.dice.unit() {
            luck if luck < 0.3 => Cure::Deed(Strength::Reconnect),
            luck if luck < 0.7 && command && sidecar => Cure::Deed(Strength::RestartGateway),
            luck if luck < 0.9 && sidecar => Cure::Deed(Strength::RollPod),
            _ => Cure::Nothing,
        };
        let lasts = self.dice.spread(20 * SECOND, 10 * HOUR);
        self.add(Kind::Hang { command }, at, Some(lasts), self.manifest.all(), cure);
    }

    fn silent(&mut self, at: Ms, sidecar: bool) {
        let streams = self.one_some_or_all();
        let cure = match self.dice.unit() {
            luck if luck < 0.5 => Cure::Deed(Strength::Resubscribe),
            luck if luck < 0.7 => Cure::Deed(Strength::Reconnect),
            luck if luck < 0.85 && sidecar => Cure::Deed(Strength::RestartGateway),
            _ => Cure::Nothing,
        };
        let lasts = self.dice.spread(30 * SECOND, DAY);
        self.add(Kind::Silent, at, Some(lasts), streams, cure);
    }

    fn corrupt(&mut self, at: Ms) {
        let streams = self.one_some_or_all();
        let cure = match self.dice.unit() {
            luck if luck < 0.4 => Cure::Deed(Strength::Resubscribe),
            luck if luck < 0.8 => Cure::Deed(Strength::Reconnect),
            _ => Cure::Nothing,
        };
        let lasts = self.dice.spread(30 * SECOND, DAY);
        self.add(Kind::Corrupt, at, Some(lasts), streams, cure);
    }

    /// All streams of the contracts of these.
    fn whole_contracts(&self, streams: Mask) -> Mask {
        let contracts = members(streams).map(|index| self.manifest.of_contract(self.manifest.streams[index].contract));
        contracts.fold(0, |mask, contract| mask | contract)
    }

    fn refused(&mut self, at: Ms) {
        let (refusal, longest) = match self.dice.unit() {
            luck if luck < 0.35 => (Refusal::Entitlement, 10 * DAY),
            luck if luck < 0.6 => (Refusal::Capacity, 6 * HOUR),
            luck if luck < 0.8 => (Refusal::Contract, 10 * DAY),
            _ => (Refusal::Pacing, 12 * MINUTE),
        };
        let drawn = self.some();
        // A contract is refused as a whole.
        let streams = match refusal {
            Refusal::Contract | Refusal::Entitlement => self.whole_contracts(drawn),
            _ => drawn,
        };
        let lasts = self.dice.spread(5 * SECOND, longest);
        self.add(Kind::Refused(refusal), at, Some(lasts), streams, Cure::Nothing);
    }
}
