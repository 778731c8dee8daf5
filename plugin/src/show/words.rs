//! Numbers and moments in words, and sentences in lines.

use jiff::Timestamp;
use marketstream_crds::{Rung, events::actions};
use textwrap::{Options, WordSplitter};

/// Columns of a terminal that pages fit.
pub(super) const WIDTH: usize = 100;

/// A sentence as a paragraph: `first` stands before its first line, and as many blanks before the others.
pub(crate) fn paragraph(first: &str, sentence: &str) -> String {
    let blanks = " ".repeat(textwrap::core::display_width(first));
    let options = options(WIDTH).initial_indent(first).subsequent_indent(&blanks);
    textwrap::fill(sentence, options) + "\n"
}

/// The lines of a sentence, at least one.
pub(super) fn lines(sentence: &str, width: usize) -> Vec<String> {
    textwrap::wrap(sentence, options(width)).into_iter().map(Into::into).collect()
}

/// What is a word, such as a name or a time, stays one: people copy it.
fn options<'a>(width: usize) -> Options<'a> {
    Options::new(width).break_words(false).word_splitter(WordSplitter::NoHyphenation)
}

/// A number of seconds as kubectl writes ages: the two largest units at most.
pub(super) fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => two(minutes, 'm', seconds % 60, 's'),
        7_200..172_800 => two(hours, 'h', minutes % 60, 'm'),
        _ => two(days, 'd', hours % 24, 'h'),
    }
}

fn two(large: u64, large_unit: char, small: u64, small_unit: char) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

/// What was done at a rung, by the name that its event has.
pub(super) fn done(rung: &Rung) -> &'static str {
    match (rung.action, rung.level) {
        (Some(kind), _) => kind.as_str(),
        (None, 4) => actions::CRITICAL,
        (None, 3) => actions::ROLL_REFUSED,
        (None, _) => actions::WARN,
    }
}

/// How long ago something was.
pub(super) fn since(then: Timestamp, now: Timestamp) -> String {
    age(now.duration_since(then).as_secs_f64())
}

/// When something will be.
pub(super) fn when(then: Timestamp, now: Timestamp) -> String {
    let left = then.duration_since(now).as_secs_f64();
    if left <= 0.0 { "now".to_owned() } else { format!("in {}", age(left)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_keeps_its_words_whole() {
        let text = "level 4 is due in 5m, and what the gateway says about it is rather long: it goes on and on, to mnq-front/BidAsk";
        assert_eq!(
            paragraph("  next  ", text),
            "  next  level 4 is due in 5m, and what the gateway says about it is rather long: it goes on and on,\n        \
             to mnq-front/BidAsk\n"
        );
    }

    #[test]
    fn ages_look_like_kubectls() {
        for (seconds, text) in
            [(0.4, "0s"), (119.0, "119s"), (120.0, "2m"), (125.0, "2m5s"), (7_260.0, "2h1m"), (180_000.0, "2d2h")]
        {
            assert_eq!(age(seconds), text);
        }
        assert_eq!(age(-5.0), "0s");
    }
}
