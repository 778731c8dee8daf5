use super::*;
use crate::history::Mode;
use crate::history::truth::Fate;
use crate::market::MarketConfig;

const SIM1: i32 = 900_001;
const MNQ: i32 = 711_280_073;

/// Tuesday 2026-11-24 15:00:00 UTC.
const NOON_S: i64 = 1_795_532_400;

/// Close of MNQ's session on that day, 16:00 US/Central, and the open of the next.
const CLOSE_S: i64 = NOON_S + 7 * 3_600;
const OPEN_S: i64 = CLOSE_S + 3_600;

fn market() -> Market {
    Market::new(MarketConfig { today: jiff::civil::date(2026, 11, 24), ..Default::default() })
}

fn ideal(market: &Market) -> Archive<'_> {
    Archive { market, config: HistoryConfig::default(), seed: 1 }
}

fn realistic(market: &Market) -> Archive<'_> {
    let config = HistoryConfig { mode: Mode::Realistic, late: false, early_start: false, ..Default::default() };
    Archive { config, ..ideal(market) }
}

fn question(con_id: i32, what: What, start: i64) -> Question {
    let anchor = Anchor::Start(start);
    Question { con_id, what, anchor, count: 1_000, use_rth: false, ignore_size: false }
}

fn live(market: &Market, stream: Stream, seconds: std::ops::Range<i64>) -> Vec<Tick> {
    seconds.flat_map(|second| market.ticks_of_second(stream, second)).collect()
}

/// All pages from a second on, each from the second after the last one of the page before.
fn pages(archive: Archive<'_>, first: Question, asked_us: i64) -> Vec<Vec<Tick>> {
    let mut pages = Vec::new();
    let mut next = first;
    loop {
        let page = archive.answer(&next, asked_us);
        let Some(last) = page.last() else { return pages };
        next.anchor = Anchor::Start(last.second + 1);
        pages.push(page);
    }
}

#[test]
fn pages_of_whole_seconds_are_exactly_what_was_live() {
    let market = market();
    let now_us = NOON_S * 1_000_000 + 700_000;
    for what in What::ALL {
        let pages = pages(ideal(&market), question(SIM1, what, NOON_S - 900), now_us);
        let (last, full) = pages.split_last().unwrap();
        assert!(full.iter().all(|page| page.len() >= 1_000) && last.len() < 1_000, "{what:?}");
        assert_eq!(pages.concat(), live(&market, what.stream(SIM1), NOON_S - 900..NOON_S), "{what:?}");
    }
}

#[test]
fn a_page_ends_with_its_trading_day_and_the_next_goes_on_after_the_break() {
    let market = market();
    let stream = What::BidAsk.stream(MNQ);
    let now_us = (OPEN_S + 60) * 1_000_000;
    let pages = pages(ideal(&market), question(MNQ, What::BidAsk, CLOSE_S - 20), now_us);
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[0], live(&market, stream, CLOSE_S - 20..CLOSE_S));
    assert_eq!(pages[1], live(&market, stream, OPEN_S..OPEN_S + 60));
    // Asked for in the break, the answer is of the day to come, which is not there before it has begun.
    let in_break = question(MNQ, What::BidAsk, CLOSE_S + 60);
    assert_eq!(ideal(&market).answer(&in_break, now_us), pages[1]);
    assert_eq!(ideal(&market).answer(&in_break, OPEN_S * 1_000_000), []);
}

#[test]
fn an_end_gives_the_ticks_before_it() {
    let market = market();
    let now_us = (OPEN_S + 60) * 1_000_000;
    let end = |end| Question { anchor: Anchor::End(end), ..question(MNQ, What::Trades, 0) };
    let stream = What::Trades.stream(MNQ);
    let answer = ideal(&market).answer(&end(NOON_S), now_us);
    assert!(answer.len() >= 1_000);
    assert_eq!(answer, live(&market, stream, answer[0].second..NOON_S));
    assert!(answer.iter().filter(|tick| tick.second > answer[0].second).count() < 1_000);
    // Of one day only, and of the last one when the market is closed.
    assert_eq!(ideal(&market).answer(&end(OPEN_S + 30), now_us), live(&market, stream, OPEN_S..OPEN_S + 30));
    let last = ideal(&market).answer(&end(CLOSE_S + 60), now_us);
    assert_eq!(last.last(), live(&market, stream, CLOSE_S - 60..CLOSE_S).last());
}

#[test]
fn what_is_not_past_is_not_there() {
    let market = market();
    let now_us = NOON_S * 1_000_000 + 999_999;
    let answer = |lag_s, start| {
        let config = HistoryConfig { lag_s, ..Default::default() };
        Archive { config, ..ideal(&market) }.answer(&question(SIM1, What::Trades, start), now_us)
    };
    assert_eq!(answer(0, NOON_S), []);
    assert_eq!(answer(0, NOON_S + 3_600), []);
    assert_eq!(answer(0, NOON_S - 1).last().unwrap().second, NOON_S - 1);
    assert_eq!(answer(10, NOON_S - 10), []);
    assert_eq!(answer(10, NOON_S - 20).last().unwrap().second, NOON_S - 11);
}

#[test]
fn nothing_is_older_than_the_history() {
    let market = market();
    let contract = market.catalog().by_id(MNQ).unwrap();
    let begin = begin_s(contract, market.hours(contract)).unwrap();
    let answer = ideal(&market).answer(&question(MNQ, What::Trades, 0), NOON_S * 1_000_000);
    assert_eq!(answer[0].second, begin);
    assert_eq!(ideal(&market).answer(&question(7, What::Trades, 0), NOON_S * 1_000_000), []);
}

#[test]
fn liquid_hours_and_prices_only() {
    let market = market();
    let day = day_from(market.hours(market.catalog().by_id(MNQ).unwrap()), NOON_S).unwrap();
    let liquid = day.liquid[0];
    let start = question(MNQ, What::BidAsk, liquid.open_s - 600);
    let now_us = NOON_S * 1_000_000;
    let answer = ideal(&market).answer(&Question { use_rth: true, ..start }, now_us);
    assert!(answer[0].second >= liquid.open_s && answer[0].second < liquid.open_s + 60);
    // Without changes of sizes: each differs from the one before in a price, and no price is left out.
    let all = ideal(&market).answer(&Question { count: 500, ..start }, now_us);
    let moves = ideal(&market).answer(&Question { count: 500, ignore_size: true, ..start }, now_us);
    assert!(moves.windows(2).all(|pair| prices_of(&pair[0]) != prices_of(&pair[1])));
    let mut expected = all.clone();
    expected.dedup_by_key(|tick| prices_of(tick));
    let before = live(&market, What::BidAsk.stream(MNQ), start_second(&start) - 60..start_second(&start)).pop();
    if before.is_some_and(|before| prices_of(&before) == prices_of(&expected[0])) {
        expected.remove(0);
    }
    let shared = expected.len().min(moves.len());
    assert!(shared > 50);
    assert_eq!(moves[..shared], expected[..shared]);
}

fn start_second(question: &Question) -> i64 {
    match question.anchor {
        Anchor::Start(second) | Anchor::End(second) => second,
    }
}

#[test]
fn the_truth_tells_each_difference_of_realistic_answers() {
    let market = market();
    let archive = realistic(&market);
    let asked_us = (NOON_S + 3_600) * 1_000_000;
    let seconds = NOON_S..NOON_S + 900;
    for what in What::ALL {
        let stream = what.stream(SIM1);
        let answered = pages(archive, question(SIM1, what, NOON_S), asked_us).concat();
        let mut seen = Vec::new();
        for second in seconds.clone() {
            let truth = archive.truth(SIM1, what, second, asked_us);
            assert!(truth.there);
            let ticks: Vec<_> = answered.iter().filter(|tick| tick.second == second).collect();
            let live = market.ticks_of_second(stream, second);
            assert_eq!((truth.answered, truth.live), (ticks.len(), live.len()), "{truth:?}");
            // Put together again from the live ticks and the changes.
            let gone = |tick: &&Tick| {
                !truth.changes.iter().any(|change| (change.second, change.index) == (second, tick.index))
            };
            let kept = live.iter().filter(gone).map(|tick| tick.body.clone());
            let come = truth
                .changes
                .iter()
                .filter(|change| change.second != second)
                .map(|change| market.ticks_of_second(stream, change.second)[change.index as usize].body.clone());
            let mut expected: Vec<Body> = kept.chain(come).collect();
            for tick in &ticks {
                let at = expected.iter().position(|body| *body == tick.body).expect("an expected tick");
                expected.swap_remove(at);
            }
            assert_eq!(expected, []);
            assert_eq!(
                truth.exact(),
                truth.changes.is_empty() || truth.equal == truth.live && truth.equal == ticks.len()
            );
            seen.extend(truth.changes.into_iter().map(|change| change.fate));
        }
        let happens = |wanted: fn(&Fate) -> bool| seen.iter().any(wanted);
        assert!(happens(|fate| matches!(fate, Fate::Shifted(1))) && happens(|fate| matches!(fate, Fate::Shifted(-1))));
        assert!(happens(|fate| *fate == Fate::TakenBack) && !happens(|fate| *fate == Fate::Unsettled));
        assert_eq!(happens(|fate| *fate == Fate::Conflated), what != What::Trades);
        assert_eq!(happens(|fate| *fate == Fate::Filtered), what == What::Trades);
    }
}

#[test]
fn an_answer_changes_once_when_it_settles() {
    let market = market();
    let archive = realistic(&market);
    let stream = What::Trades.stream(SIM1);
    let at = |second, age: i64| archive.ticks_of_second(stream, second, (second + age) * 1_000_000);
    let mut changed = 0;
    for second in NOON_S..NOON_S + 600 {
        assert_eq!(at(second, 10), at(second, 100));
        assert_eq!(at(second, 700), at(second, 100_000));
        changed += usize::from(at(second, 10) != at(second, 100_000));
    }
    assert!((10..200).contains(&changed), "{changed}");
}

#[test]
fn realistic_history_is_late_and_its_end_never_goes_back() {
    let market = market();
    let config = HistoryConfig { mode: Mode::Realistic, ..Default::default() };
    let archive = Archive { config, ..ideal(&market) };
    let ends: Vec<i64> = (NOON_S..NOON_S + 7_200).map(|now| now - archive.horizon_s(SIM1, now * 1_000_000)).collect();
    assert!(ends.iter().all(|late| (5..=300).contains(late)));
    assert!(ends.windows(2).all(|pair| pair[1] - pair[0] <= 1));
    assert!(ends.iter().max() > Some(&100) && ends.iter().min() < Some(&100));
}

#[test]
fn some_answers_begin_too_early_and_every_switch_can_be_off() {
    let market = market();
    let config = HistoryConfig { mode: Mode::Realistic, ..Default::default() };
    let archive = Archive { config, ..ideal(&market) };
    let few = |start| Question { count: 1, ..question(SIM1, What::Trades, start) };
    let early = |archive: Archive<'_>| {
        let starts = (NOON_S..NOON_S + 400).filter(|start| {
            let answer = archive.answer(&few(*start), (NOON_S + 3_600) * 1_000_000);
            answer[0].second < *start
        });
        starts.count()
    };
    assert!((5..60).contains(&early(archive)), "{}", early(archive));
    let off = HistoryConfig {
        late: false,
        filter: false,
        conflate: false,
        shift: false,
        settle: false,
        early_start: false,
        ..config
    };
    let off = Archive { config: off, ..archive };
    assert_eq!(early(off), 0);
    for what in What::ALL {
        for second in NOON_S..NOON_S + 60 {
            assert!(off.truth(SIM1, what, second, (second + 1) * 1_000_000).changes.is_empty());
        }
    }
}
