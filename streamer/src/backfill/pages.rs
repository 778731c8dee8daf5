//! What to ask next: history comes in answers of some 1,000 ticks, whole seconds each, one trading session a call.

use std::ops::RangeInclusive;

/// Answers in a row that bring nothing new before it is given up.
const FRUITLESS: u32 = 2;

/// The way through one range of seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    range: RangeInclusive<i64>,
    next: i64,
    fruitless: u32,
}

/// What an answer means for the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask from this second on.
    Ask(i64),
    /// All of the range was answered.
    Complete,
    /// No progress: the rest of the range, from this second on, has no history.
    Stuck(i64),
}

impl Pages {
    /// Begins at the start of the range.
    #[must_use]
    pub fn new(range: RangeInclusive<i64>) -> Self {
        Self { next: *range.start(), range, fruitless: 0 }
    }

    /// What to ask first.
    #[must_use]
    pub fn first(&self) -> Step {
        if self.range.is_empty() { Step::Complete } else { Step::Ask(self.next) }
    }

    /// An answer came, with ticks of these seconds. `reopens` is the next second after `next` at which the contract
    /// trades again, when its session ended: an empty answer may only mean that.
    pub fn answered(&mut self, seconds: &[i64], reopens: impl FnOnce(i64) -> Option<i64>) -> Step {
        let last = seconds.iter().copied().filter(|second| *second >= self.next).max();
        match last {
            // Seconds are whole: what follows begins after the last one.
            Some(last) => {
                self.next = last + 1;
                self.fruitless = 0;
            }
            None => {
                self.fruitless += 1;
                match reopens(self.next).filter(|second| *second > self.next) {
                    Some(second) if self.fruitless <= FRUITLESS => self.next = second,
                    // Nothing at all from there on: nothing traded.
                    _ if seconds.is_empty() => return Step::Complete,
                    _ => return Step::Stuck(self.next),
                }
            }
        }
        self.end(Step::Ask(self.next))
    }

    fn end(&self, step: Step) -> Step {
        if self.next > *self.range.end() { Step::Complete } else { step }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_after_the_last_second_until_the_end() {
        let mut pages = Pages::new(100..=200);
        assert_eq!(pages.first(), Step::Ask(100));
        assert_eq!(pages.answered(&[100, 100, 140], |_| None), Step::Ask(141));
        // An answer may ignore the start: what lies before it is no progress.
        assert_eq!(pages.answered(&[120, 150], |_| None), Step::Ask(151));
        assert_eq!(pages.answered(&[160, 230], |_| None), Step::Complete);
    }

    #[test]
    fn an_empty_answer_goes_on_with_the_next_session_or_is_the_end() {
        assert_eq!(Pages::new(100..=200).answered(&[], |_| None), Step::Complete);
        let mut pages = Pages::new(100..=200);
        assert_eq!(pages.answered(&[], |_| Some(150)), Step::Ask(150));
        assert_eq!(pages.answered(&[150, 160], |_| None), Step::Ask(161));
        assert_eq!(pages.answered(&[90], |_| None), Step::Stuck(161));
        let mut pages = Pages::new(100..=200);
        assert_eq!(pages.answered(&[], |_| Some(300)), Step::Complete, "nothing trades until after the end");
        let (from, to) = (1, 0);
        assert_eq!(Pages::new(from..=to).first(), Step::Complete);
    }

    #[test]
    fn no_progress_again_and_again_is_given_up() {
        let mut pages = Pages::new(100..=200);
        let mut asked = 0;
        while let Step::Ask(_) = pages.answered(&[50], |next| Some(next + 1)) {
            asked += 1;
            assert!(asked < 10, "it goes on for ever");
        }
    }
}
