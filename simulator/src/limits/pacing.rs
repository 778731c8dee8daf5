//! The pace of questions to the history: 60 in ten minutes, of which quotes count twice; the same one again after 15 s
//! at the earliest; fewer than 6 in two seconds of the same contract, exchange and kind of data.
//!
//! In the original it holds for bars up to 30 s, real-time bars and historical ticks. One that is refused does not count.

use std::collections::VecDeque;

/// Questions in [`LONG_US`], those for quotes counted twice.
const MOST: u32 = 60;
const LONG_US: i64 = 600_000_000;

/// How long the same question is refused.
const SAME_US: i64 = 15_000_000;

/// Questions of one kind in [`SHORT_US`]: the sixth is one too many.
const MOST_OF_A_KIND: usize = 5;
const SHORT_US: i64 = 2_000_000;

/// A question, as far as its pace goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// IBKR's contract id.
    pub con_id: i32,
    /// Exchange.
    pub exchange: String,
    /// Kind of data, for example `TRADES`.
    pub what: String,
    /// Everything else that makes it this question.
    pub rest: String,
}

impl Question {
    fn weight(&self) -> u32 {
        if self.what.eq_ignore_ascii_case("BID_ASK") { 2 } else { 1 }
    }

    fn of_a_kind(&self, other: &Self) -> bool {
        (self.con_id, &self.exchange, &self.what) == (other.con_id, &other.exchange, &other.what)
    }
}

/// The questions of the last ten minutes.
#[derive(Debug, Default)]
pub struct Pacing(VecDeque<(i64, Question)>);

impl Pacing {
    /// Whether a question keeps the pace. If so, it counts.
    pub fn admits(&mut self, question: Question, now_us: i64) -> bool {
        self.0.retain(|(at, _)| (now_us - LONG_US + 1..=now_us).contains(at));
        let since = |span_us: i64| self.0.iter().filter(move |(at, _)| *at > now_us - span_us).map(|(_, asked)| asked);
        let weight: u32 = since(LONG_US).map(Question::weight).sum();
        let admitted = weight + question.weight() <= MOST
            && since(SAME_US).all(|asked| *asked != question)
            && since(SHORT_US).filter(|asked| asked.of_a_kind(&question)).count() < MOST_OF_A_KIND;
        if admitted {
            self.0.push_back((now_us, question));
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_800_000_000_000_000;
    const S: i64 = 1_000_000;

    fn question(what: &str, rest: usize) -> Question {
        Question { con_id: 5, exchange: "CME".into(), what: what.into(), rest: rest.to_string() }
    }

    #[test]
    fn sixty_in_ten_minutes_and_quotes_count_twice() {
        for (what, most) in [("TRADES", 60), ("BID_ASK", 30)] {
            let mut pacing = Pacing::default();
            for number in 0..most {
                assert!(pacing.admits(question(what, number), AT + number as i64 * S), "{what} {number}");
            }
            assert!(!pacing.admits(question(what, 99), AT + 599 * S), "{what}");
            assert!(pacing.admits(question(what, 99), AT + 600 * S), "{what}");
        }
    }

    #[test]
    fn the_same_question_waits_15_seconds() {
        let mut pacing = Pacing::default();
        assert!(pacing.admits(question("TRADES", 1), AT));
        assert!(!pacing.admits(question("TRADES", 1), AT + 15 * S - 1));
        assert!(pacing.admits(question("TRADES", 1), AT + 15 * S));
    }

    #[test]
    fn the_sixth_of_a_kind_in_two_seconds_is_one_too_many() {
        let mut pacing = Pacing::default();
        for number in 0..5 {
            assert!(pacing.admits(question("TRADES", number), AT));
        }
        assert!(!pacing.admits(question("TRADES", 6), AT + 2 * S - 1));
        assert!(pacing.admits(question("MIDPOINT", 6), AT + 2 * S - 1));
        assert!(pacing.admits(question("TRADES", 6), AT + 2 * S));
    }
}
