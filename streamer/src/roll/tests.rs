use proptest::prelude::*;
use serde_json::json;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn roll(rule: &str, days: Option<i32>, overlap: &str) -> Roll {
    let mut roll = json!({"rule": rule, "overlap": overlap});
    if let Some(days) = days {
        roll["days"] = days.into();
    }
    serde_json::from_value(roll).unwrap()
}

/// Quarterly expiries: contracts 1 to 4.
fn market() -> Market {
    let dates = ["20261218", "20270319", "20270617", "20270917"];
    let candidates = dates
        .iter()
        .zip(1..)
        .map(|(date, con_id)| Candidate { con_id, expiry: Expiry::read(date, "US/Central").unwrap() });
    Market { candidates: candidates.collect(), ..Market::default() }
}

fn with_front(front: i32) -> Market {
    Market { front: Some(front), ..market() }
}

fn with_volumes(volumes: &[(i32, f64)]) -> Market {
    let day = "2026-12-10".parse().unwrap();
    Market { volumes: Some(Volumes { day, of: volumes.iter().copied().collect() }), ..market() }
}

/// Current, next, from and until.
fn short(choice: &Choice) -> (i32, Option<(i32, String, String)>) {
    let next = choice.next.as_ref().map(|next| (next.con_id, next.from.to_string(), next.until.to_string()));
    (choice.current.con_id, next)
}

fn next(con_id: i32, from: &str, until: &str) -> Option<(i32, String, String)> {
    Some((con_id, from.to_owned(), until.to_owned()))
}

#[test]
fn by_the_calendar_the_roll_is_known_long_before() {
    let roll = roll("DaysBeforeExpiry", Some(8), "10m");
    let expected = next(2, "2026-12-10T05:50:00Z", "2026-12-10T06:00:00Z");
    for now in ["2026-11-24T12:00:00Z", "2026-12-10T05:49:59Z", "2026-12-10T05:50:00Z", "2026-12-10T05:59:59Z"] {
        let choice = decide(&roll, &market(), None, at(now)).unwrap();
        assert_eq!(short(&choice), (1, expected.clone()), "{now}");
        assert_eq!(choice.overlapping(at(now)).is_some(), now >= "2026-12-10T05:50");
    }
    let after = decide(&roll, &market(), None, at("2026-12-10T06:00:00Z")).unwrap();
    // In March summer time has begun.
    assert_eq!(short(&after), (2, next(3, "2027-03-11T05:50:00Z", "2027-03-11T06:00:00Z")));
    assert_eq!(after.current.since, None, "a first choice replaces nothing");
}

#[test]
fn who_was_away_over_the_roll_learns_when_the_next_contract_was_due() {
    let roll = roll("DaysBeforeExpiry", Some(8), "10m");
    let before = decide(&roll, &market(), None, at("2026-12-09T12:00:00Z")).unwrap();
    let after = decide(&roll, &market(), Some(&before), at("2026-12-12T12:00:00Z")).unwrap();
    assert_eq!((after.current.con_id, after.current.since), (2, Some(at("2026-12-10T05:50:00Z"))));
    // Contracts that have ended meanwhile are passed over.
    let much_later = decide(&roll, &market(), Some(&before), at("2027-05-01T12:00:00Z")).unwrap();
    assert_eq!((much_later.current.con_id, much_later.current.since), (3, Some(at("2026-12-10T05:50:00Z"))));
}

#[test]
fn a_front_that_moves_is_followed_with_an_overlap() {
    let (roll, t0) = (roll("IBFront", None, "1h"), at("2026-12-10T12:00:00Z"));
    let first = decide(&roll, &with_front(1), None, t0).unwrap();
    assert_eq!(short(&first), (1, None));
    let seen = decide(&roll, &with_front(2), Some(&first), t0).unwrap();
    assert_eq!(short(&seen), (1, next(2, "2026-12-10T12:00:00Z", "2026-12-10T13:00:00Z")));
    // A front that flickers back does not end what has begun.
    let half = decide(&roll, &with_front(1), Some(&seen), at("2026-12-10T12:30:00Z")).unwrap();
    assert_eq!(half, seen);
    let over = decide(&roll, &with_front(1), Some(&half), at("2026-12-10T13:00:00Z")).unwrap();
    assert_eq!((short(&over), over.current.since), ((2, None), Some(t0)));
    let back = decide(&roll, &with_front(1), Some(&over), at("2026-12-10T14:00:00Z")).unwrap();
    assert_eq!(short(&back), (2, None), "never back");
}

#[test]
fn an_unknown_front_keeps_what_is_recorded_until_it_ends() {
    let roll = roll("IBFront", None, "1h");
    let (before, on_the_day) = (at("2026-12-10T12:00:00Z"), at("2026-12-18T20:00:00Z"));
    let first = decide(&roll, &market(), None, before).unwrap();
    assert_eq!(decide(&roll, &with_front(99), Some(&first), on_the_day).unwrap().current.con_id, 1);
    let ended = decide(&roll, &market(), Some(&first), at("2026-12-20T12:00:00Z")).unwrap();
    assert_eq!(short(&ended), (2, None));
}

#[test]
fn the_last_day_cuts_the_overlap_short() {
    let roll = roll("IBFront", None, "24h");
    let now = at("2026-12-18T20:00:00Z");
    let first = decide(&roll, &with_front(1), None, now).unwrap();
    let seen = decide(&roll, &with_front(2), Some(&first), now).unwrap();
    assert_eq!(short(&seen), (1, next(2, "2026-12-18T20:00:00Z", "2026-12-19T06:00:00Z")));
}

#[test]
fn by_volume_the_leader_takes_over_and_expiries_without_trade_are_passed_over() {
    let (roll, now) = (roll("Volume", None, "0s"), at("2026-12-11T12:00:00Z"));
    let first = decide(&roll, &with_volumes(&[(1, 900.0), (2, 100.0), (3, 0.0)]), None, now).unwrap();
    assert_eq!(short(&first), (1, None));
    for (volumes, expected) in [
        (&[(1, 900.0), (2, 900.0)][..], 1),
        (&[(1, 900.0), (2, 901.0)], 2),
        (&[(1, 900.0), (2, 100.0), (3, 2_000.0)], 3),
        (&[(2, 901.0)], 1),
        (&[(1, 0.0), (2, 0.0)], 1),
    ] {
        let choice = decide(&roll, &with_volumes(volumes), Some(&first), now).unwrap();
        assert_eq!(short(&choice), (expected, None), "{volumes:?}");
    }
    assert_eq!(short(&decide(&roll, &market(), Some(&first), now).unwrap()), (1, None), "no volumes, no roll");
    // What stopped trading this morning is no longer listed.
    let mut listed = with_volumes(&[(1, 900.0), (2, 100.0)]);
    listed.candidates.remove(0);
    assert_eq!(short(&decide(&roll, &listed, Some(&first), now).unwrap()), (2, None));
}

#[test]
fn another_rule_chooses_anew() {
    let now = at("2026-12-01T12:00:00Z");
    let early = decide(&roll("DaysBeforeExpiry", Some(30), "0s"), &market(), None, now).unwrap();
    assert_eq!(early.current.con_id, 2);
    let corrected = decide(&roll("DaysBeforeExpiry", Some(8), "0s"), &market(), Some(&early), now).unwrap();
    assert_eq!((corrected.current.con_id, corrected.current.since), (1, None));
    // Another overlap is no other rule.
    let longer = decide(&roll("DaysBeforeExpiry", Some(30), "1h"), &market(), Some(&early), now).unwrap();
    assert_eq!(longer.current, early.current);
}

#[test]
fn without_a_contract_that_trades_there_is_no_choice() {
    let roll = roll("IBFront", None, "0s");
    assert_eq!(decide(&roll, &market(), None, at("2028-01-01T00:00:00Z")), None);
    assert_eq!(decide(&roll, &Market::default(), None, at("2026-12-01T00:00:00Z")), None);
}

#[test]
fn the_last_listed_contract_stays_when_nothing_follows() {
    let roll = roll("DaysBeforeExpiry", Some(8), "10m");
    let choice = decide(&roll, &market(), None, at("2027-09-15T00:00:00Z")).unwrap();
    assert_eq!(short(&choice), (4, None));
}

#[derive(Clone, Debug)]
struct Step {
    hours: i64,
    front: i32,
    volumes: Vec<f64>,
    restart: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1..400_i64, 1..6_i32, proptest::collection::vec(0.0..10.0_f64, 4), any::<bool>())
        .prop_map(|(hours, front, volumes, restart)| Step { hours, front, volumes, restart });
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #[test]
    fn it_never_goes_back_and_never_records_what_has_ended(
        rule in prop_oneof![Just("IBFront"), Just("DaysBeforeExpiry"), Just("Volume")],
        days in 0..100_i32,
        overlap in 0..86_400_u64,
        steps in steps(),
    ) {
        let roll = roll(rule, (rule == "DaysBeforeExpiry").then_some(days), &format!("{overlap}s"));
        let mut now = at("2026-11-24T12:00:00Z");
        let mut chosen: Option<Choice> = None;
        for Step { hours, front, volumes, restart } in steps {
            now += SignedDuration::from_hours(hours);
            let of = volumes.into_iter().zip(1..).map(|(volume, con_id)| (con_id, volume)).collect();
            let volumes = Some(Volumes { day: "2026-12-10".parse().unwrap(), of });
            let market = Market { front: Some(front), volumes, ..market() };
            let Some(choice) = decide(&roll, &market, chosen.as_ref(), now) else {
                prop_assert!(market.candidates.iter().all(|candidate| candidate.expiry.passed(now)) || chosen.is_some());
                break;
            };
            let alive = market.candidates.iter().any(|candidate| !candidate.expiry.passed(now));
            prop_assert!(!choice.current.expiry.passed(now) || !alive);
            if let Some(before) = &chosen {
                prop_assert!(choice.current.expiry.ends() >= before.current.expiry.ends());
                let replaced = choice.current.con_id != before.current.con_id;
                prop_assert!(!replaced || choice.current.since.is_some_and(|since| since <= now));
                // What has begun is carried through, unless it has ended meanwhile.
                if let Some(begun) = before.overlapping(now).filter(|next| !next.expiry.passed(now)) {
                    let kept = choice.next.as_ref() == Some(begun);
                    let expected = if begun.until <= now { replaced } else { kept };
                    prop_assert!(expected, "{:?} {:?}", before, choice);
                }
            }
            if let Some(next) = &choice.next {
                prop_assert!(next.until > now && next.from <= next.until);
                prop_assert!(next.expiry.ends() > choice.current.expiry.ends());
                prop_assert!(next.until <= choice.current.expiry.ends());
            }
            prop_assert!(choice.review(now) > now);
            // Deciding again, also after a restart, changes nothing.
            let kept = serde_json::to_string(&choice).unwrap();
            let read: Choice = serde_json::from_str(&kept).unwrap();
            prop_assert_eq!(decide(&roll, &market, Some(&read), now), Some(choice.clone()));
            chosen = Some(if restart { read } else { choice });
        }
    }
}
