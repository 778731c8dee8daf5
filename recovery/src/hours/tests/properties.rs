//! What holds for every text.

use super::*;

/// Texts of days from late October to mid November, or March, in every form: sessions, breaks, nights and holidays.
fn texts() -> impl Strategy<Value = String> {
    let time =
        || (0..24u32, prop::sample::select(vec![0u32, 1, 15, 30, 59])).prop_map(|(h, m)| format!("{h:02}{m:02}"));
    let older = (time(), time()).prop_map(|(start, end)| format!("{start}-{end}"));
    let part = prop_oneof![
        4 => older.prop_map(|range| vec![range]),
        2 => prop::collection::vec((time(), time()).prop_map(|(start, end)| format!("{start}-{end}")), 2..4),
        1 => Just(vec!["0000-2359".to_string()]),
        1 => Just(vec!["0000-2400".to_string()]),
        1 => Just(vec!["CLOSED".to_string()]),
    ];
    let month = prop::sample::select(vec!["202603", "202610", "202611"]);
    let day = (month, 1..31u32, part).prop_map(|(month, day, parts)| {
        let date = format!("{month}{:02}", if month == "202611" { day.min(30) } else { day });
        format!("{date}:{}", parts.join(","))
    });
    prop::collection::vec(day, 1..12).prop_map(|days| days.join(";"))
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["US/Eastern", "US/Central", "MET", "GB-Eire", "Hongkong", "JST", "Australia/NSW", "UTC"])
}

fn check(hours: &TradingHours, now: Timestamp) -> Result<(), TestCaseError> {
    let nanosecond = 1.nanosecond();
    match hours.at(now) {
        SessionState::Open { since, until } => {
            prop_assert!(since <= now && now < until);
            prop_assert_eq!(hours.at(since), hours.at(now));
            prop_assert_eq!(hours.at(until - nanosecond), hours.at(now));
            prop_assert!(!matches!(hours.at(until), SessionState::Open { .. }), "not merged: {:?}", hours.at(until));
            let before = hours.at(since - nanosecond);
            prop_assert!(!matches!(before, SessionState::Open { .. }), "not merged: {:?}", before);
            prop_assert!(hours.known_until().is_some_and(|end| until <= end));
        }
        SessionState::Closed { until: Some(until) } => {
            prop_assert!(now < until);
            prop_assert_eq!(hours.at(until - nanosecond), hours.at(now));
            let opens = matches!(hours.at(until), SessionState::Open { since, .. } if since == until);
            prop_assert!(opens);
        }
        SessionState::Closed { until: None } => {
            let end = hours.known_until().expect("a text");
            prop_assert!(now < end);
            prop_assert_eq!(hours.at(end - nanosecond), hours.at(now));
        }
        SessionState::Unknown => {
            let covered = hours.covered.expect("a text");
            prop_assert!(now < covered.since || now >= covered.until);
            prop_assert_eq!(hours.known_until(), Some(covered.until));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in ".*", zone in ".*") {
        let _ = TradingHours::parse(&text, &zone);
        let _ = TradingHours::parse(&text, "US/Eastern");
        let _ = TradingHours::parse("20261124:CLOSED", &zone);
    }

    #[test]
    fn arbitrary_text_of_the_right_letters_never_panics(text in "[0-9]{0,8}[-:;, 0-9CLOSED]{0,60}", at in any::<i64>()) {
        if let Ok(hours) = TradingHours::parse(&text, "US/Eastern") {
            let now = Timestamp::from_nanosecond(i128::from(at)).expect("an i64 of nanoseconds is 292 years");
            hours.at(now);
        }
    }

    #[test]
    fn extreme_dates_never_panic(year in 0..10_000u32, month in 0..14u32, day in 0..33u32, zone in zones()) {
        let date = format!("{year:04}{month:02}{day:02}");
        let _ = TradingHours::parse(&format!("{date}:0000-2400,1700-1600"), zone);
        let _ = TradingHours::parse(&format!("{date}:2400-2400"), zone);
    }

    #[test]
    fn the_state_is_consistent_with_its_own_instants(text in texts(), zone in zones(), minutes in 0..(270 * 24 * 60i64)) {
        let hours = hours(&text, zone);
        let now = utc("2026-02-25T00:00:00Z") + minutes.minutes();
        check(&hours, now)?;
        for session in &hours.sessions {
            check(&hours, session.since)?;
            check(&hours, session.until)?;
        }
    }

    #[test]
    fn a_session_is_open_when_the_clock_of_its_place_says_so(day in 1..29i8, hour in 0..24i8, minute in 0..60i8, zone in zones()) {
        // Far from the clock changes, a plain comparison of wall-clock times decides.
        let hours = hours(&(1..=28).map(|day| format!("202607{day:02}:0930-1600")).collect::<Vec<_>>().join(";"), zone);
        let place = crate::hours::zone::resolve(zone).expect("a zone");
        let now = jiff::civil::date(2026, 7, day).at(hour, minute, 0, 0).to_zoned(place).expect("an instant").timestamp();
        let open = matches!(hours.at(now), SessionState::Open { .. });
        prop_assert_eq!(open, (930..1600).contains(&(i32::from(hour) * 100 + i32::from(minute))));
    }
}
