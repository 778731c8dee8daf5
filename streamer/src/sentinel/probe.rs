//! Which silent stream history is asked about, and when. Pure.

use std::{collections::BTreeMap, time::Duration};

use super::decide::{Answer, tells};
use crate::plan::StreamKey;

/// Between two probes of one login, and the pause before the same silence is asked about again; it doubles each time.
pub const SPACING: Duration = Duration::from_secs(20);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(320);

/// A silent stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub key: StreamKey,
    /// Since when it is silent, on the monotonic clock.
    pub from: Duration,
    /// Nobody else can say what that means; else history would only contradict.
    pub urgent: bool,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Duration,
    times: u32,
    answer: Option<Answer>,
}

/// What was asked in this session.
#[derive(Debug, Default)]
pub struct Probes {
    last: Option<Duration>,
    asked: BTreeMap<StreamKey, Asked>,
}

impl Probes {
    /// What history said of a stream.
    #[must_use]
    pub fn answer(&self, key: &StreamKey) -> Option<Answer> {
        self.asked.get(key)?.answer
    }

    /// Whom to ask about now: one that needs it, the least recently asked one, the most important one. `candidates`
    /// come in the order of importance.
    #[must_use]
    pub fn pick<'a>(&self, candidates: &'a [Candidate], now: Duration) -> Option<&'a Candidate> {
        if self.last.is_some_and(|last| now < last + SPACING) {
            return None;
        }
        let due = candidates.iter().filter(|candidate| self.due(candidate) <= now);
        due.min_by_key(|candidate| (!candidate.urgent, self.asked.get(&candidate.key).map(|asked| asked.at)))
    }

    fn due(&self, candidate: &Candidate) -> Duration {
        let asked = self.asked.get(&candidate.key).filter(|asked| asked.at >= candidate.from);
        asked.map_or(Duration::ZERO, |asked| match tells(candidate.from) {
            // It could not tell yet.
            tells if asked.at < tells => tells.max(asked.at + SPACING),
            _ => asked.at + (SPACING * (1 << asked.times.min(5).saturating_sub(1))).min(LONGEST),
        })
    }

    /// A question goes out.
    pub fn ask(&mut self, candidate: &Candidate, now: Duration) {
        self.last = Some(now);
        let again = self.asked.get(&candidate.key).filter(|asked| asked.at >= candidate.from).copied();
        let (times, answer) = again.map_or((1, None), |asked| (asked.times.saturating_add(1), asked.answer));
        self.asked.insert(candidate.key.clone(), Asked { at: now, times, answer });
    }

    /// History has answered: IBKR's second of the newest tick.
    pub fn answered(&mut self, key: &StreamKey, newest: Option<i64>) {
        if let Some(asked) = self.asked.get_mut(key) {
            asked.answer = Some(Answer { asked: asked.at, newest });
        }
    }
}

#[cfg(test)]
mod tests {
    use marketstream_crds::TickType;

    use super::*;

    const T: fn(u64) -> Duration = Duration::from_secs;

    fn candidate(contract: &str, urgent: bool) -> Candidate {
        let key = StreamKey { contract: contract.to_owned(), tick: TickType::Last, roll: 0 };
        Candidate { key, from: T(100), urgent }
    }

    fn picked(probes: &Probes, candidates: &[Candidate], now: u64) -> Option<String> {
        probes.pick(candidates, T(now)).map(|candidate| candidate.key.contract.clone())
    }

    #[test]
    fn one_each_20_s_the_urgent_first_and_then_in_turn() {
        let candidates = [candidate("calm", false), candidate("a", true), candidate("b", true)];
        let mut probes = Probes::default();
        let mut asked = Vec::new();
        for now in 150..=270 {
            if let Some(candidate) = probes.pick(&candidates, T(now)).cloned() {
                probes.ask(&candidate, T(now));
                asked.push((now, candidate.key.contract));
            }
        }
        let expected = [(150, "a"), (170, "b"), (190, "a"), (210, "b"), (230, "a"), (250, "b"), (270, "calm")];
        assert_eq!(asked, expected.map(|(now, name)| (now, name.to_owned())));
        assert_eq!(picked(&Probes::default(), &[], 150), None);
    }

    #[test]
    fn the_same_silence_is_asked_about_ever_more_rarely() {
        let only = [candidate("a", true)];
        let mut probes = Probes::default();
        let asked: Vec<u64> = (150..2_000)
            .filter(|now| {
                let due = probes.pick(&only, T(*now)).is_some();
                if due {
                    probes.ask(&only[0], T(*now));
                }
                due
            })
            .collect();
        let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses[..6], [20, 40, 80, 160, 320, 320]);
        // Another silence of the same stream.
        let another = [Candidate { from: T(1_990), ..only[0].clone() }];
        assert!(picked(&probes, &another, 2_040).is_some());
    }

    #[test]
    fn what_was_asked_too_soon_is_asked_again_when_history_can_tell() {
        let only = candidate("a", true);
        let mut probes = Probes::default();
        probes.ask(&only, T(101));
        assert_eq!(picked(&probes, std::slice::from_ref(&only), 129), None);
        assert!(picked(&probes, std::slice::from_ref(&only), 130).is_some());
        probes.ask(&only, T(121));
        assert_eq!(picked(&probes, std::slice::from_ref(&only), 140), None, "the login's spacing");
        assert!(picked(&probes, std::slice::from_ref(&only), 141).is_some());
    }

    #[test]
    fn an_answer_stands_until_the_next() {
        let only = candidate("a", true);
        let mut probes = Probes::default();
        assert_eq!(probes.answer(&only.key), None);
        probes.ask(&only, T(150));
        assert_eq!(probes.answer(&only.key), None);
        probes.answered(&only.key, Some(7));
        probes.ask(&only, T(170));
        assert_eq!(probes.answer(&only.key), Some(Answer { asked: T(150), newest: Some(7) }));
        probes.answered(&only.key, None);
        assert_eq!(probes.answer(&only.key), Some(Answer { asked: T(170), newest: None }));
    }
}
