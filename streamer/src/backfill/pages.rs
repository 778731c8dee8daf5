//! What to ask next: history comes in answers of some 1,000 ticks, whole seconds each, one trading session a call.

/// What an answer means for the way through a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask from this second on: what lies before it is answered.
    Ask(i64),
    /// All of the range was answered.
    Complete,
    /// Nothing more is to be had, and it is not known that the contract trades again.
    Ended,
    /// The answer brought nothing of what was asked for, and nobody knows where to go on.
    Stuck,
}

/// Reads the answer to the question from second `from` on, of a range whose last second is `end`: ticks of these
/// `seconds`. `reopens` is the next second after `from` at which the contract trades again, when its session ended: an
/// empty answer may only mean that.
#[must_use]
pub fn answered(end: i64, from: i64, seconds: &[i64], reopens: impl FnOnce(i64) -> Option<i64>) -> Step {
    let last = seconds.iter().copied().filter(|second| *second >= from).max();
    let next = match last {
        // Seconds are whole: what follows begins after the last one.
        Some(last) => last + 1,
        None => match reopens(from).filter(|second| *second > from) {
            Some(second) => second,
            // Nothing at all from there on: nothing traded, as far as is known.
            None if seconds.is_empty() => return Step::Ended,
            None => return Step::Stuck,
        },
    };
    if next > end { Step::Complete } else { Step::Ask(next) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_after_the_last_second_until_the_end() {
        assert_eq!(answered(200, 100, &[100, 100, 140], |_| None), Step::Ask(141));
        // An answer may ignore the start: what lies before it is no progress.
        assert_eq!(answered(200, 141, &[120, 150], |_| None), Step::Ask(151));
        assert_eq!(answered(200, 151, &[160, 230], |_| None), Step::Complete);
        assert_eq!(answered(200, 151, &[200], |_| None), Step::Complete);
    }

    #[test]
    fn an_empty_answer_goes_on_with_the_next_session_or_is_the_end() {
        assert_eq!(answered(200, 100, &[], |_| None), Step::Ended);
        assert_eq!(answered(200, 100, &[], |_| Some(150)), Step::Ask(150));
        assert_eq!(answered(200, 100, &[90], |_| Some(150)), Step::Ask(150));
        assert_eq!(answered(200, 161, &[90], |_| None), Step::Stuck);
        assert_eq!(answered(200, 100, &[], |_| Some(300)), Step::Complete, "nothing trades until after the end");
        assert_eq!(answered(200, 100, &[90], |_| Some(100)), Step::Stuck, "never the same question again");
    }
}
