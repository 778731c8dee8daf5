use super::*;

fn mistake(text: &str) -> (u64, String) {
    let Mistake { line, what } = parse(text).unwrap_err();
    (line, what)
}

#[test]
fn steps_become_events_in_the_order_of_time() {
    let text = r#"
description: two short silences
seed: 7
rate: 2.5
always_open: true
clock: {at: "2026-11-24T14:30:00Z", speed: 20}
steps:
  - at: 1s
    every: 10s
    times: 2
    name: quiet
    fault: {kind: silence, scope: {con_id: 5, tick: Last}, cure: Resubscribe}
    for: 2500ms
  - at: 5s
    close_sockets: fin
  - at: 11s
    end: quiet
  - at: 1m30s
    admin: {method: PUT, path: /clock?x=1, body: {speed: 2}}
  - at: 1m30s
    crash: true
"#;
    let scenario = parse(text).unwrap();
    assert_eq!((scenario.seed, scenario.rate, scenario.always_open), (Some(7), Some(2.5), Some(true)));
    let clock = ClockSetting { at_us: Some(1_795_530_600_000_000), speed: 20.0 };
    assert_eq!(scenario.clock, Some(clock));
    let what: Vec<String> = scenario
        .events
        .iter()
        .map(|event| {
            let what = match &event.action {
                Action::Begin { handle, name, .. } => format!("begin {handle} {name:?}"),
                Action::End { handle } => format!("end {handle}"),
                Action::EndNamed { name } => format!("end {name}"),
                Action::Call { method, path, body } => format!("{method} {path} {body}"),
            };
            format!("{} {} {what}", event.at.as_millis(), event.line)
        })
        .collect();
    assert_eq!(
        what,
        [
            r#"1000 8 begin 8.0 Some("quiet")"#,
            "3500 8 end 8.0",
            "5000 14 POST /sockets/close?how=fin ",
            r#"11000 8 begin 8.1 Some("quiet")"#,
            "11000 16 end quiet",
            "13500 8 end 8.1",
            r#"90000 18 PUT /clock?x=1 {"speed":2}"#,
            "90000 20 POST /crash ",
        ]
    );
    assert_eq!(scenario.length(), Duration::from_secs(90));
    assert_ne!(scenario.checksum, parse(&format!("{text}\n# changed")).unwrap().checksum);
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let step = |rest: &str| mistake(&format!("seed: 1\nsteps:\n  - at: 1s\n    {rest}\n"));
    for (rest, what) in [
        ("fault: {kind: sulk}", "fault.kind: must be one of silence, "),
        ("fault: {kind: hang, since: 3}", "fault.unknown field since"),
        ("fault: {kind: burst, con_id: 1, tick: Last, ticks: 5}\n    for: 2s", "for: this fault happens once"),
        ("fault: {kind: hang}\n    for: 0s", "for: must be more than 0"),
        ("fault: {kind: hang}\n    every: 2s", "times is missing"),
        ("fault: {kind: hang}\n    times: 2", "every is missing"),
        ("fault: {kind: hang}\n    times: 0\n    every: 1s", "times: must be 1 to 100000"),
        ("fault: {kind: hang}\n    times: 2\n    every: 1s\n    for: 1s", "for: must be shorter than every"),
        ("fault: {kind: hang}\n    name: all", "name: all means all faults"),
        ("fault: {kind: hang}\n    crash: true", "a step has exactly one of fault, end, "),
        ("name: x", "for and name go with fault only"),
        ("end: quiet", "end: no step above has the name quiet"),
        ("close_sockets: softly", "close_sockets: must be rst or fin"),
        ("crash: false", "crash: must be true"),
        ("admin: {method: SEND, path: /x}", "admin.method: must be one of GET, "),
        ("admin: {method: GET, path: x}", "admin.path: must begin with /"),
    ] {
        let (line, got) = step(rest);
        assert_eq!(line, 3, "{rest}");
        assert!(got.starts_with(what) && !got.contains('\n'), "{rest}: {got}");
    }
    for (text, line, what) in [
        ("steps:\n  - at: 5\n    crash: true\n", 2, "at: 5 is no duration; write for example 500ms, 10s or 1m30s"),
        ("steps:\n  - at: -5s\n    crash: true\n", 2, "at: -5s is no duration"),
        ("steps:\n  - at: 5s\n    crash: true\n  - at: 4s\n    crash: true\n", 4, "at: 4s comes before the step above"),
        ("steps: []\nrate: 0\n", 2, "rate: must be more than 0"),
        ("steps: []\nclock: {speed: -1}\n", 2, "clock: speed must be 0 to"),
        ("steps: []\nclock: {at: noon}\n", 2, "clock.at: noon is no time"),
        ("steps: []\nspeed: 3\n", 2, "unknown field `speed`"),
        ("steps:\n  - at: 1s\n    fualt: {kind: hang}\n", 3, "unknown field `fualt`"),
        ("seed: 1\n", 1, "missing field `steps`"),
        ("steps: [\n", 2, ""),
    ] {
        let (got_line, got) = mistake(text);
        assert!(got.starts_with(what) && !got.contains('\n'), "{text}: {got}");
        assert_eq!(got_line, line, "{text}: {got}");
    }
}
