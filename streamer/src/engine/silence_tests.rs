//! Silences: who explains them, and which of them are gaps.

use marketstream_crds::{Session, TickType};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::{
    backfill::ledger::GapState,
    engine::{
        bench::{Bench, refusal, silent_since_100_s},
        stream::Origin,
    },
};

/// The process started at this second.
const START: i64 = 1_800_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Now {
    let mono = Duration::from_secs(seconds);
    Now { mono, wall: Timestamp::from_second(START).unwrap().checked_add(mono).unwrap() }
}

/// A stream that ticked last 200 s after the start, asked for at 100 s.
fn silent() -> StreamEntry {
    let mut stream = StreamEntry::new(at(0));
    ask(&mut stream, 100);
    stream.pulse.beat(at(200));
    stream.pulse.at_second(START + 200);
    stream
}

fn ask(stream: &mut StreamEntry, seconds: u64) {
    stream.cancel();
    let task = AbortOnDropHandle::new(tokio::spawn(std::future::pending()));
    stream.start(seconds, task, at(seconds).mono);
}

/// What is made of its silence, when history was asked five seconds ago.
fn state(stream: &mut StreamEntry, restored: Option<u64>, newest: i64, now: u64) -> StreamState {
    let key = StreamKey { contract: "a".to_owned(), tick: TickType::Last, roll: 0 };
    let answer = Some(Answer { asked: at(now - 5).mono, newest: Some(START + newest) });
    let restored = restored.map(|seconds| at(seconds).mono);
    let witnesses = Witnesses { line: None, answer, upstream_down: false, restored };
    let counted_from = Some(at(200).mono);
    let stale = Verdict { state: StreamState::Stale, session: Session::Open, counted_from, due: None };
    refine(&key, stream, stale, &witnesses, PATIENCE, at(now)).0.state
}

#[tokio::test]
async fn only_a_tick_ends_a_silence_in_which_ticks_were_missed() {
    let mut stream = silent();
    assert_eq!(state(&mut stream, None, 280, 300), StreamState::Stale);
    ask(&mut stream, 310);
    assert_eq!(state(&mut stream, None, 280, 400), StreamState::Stale, "nothing traded since, but a tick was missed");
    stream.heard();
    assert_eq!(state(&mut stream, None, 280, 400), StreamState::Quiet);
}

#[tokio::test]
async fn what_was_traded_while_the_link_was_lost_is_not_this_silences() {
    assert_eq!(state(&mut silent(), None, 280, 400), StreamState::Stale);
    assert_eq!(state(&mut silent(), Some(290), 280, 400), StreamState::Quiet);
}

impl Bench {
    /// The state at that second, and whether a gap is open.
    fn judged(&mut self, key: &StreamKey, at: Now, second: u64) -> (StreamState, bool) {
        self.engine.judge(Now { mono: Duration::from_secs(second), ..at });
        let open = self.engine.gaps.is_open(recorded(&self.engine.contracts, key).unwrap());
        (self.engine.streams[key].verdict.state, open)
    }
}

#[tokio::test]
async fn a_silence_is_witnessed_only_while_the_line_speaks() {
    use StreamState::{Flowing, Quiet, Stale};
    let mut bench = Bench::new();
    let (key, at) = silent_since_100_s(&mut bench);
    // It goes on speaking: nothing traded.
    bench.line_speaks(112);
    for (second, expected) in [(155, (Flowing, false)), (161, (Quiet, false)), (190, (Quiet, false))] {
        bench.line_speaks(second - 20);
        assert_eq!(bench.judged(&key, at, second), expected, "{second}");
    }
    // Its last word was at 170 s: from 200 s on nobody knows, and from 230 s on it is stale.
    assert_eq!(bench.judged(&key, at, 199), (Quiet, false));
    assert_eq!(bench.judged(&key, at, 200), (Quiet, true));
    assert_eq!(bench.judged(&key, at, 231), (Stale, true));
}

#[tokio::test]
async fn a_line_that_spoke_early_and_died_with_its_stream_hides_no_loss() {
    for (last_words, witnessed) in [
        (&[103][..], false),
        (&[110], false),
        (&[119, 130], false),
        // It had paused itself.
        (&[132], false),
        (&[115, 160], false),
        (&[119, 140], true),
        (&[110, 130, 158], true),
    ] {
        let mut bench = Bench::new();
        let (key, at) = silent_since_100_s(&mut bench);
        last_words.iter().for_each(|second| bench.line_speaks(*second));
        let quiet = bench.judged(&key, at, 161);
        assert_eq!(quiet, (StreamState::Quiet, !witnessed), "last words at {last_words:?} s");
        // Both are back: what was lost in between is asked of history.
        bench.ticks(&key, at, 165);
        let gaps = bench.silences(at);
        assert_eq!(gaps, usize::from(!witnessed), "last words at {last_words:?} s");
    }
}

#[tokio::test]
async fn a_line_has_nothing_to_witness_before_the_silence_counts() {
    for (first_word, open) in [(1_020, false), (1_040, true)] {
        let mut bench = Bench::new();
        let (key, at) = silent_since_100_s(&mut bench);
        // As after a night: the session opened then.
        bench.stream("a/Last").first_asked = Some(Duration::from_secs(1_000));
        [first_word, 1_045, 1_055].iter().for_each(|second| bench.line_speaks(*second));
        assert_eq!(bench.judged(&key, at, 1_061), (StreamState::Quiet, open), "first word at {first_word} s");
        bench.ticks(&key, at, 1_062);
        assert_eq!(bench.silences(at), usize::from(open), "first word at {first_word} s");
    }
}

#[tokio::test]
async fn a_silence_that_grew_doubtful_while_the_engine_stood_still_is_a_gap_all_the_same() {
    for (quiet_at, last_words, gaps) in [
        // It was called quiet at 161 s, and nobody has looked since.
        (Some(161), &[115, 140][..], 1),
        (Some(161), &[115, 140, 165], 0),
        // The line was back before the stream.
        (Some(161), &[115, 140, 188], 1),
        // Nobody has looked at all.
        (None, &[], 1),
        (None, &[115, 140, 165], 0),
        (None, &[115, 140, 188], 1),
    ] {
        let mut bench = Bench::new();
        let (key, at) = silent_since_100_s(&mut bench);
        bench.judged(&key, at, 101);
        let (before, after): (Vec<u64>, Vec<u64>) = last_words.iter().partition(|second| **second < 161);
        before.into_iter().for_each(|second| bench.line_speaks(second));
        if let Some(second) = quiet_at {
            assert_eq!(bench.judged(&key, at, second), (StreamState::Quiet, false));
        }
        after.into_iter().for_each(|second| bench.line_speaks(second));
        bench.ticks(&key, at, 190);
        assert_eq!(bench.silences(at), gaps, "{quiet_at:?}, last words at {last_words:?} s");
    }
}

impl Bench {
    /// A tick comes at that second, and the engine hears of it if it wants to.
    fn ticks(&mut self, key: &StreamKey, at: Now, second: u64) {
        let now = Now { mono: Duration::from_secs(second), ..at };
        let ibkr = at.wall.as_second() + 1;
        if self.engine.streams[key].pulse.tick(now, ibkr) {
            self.engine.ticked(key, 1, ibkr, now);
        }
    }

    /// How many silences have become gaps; all of them have ended.
    fn silences(&self, at: Now) -> usize {
        let ledger = self.engine.gaps.published().0;
        let gaps = ledger.gaps().iter();
        gaps.inspect(|gap| {
            assert_eq!((gap.cause, gap.state), (GapCause::Silence, GapState::Pending));
            assert_eq!(gap.after, Some(at.wall.as_second()));
        })
        .count()
    }
}

#[tokio::test]
async fn that_data_are_delayed_is_as_old_as_the_lines_last_word() {
    let mut bench = Bench::new();
    let (key, at) = silent_since_100_s(&mut bench);
    bench.engine.lines.get_mut("a").unwrap().restart(Duration::from_secs(9_999_999));
    for hour in [1, 27] {
        let now = Now {
            mono: at.mono + Duration::from_secs(3_600 * hour),
            wall: at.wall + jiff::SignedDuration::from_hours(hour as i64),
        };
        bench.engine.lines.get_mut("a").unwrap().refused = Some(refusal(10167, now));
        bench.engine.judge(now);
        let stream = &bench.engine.streams[&key];
        assert_eq!(stream.verdict.state, StreamState::Rejected);
        assert_eq!(stream.error.as_ref().map(|error| error.time), Some(now.wall.into()), "after {hour} hours");
    }
    // The stream's own refusal is another matter.
    bench.stream("a/Last").error = Some(refusal(354, at));
    bench.engine.judge(at);
    assert_eq!(bench.engine.streams[&key].error.as_ref().map(|error| error.code), Some(354));
}

#[tokio::test]
async fn a_live_tick_makes_void_what_the_line_was_told_before() {
    let mut bench = Bench::new();
    let (key, at) = silent_since_100_s(&mut bench);
    bench.engine.lines.get_mut("a").unwrap().restart(Duration::from_secs(9_999_999));
    bench.stream("a/Last").pulse.at_second(at.wall.as_second() - 60);
    for (told_before, state) in [(90, StreamState::Stale), (30, StreamState::Rejected)] {
        let told = Now { wall: at.wall - jiff::SignedDuration::from_secs(told_before), ..at };
        bench.engine.lines.get_mut("a").unwrap().refused = Some(refusal(10167, told));
        let now = Now { mono: Duration::from_secs(161), ..at };
        bench.engine.judge(now);
        assert_eq!(bench.engine.streams[&key].verdict.state, state, "told {told_before} s before");
    }
}

#[tokio::test]
async fn what_a_gateway_refused_is_missed_only_since_it_gives_it_again() {
    for (origin, excused) in [(Origin::Gateway, true), (Origin::Hold, false)] {
        let mut bench = Bench::new();
        let (_, at) = silent_since_100_s(&mut bench);
        let stream = bench.stream("a/Last");
        stream.refuse(origin, 354, "told", at);
        stream.accepted(at.mono);
        assert!(!stream.is_refused());
        assert_eq!(stream.excused_until, excused.then_some(at.mono), "{origin:?}");
    }
}
