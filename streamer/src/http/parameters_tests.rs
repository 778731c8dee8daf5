use axum::{extract::Query, http::Uri};
use marketstream_fuzz::{Memory, fuzz};
use proptest::prelude::*;

use super::*;

fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

#[test]
fn a_query_has_ib_streams_defaults_and_its_forms_of_a_range() {
    let second = MICROS_PER_SECOND;
    let (now_us, hour) = (now().as_microsecond(), 3_600 * MICROS_PER_SECOND);
    let plain = range(&[], now()).unwrap();
    assert_eq!(
        (plain.kinds, plain.format, plain.raw, plain.limit),
        (vec![TickKind::BidAsk], Format::Json, false, None)
    );
    for (text, from, to) in [
        ("", now_us - hour, now_us),
        ("buffer_duration=30m", now_us - hour / 2, now_us),
        ("start_time=1794990000&end_time=1794990009", 1_794_990_000 * second, 1_794_990_009 * second),
        ("start_time=1794990000&buffer_duration=9s", 1_794_990_000 * second, 1_794_990_009 * second),
        ("end_time=1794990000&buffer_duration=2h", 1_794_990_000 * second - 2 * hour, 1_794_990_000 * second),
        ("start_time=1794999999", 1_794_999_999 * second, now_us),
        ("start_time=2026-11-18T12:00:00&buffer_duration=1s", 1_795_003_200 * second, 1_795_003_201 * second),
        ("start_time=2026-11-18T14:00:00 02:00&buffer_duration=1s", 1_795_003_200 * second, 1_795_003_201 * second),
        ("start_time=2026-11-18T12:00:00.5Z&buffer_duration=1s", 1_795_003_200_500_000, 1_795_003_201_500_000),
    ] {
        let range = range(&pairs(text), now()).unwrap_or_else(|problem| panic!("{text}: {}", problem.message));
        assert_eq!((range.start_us, range.end_us), (from, to), "{text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, named) in [
        ("tick_types=bid_ask,quotes", "tick_types=bid_ask,quotes: write last, all_last"),
        ("format=csv", "format=csv: write json or protobuf"),
        ("limit=0", "limit=0: write a number from 1"),
        ("raw=maybe", "raw=maybe: write true or false"),
        ("start_time=noon", "start_time=noon: write a time such as"),
        ("start_time=-5", "start_time=-5: write"),
        ("buffer_duration=1w", "buffer_duration=1w: write a number and s, m, h or d"),
        ("buffer_duration=99999d", "at most 31d"),
        ("start_time=5&end_time=5", "start_time must be before end_time"),
        ("start_time=5&end_time=9&buffer_duration=1h", "two of them at most"),
        ("start_time=5&end_time=9999999", "ask for it in parts"),
        ("storage_type=json", "storage_type is no parameter of this endpoint"),
    ] {
        let problem = range(&pairs(text), now()).unwrap_err();
        assert!(problem.message.contains(named), "{text}: {}", problem.message);
    }
    for (text, named) in [
        ("limit=10001", "limit=10001: write a number from 1 to 10000"),
        ("timeout=4", "timeout=4: write a number from 5 to 3600"),
        ("after=x", "after=x: write the id of an event"),
        ("tick_types=", "tick_types=: write"),
        ("start_time=1", "start_time is no parameter"),
    ] {
        let problem = live(&pairs(text), None, false).unwrap_err();
        assert!(problem.message.contains(named), "{text}: {}", problem.message);
    }
    for (text, buffered, named) in [
        ("buffer_duration=1h", false, "buffer_duration is no parameter of this endpoint"),
        ("buffer_duration=1w", true, "buffer_duration=1w: write a number and s, m, h or d"),
        ("start_time=1", true, "which has tick_types, buffer_duration, limit"),
    ] {
        let problem = live(&pairs(text), None, buffered).unwrap_err();
        assert!(problem.message.contains(named), "{text}: {}", problem.message);
    }
    let buffer = |text: &str| live(&pairs(text), None, true).unwrap().buffer;
    assert_eq!((buffer(""), buffer("buffer_duration=90s")), (Some(DEFAULT_RANGE), Some(Duration::from_secs(90))));
    assert!(live(&[], Some("nonsense"), false).unwrap_err().message.contains("Last-Event-ID=nonsense"));
}

#[test]
fn a_client_that_comes_back_says_where_it_was() {
    let read = live(
        &pairs("after=7/last:3600:1&limit=5&timeout=60&tick_types=Last,bid_ask,last"),
        Some("7/last:3600:2"),
        false,
    );
    assert_eq!(
        read,
        Ok(Live {
            kinds: Some(vec![TickKind::Last, TickKind::BidAsk]),
            limit: Some(5),
            timeout: Some(Duration::from_secs(60)),
            after: "7/last:3600:2".parse().ok(),
            buffer: None,
        })
    );
}

/// Names that exist and others, values that are right, nearly right, and anything.
fn any_pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        4 => prop::sample::select(vec![
            "tick_types", "format", "start_time", "end_time", "buffer_duration", "limit", "raw", "timeout", "after",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let value = prop_oneof![
        any::<String>(),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| format!("{number}d")),
        "[0-9]{1,6}[smhdé]",
        "(last|all_last|bid_ask|mid_point|x)(,(Last|BidAsk|)){0,3}",
        "-?[0-9]{1,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|\\+00:00| 00:00|)",
        "7/(last:-?[0-9]{1,19}:[0-9]{1,20},?){1,4}",
    ];
    prop::collection::vec((name, value), 0..6)
}

proptest! {
    #[test]
    fn any_parameters_give_a_bounded_range_or_one_short_error(pairs in any_pairs()) {
        match range(&pairs, now()) {
            Ok(range) => {
                prop_assert!(range.start_us < range.end_us);
                prop_assert!(range.end_us - range.start_us <= MAX_RANGE.as_micros() as i64);
                prop_assert!((1..=TickKind::ALL.len()).contains(&range.kinds.len()));
            }
            Err(problem) => prop_assert!(problem.message.len() < 600, "{}", problem.message),
        }
        match live(&pairs, None, true) {
            Ok(live) => {
                prop_assert!(live.buffer.is_some_and(|span| !span.is_zero() && span <= MAX_RANGE));
                prop_assert!(live.limit.is_none_or(|limit| LIMIT.contains(&limit)));
                prop_assert!(live.timeout.is_none_or(|timeout| TIMEOUT_S.contains(&timeout.as_secs())));
            }
            Err(problem) => prop_assert!(problem.message.len() < 600, "{}", problem.message),
        }
    }
}

#[test]
fn fuzzed_addresses_are_read_within_the_bounds_or_refused_as_bad_requests() {
    let corpus = [
        "tick_types=last,bid_ask&limit=10&timeout=60",
        "after=7/last:3600:1,last_backfill:3600:2,bid_ask:7200:9&tick_types=mid_point&buffer_duration=90s",
        "start_time=2026-11-18T14:00:00%2B02:00&buffer_duration=30m&format=protobuf&raw=true",
        "start_time=1794990000&end_time=1794990009&limit=1000000000",
        "end_time=2026-11-18T12:00:00.5Z&buffer_duration=31d",
        "",
    ];
    let memory = Memory { base: 8 << 10, per_byte: 16 };
    fuzz("addresses", memory, &corpus.map(|text| text.as_bytes().to_vec()), |bytes| {
        let address = [b"/?", bytes].concat();
        let Ok(uri) = Uri::try_from(address.as_slice()) else { return };
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&uri) else { return };
        let refused = |problem: Problem| {
            assert_eq!(problem.status, axum::http::StatusCode::BAD_REQUEST);
            assert!(!problem.message.is_empty() && problem.message.len() < 1024, "{}", problem.message);
        };
        let distinct = |kinds: &[TickKind]| (1..kinds.len()).all(|at| !kinds[..at].contains(&kinds[at]));
        match live(&pairs, None, true) {
            Ok(live) => {
                assert!(live.buffer.is_some_and(|span| !span.is_zero() && span <= MAX_RANGE));
                assert!(live.limit.is_none_or(|limit| LIMIT.contains(&limit)));
                assert!(live.timeout.is_none_or(|timeout| TIMEOUT_S.contains(&timeout.as_secs())));
                assert!(live.kinds.is_none_or(|kinds| !kinds.is_empty() && distinct(&kinds)));
            }
            Err(problem) => refused(problem),
        }
        match range(&pairs, now()) {
            Ok(range) => {
                let length = range.end_us - range.start_us;
                assert!(length > 0 && length as u128 <= MAX_RANGE.as_micros(), "{range:?}");
                assert!(!range.kinds.is_empty() && distinct(&range.kinds));
            }
            Err(problem) => refused(problem),
        }
    });
}
