#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;

fn spec(windows: serde_json::Value, time_zone: &str, restart: &str) -> MarketStreamSpec {
    let spec = json!({
        "contracts": [{ "name": "mnq", "conId": 1, "ticks": ["Last"] }],
        "gateway": { "sidecar": {
            "image": "gateway", "credentialsSecretRef": { "name": "ibkr" }, "tradingMode": "Paper",
            "timeZone": time_zone, "autoRestartTime": restart,
        } },
        "maintenanceWindows": windows,
    });
    serde_json::from_value(spec).unwrap()
}

fn window(days: &[&str], start: &str, duration: &str, zone: &str) -> serde_json::Value {
    json!({ "days": days, "start": start, "duration": duration, "timeZone": zone })
}

/// The user's windows only, without a margin.
fn own(windows: serde_json::Value) -> Windows {
    let policy = Policy {
        resets: vec![],
        window_margin: marketstream_crds::Duration::from_secs(0),
        restart_length: marketstream_crds::Duration::from_secs(0),
        ..Policy::default()
    };
    Windows::new(&spec(windows, "America/New_York", "11:59 PM"), &policy)
}

fn utc(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[track_caller]
fn assert_release(windows: &Windows, due: &str, released: &str) {
    assert_eq!(windows.release(utc(due), utc(due)), utc(released), "due {due}");
}

#[test]
fn what_is_due_in_a_window_waits_for_its_end() {
    let windows = own(json!([window(&[], "02:00", "30m", "Europe/Berlin")]));
    assert_release(&windows, "2026-11-24T00:59:59Z", "2026-11-24T00:59:59Z");
    assert_release(&windows, "2026-11-24T01:00:00Z", "2026-11-24T01:30:00Z");
    assert_release(&windows, "2026-11-24T01:29:59Z", "2026-11-24T01:30:00Z");
    assert_release(&windows, "2026-11-24T01:30:00Z", "2026-11-24T01:30:00Z");
}

#[test]
fn a_window_counts_on_its_days_and_over_midnight() {
    let windows = own(json!([window(&["Friday"], "23:00", "4h", "America/New_York")]));
    assert_release(&windows, "2026-11-28T05:00:00Z", "2026-11-28T08:00:00Z");
    assert_release(&windows, "2026-11-27T05:00:00Z", "2026-11-27T05:00:00Z");
    assert_release(&windows, "2026-11-29T05:00:00Z", "2026-11-29T05:00:00Z");
}

#[test]
fn a_window_follows_the_clock_of_its_zone() {
    let windows = own(json!([window(&[], "00:15", "90m", "America/New_York")]));
    assert_release(&windows, "2026-10-30T04:30:00Z", "2026-10-30T05:45:00Z");
    assert_release(&windows, "2026-11-03T05:30:00Z", "2026-11-03T06:45:00Z");
    // The night of the change: the window is 90 minutes long all the same.
    assert_release(&windows, "2026-11-01T04:30:00Z", "2026-11-01T05:45:00Z");
}

#[test]
fn a_window_in_the_skipped_hour_begins_after_it() {
    let windows = own(json!([window(&[], "02:30", "30m", "America/New_York")]));
    assert_release(&windows, "2026-03-08T07:10:00Z", "2026-03-08T07:10:00Z");
    assert_release(&windows, "2026-03-08T07:30:00Z", "2026-03-08T08:00:00Z");
}

#[test]
fn windows_that_overlap_or_follow_are_passed_one_by_one() {
    let windows = own(json!([
        window(&[], "01:00", "1h", "UTC"),
        window(&[], "01:30", "1h", "UTC"),
        window(&[], "02:30", "1h", "UTC"),
    ]));
    assert_release(&windows, "2026-11-24T01:10:00Z", "2026-11-24T03:30:00Z");
}

#[test]
fn windows_without_a_gap_hold_for_a_week_at_most() {
    let windows = own(json!([window(&[], "00:00", "25h", "UTC")]));
    let due = utc("2026-11-24T01:10:00Z");
    let released = windows.release(due, due);
    assert!(released > after(due, HORIZON) && released < after(due, 2 * HORIZON), "{released}");
    assert_eq!(own(json!([window(&[], "00:00", "9999h", "UTC")])).windows.len(), 2);
}

#[test]
fn a_window_that_began_after_the_due_time_holds_what_is_not_done_yet() {
    let windows = own(json!([window(&[], "02:00", "30m", "UTC")]));
    let due = utc("2026-11-24T01:50:00Z");
    assert_eq!(windows.release(due, utc("2026-11-24T01:55:00Z")), due);
    assert_eq!(windows.release(due, utc("2026-11-24T02:10:00Z")), utc("2026-11-24T02:30:00Z"));
    // It stays due then, however late anybody looks.
    assert_eq!(windows.release(due, utc("2026-11-24T02:40:00Z")), utc("2026-11-24T02:30:00Z"));
}

#[test]
fn time_outside_of_windows_is_counted_in_pieces() {
    let windows = own(json!([window(&[], "02:00", "1h", "UTC"), window(&[], "03:10", "1h", "UTC")]));
    let half_an_hour = Duration::from_secs(1800);
    let outside = |from: &str| windows.outside(utc(from), half_an_hour);
    assert_eq!(outside("2026-11-24T00:00:00Z"), utc("2026-11-24T00:30:00Z"));
    assert_eq!(outside("2026-11-24T01:45:00Z"), utc("2026-11-24T04:15:00Z"));
    assert_eq!(outside("2026-11-24T02:30:00Z"), utc("2026-11-24T04:30:00Z"));
}

#[test]
fn ibkrs_resets_are_those_of_the_gateways_region_with_a_margin() {
    let windows = |zone| Windows::new(&spec(json!([]), zone, "11:59 AM"), &Policy::default());
    let america = windows("America/Chicago");
    assert_release(&america, "2026-11-24T05:15:00Z", "2026-11-24T06:50:00Z");
    assert_release(&america, "2026-11-24T05:14:00Z", "2026-11-24T05:14:00Z");
    // Saturday morning belongs to the weekend's reset.
    assert_release(&america, "2026-11-28T04:30:00Z", "2026-11-28T08:05:00Z");
    assert_release(&america, "2026-11-24T06:00:00Z", "2026-11-24T06:50:00Z");
    let europe = windows("Europe/Zurich");
    assert_release(&europe, "2026-11-24T05:25:00Z", "2026-11-24T06:50:00Z");
    assert_release(&europe, "2026-11-24T05:20:00Z", "2026-11-24T05:20:00Z");
    let asia = windows("Asia/Tokyo");
    assert_release(&asia, "2026-11-24T12:15:00Z", "2026-11-24T13:20:00Z");
    assert_release(&asia, "2026-11-23T20:45:00Z", "2026-11-23T22:10:00Z");
    assert_release(&asia, "2026-11-24T05:30:00Z", "2026-11-24T05:30:00Z");
}

#[test]
fn the_gateways_own_restart_is_a_window() {
    let daily = |restart| Windows::new(&spec(json!([]), "America/New_York", restart), &Policy::default());
    // 23:58 to 00:05 and five minutes more.
    assert_release(&daily("11:59 PM"), "2026-11-25T04:57:59Z", "2026-11-25T04:57:59Z");
    assert_release(&daily("11:59 PM"), "2026-11-25T04:58:00Z", "2026-11-25T05:10:00Z");
    assert_release(&daily("12:00 AM"), "2026-11-25T04:59:00Z", "2026-11-25T05:11:00Z");
    assert_release(&daily("12:30 PM"), "2026-11-25T17:30:00Z", "2026-11-25T17:41:00Z");
}

#[test]
fn an_external_gateway_has_ibkrs_american_resets_and_no_restart() {
    let mut external = spec(json!([]), "America/New_York", "11:59 PM");
    external.gateway.sidecar = None;
    let windows = Windows::new(&external, &Policy::default());
    assert_release(&windows, "2026-11-25T04:58:00Z", "2026-11-25T04:58:00Z");
    assert_release(&windows, "2026-11-24T05:15:00Z", "2026-11-24T06:50:00Z");
}

#[test]
fn a_window_with_a_wrong_zone_is_none() {
    let before = own(json!([])).windows.len();
    assert_eq!(own(json!([window(&[], "02:00", "1h", "Mars/Olympus")])).windows.len(), before);
}
