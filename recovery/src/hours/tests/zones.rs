//! Names of time zones.

use super::*;

#[test]
fn every_documented_zone_name_means_the_place_of_its_exchanges() {
    // Noon at the end of June and December tells the place and its daylight-saving time.
    let cases = [
        ("US/Eastern", 16, 17),
        ("US/Eastern (Eastern Standard Time)", 16, 17),
        ("America/New_York", 16, 17),
        ("EST", 16, 17),
        ("EST (Eastern Standard Time)", 16, 17),
        ("EST5EDT", 16, 17),
        ("US/Central", 17, 18),
        ("CST", 17, 18),
        ("CST (Central Standard Time)", 17, 18),
        ("CST6CDT", 17, 18),
        ("MST", 18, 19),
        ("US/Pacific", 19, 20),
        ("PST", 19, 20),
        ("GB-Eire", 11, 12),
        ("GMT", 11, 12),
        ("GMT (Greenwich Mean Time)", 11, 12),
        ("BST (British Summer Time)", 11, 12),
        ("MET", 10, 11),
        ("met (Middle Europe Time)", 10, 11),
        ("Europe/Helsinki", 9, 10),
        ("Europe/Riga", 9, 10),
        ("Israel", 9, 10),
        ("Africa/Johannesburg", 10, 10),
        ("Europe/Moscow", 9, 9),
        ("IST", 6, 6), // 06:30
        ("Asia/Calcutta", 6, 6),
        ("Hongkong", 4, 4),
        ("SGT", 4, 4),
        ("JST", 3, 3),
        ("JST (Japan Standard Time)", 3, 3),
        ("Japan", 3, 3),
        ("Korea", 3, 3),
        ("Australia/NSW", 2, 1),
        ("AEST (Australian Eastern Standard Time (New South Wales))", 2, 1),
        ("UTC", 12, 12),
    ];
    for (zone, june, december) in cases {
        let minutes = if zone == "IST" || zone == "Asia/Calcutta" { 30 } else { 0 };
        let hours = hours("20260630:1200-1300;20261231:1200-1300", zone);
        let opens: Vec<_> = hours.sessions.iter().map(|session| session.since.to_string()).collect();
        let expected =
            [format!("2026-06-30T{june:02}:{minutes:02}:00Z"), format!("2026-12-31T{december:02}:{minutes:02}:00Z")];
        assert_eq!(opens, expected, "{zone}");
    }
}

#[test]
fn every_alias_leads_to_a_zone_of_the_database() {
    for (alias, _) in crate::hours::zone::ALIASES {
        assert!(crate::hours::zone::resolve(alias).is_some(), "{alias}");
    }
}

#[test]
fn the_bundled_database_is_there() {
    assert!(!jiff::tz::TimeZoneDatabase::bundled().is_definitively_empty());
}

#[test]
fn an_unknown_zone_is_named_and_never_utc() {
    for zone in ["", "  ", "Mars/Olympus", "Mars (Olympus Time)", "Etc/Unknown", "(GMT)", "US/Eastern (", "../UTC"] {
        let error = TradingHours::parse("20261124:0930-1600", zone).expect_err(zone);
        assert_eq!(error, HoursError::UnknownZone { zone: zone.into() });
        assert!(error.to_string().contains(&format!("{zone:?}")), "{error}");
    }
}
