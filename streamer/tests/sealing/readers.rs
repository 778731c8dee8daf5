//! The examples for pandas, Polars and DuckDB read every tick as it was recorded.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use marketstream_proto::{TickKind, TickMessage, layout::Part};
use marketstream_streamer::seal::instruments::{Instrument, Session};
use serde_json::{Value, json};

use super::{
    data::{CON_ID, Data, HOUR},
    packages::packages,
};

const EXAMPLES: [&str; 3] = ["with_pandas", "with_polars", "with_duckdb"];
/// 2026-11-23T20:00:00Z, two hours before the close in Chicago.
const START: i64 = 1_795_464_000;

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The ticks that an example reads, one object a row, in its order.
fn read(example: &str, data: &Data, kind: TickKind) -> Vec<Value> {
    run(example, data, &[CON_ID.to_string().as_str(), kind.as_str()])
}

/// What an example reads: ticks of these, or the side tables.
fn run(example: &str, data: &Data, args: &[&str]) -> Vec<Value> {
    let readers = here("../readers");
    let packages = packages(&readers.join("requirements.txt"), "python-readers");
    let output = Command::new("python3")
        .arg("-sB")
        .arg(here("tests/sealing/check.py"))
        .arg(example)
        .arg(data.path().join("parquet"))
        .args(args)
        .env("PYTHONPATH", std::env::join_paths([packages, readers]).unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A tick as a row should be; `amended` says for which hours more was fetched after a sealing.
fn row(tick: &TickMessage, amended: &[i64], quality: &[(i64, i64, f64)]) -> Value {
    let second = tick.ts / 1_000_000;
    let fetched = Data::part_of(tick) == Part::Backfill;
    // The middle of the pause in Chicago, 22:30 UTC.
    let date = 23 + (second - (START + 2 * HOUR + HOUR / 2)).div_euclid(24 * HOUR) + 1;
    let mut row = json!({
        "con_id": CON_ID, "tick": tick.tt, "date": format!("2026-11-{date}"), "time_us": tick.ts, "received_us": tick.st,
        "sequence": tick.sequence, "backfill": fetched,
        "rev": if amended.contains(&(second - second.rem_euclid(HOUR))) { 2 } else { 1 },
    });
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            row[name] = value;
        }
    };
    let numbers = [
        ("price", tick.p),
        ("size", tick.s),
        ("bid", tick.bp),
        ("bid_size", tick.bs),
        ("ask", tick.ap),
        ("ask_size", tick.r#as),
        ("mid", tick.mp),
        ("volume", tick.volume),
    ];
    numbers.into_iter().for_each(|(name, number)| put(name, number.map(Value::from)));
    put("exchange", tick.exchange.clone().map(Value::from));
    put("conditions", tick.conditions.clone().map(Value::from));
    let flags = [
        ("past_limit", tick.past_limit()),
        ("unreported", tick.upt()),
        ("bid_past_low", tick.bpl()),
        ("ask_past_high", tick.aph()),
    ];
    flags.into_iter().for_each(|(name, flag)| put(name, flag.then_some(Value::Bool(true))));
    if fetched {
        let (_, _, agreement) = quality.iter().find(|(from, to, _)| (*from..=*to).contains(&second)).unwrap();
        put("fill_agreement", Some(json!(agreement)));
        put("fill_quality", Some(json!(if *agreement < 1.0 { "approximate" } else { "exact" })));
    }
    row
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(|row| (row["time_us"].as_i64(), row["backfill"].as_bool(), row["sequence"].as_i64()));
    rows
}

/// Every example reads what was recorded: missing 0, doubled 0, altered 0, and in order of time.
fn compare(data: &Data, kinds: &[TickKind], amended: &[i64], quality: &[(i64, i64, f64)]) {
    for kind in kinds {
        let of_kind = data.ticks.iter().filter(|tick| tick.tt == kind.as_str());
        let expected = sorted(of_kind.map(|tick| row(tick, amended, quality)).collect());
        assert!(!expected.is_empty());
        for example in EXAMPLES {
            let read = read(example, data, *kind);
            assert!(read.is_sorted_by_key(|row| row["time_us"].as_i64()), "{example}: not in order");
            let read = sorted(read);
            assert_eq!(read.len(), expected.len(), "{example} {kind:?}: rows");
            for (read, expected) in read.iter().zip(&expected) {
                assert_eq!(read, expected, "{example} {kind:?}");
            }
        }
    }
}

/// Learns the contract's sessions: the first day closes two hours after the start.
pub fn instrument(data: &Data) {
    let day = |number: i64| Session {
        open: START - 21 * HOUR + number * 24 * HOUR,
        close: START + 2 * HOUR + number * 24 * HOUR,
        date: jiff::civil::date(2026, 11, 23 + i8::try_from(number).unwrap()),
        liquid: false,
    };
    let sessions = (0..3).map(day).collect();
    let time_zone = "US/Central".to_owned();
    let known = Instrument { con_id: CON_ID, contract: "mnq".into(), time_zone, sessions, ..Instrument::default() };
    known.keep(data.path()).unwrap();
}

/// Every example reads the side tables as they should be.
fn compare_sides(data: &Data) {
    let ledger = marketstream_streamer::backfill::store::Files::new(data.path()).ledger();
    for example in EXAMPLES {
        let all = run(example, data, &[]);
        let of = |name: &str| all.iter().filter(|row| row["table"] == name).collect::<Vec<_>>();
        let instruments = of("instruments");
        assert_eq!((instruments.len(), &instruments[0]["contract"]), (1, &json!("mnq")), "{example}");
        assert_eq!(instruments[0]["time_zone"], "US/Central", "{example}");
        let opens: Vec<_> = of("sessions").iter().map(|row| row["open"].as_i64().unwrap()).collect();
        assert_eq!(opens, [0, 1, 2].map(|day| (START - 21 * HOUR + day * 24 * HOUR) * 1_000_000), "{example}");
        let gap = |gap: &marketstream_streamer::backfill::ledger::Gap| {
            let micros = |second: Option<i64>| second.unwrap() * 1_000_000;
            (micros(gap.after), micros(gap.before), format!("{:?}", gap.state), gap.added, gap.agreement)
        };
        let read = |row: &&Value| {
            let (after, before) = (row["after"].as_i64().unwrap(), row["before"].as_i64().unwrap());
            let state = row["state"].as_str().unwrap().to_owned();
            (after, before, state, row["added"].as_u64().unwrap(), row["agreement"].as_f64())
        };
        let gaps: Vec<_> = of("gaps").iter().map(read).collect();
        assert_eq!(gaps, ledger.gaps().iter().map(gap).collect::<Vec<_>>(), "{example}");
        let coverage = of("coverage");
        let ticks: u64 = coverage.iter().map(|row| row["ticks"].as_u64().unwrap()).sum();
        assert_eq!((coverage.len(), ticks), (8, data.ticks.len() as u64), "{example}");
    }
}

#[test]
fn every_example_reads_every_tick_as_it_was_recorded() {
    let mut data = Data::new();
    instrument(&data);
    let kinds = [TickKind::Last, TickKind::BidAsk, TickKind::MidPoint, TickKind::RtVolume];
    for kind in kinds {
        for hour in 0..5 {
            data.record(kind, START + hour * HOUR, 60);
        }
    }
    // Two fills of one hour, the later seconds first; history agreed in one of them only.
    let quality = [(START + 1_900, START + 2_000, 1.0), (START + 500, START + 600, 0.5)];
    for (from, to, agreement) in quality {
        data.fill(TickKind::Last, from, to, 15, agreement);
    }

    // In the evening of the second day: the first is one file, the hours of the second are parts.
    let sealed = data.seal(START + 5 * HOUR + 200);
    assert_eq!(sealed.rows, data.ticks.len() as u64);
    let of =
        |data: &Data, date: &str| data.sealed().iter().filter(|path| path.to_str().unwrap().contains(date)).count();
    assert_eq!((of(&data, "date=2026-11-23"), of(&data, "date=2026-11-24")), (4, 4 * 3));
    compare(&data, &kinds, &[], &quality);
    assert_eq!(data.seal(START + 5 * HOUR + 200).files, 0, "what is sealed is sealed");

    // The second day is over: one file each, and the same ticks.
    for kind in kinds {
        data.record(kind, START + 25 * HOUR, 20);
    }
    data.seal(START + 27 * HOUR + 200);
    assert_eq!((of(&data, "date=2026-11-24"), data.sealed().len()), (4, 8));
    compare(&data, &kinds, &[], &quality);

    // A late fill raises the revision of its hour, in the day's file.
    let late = (START + 2 * HOUR + 10, START + 2 * HOUR + 60, 1.0);
    data.fill(TickKind::Last, late.0, late.1, 7, late.2);
    let sealed = data.seal(START + 28 * HOUR);
    assert_eq!((sealed.files, data.sealed().len()), (2, 8), "the hour has a part in both days");
    let last = data.ticks.iter().filter(|tick| tick.tt == "last").count() as u64;
    assert_eq!(sealed.rows, last);
    compare(&data, &kinds[..1], &[START + 2 * HOUR], &[quality[0], quality[1], late]);

    compare_sides(&data);
    let side = |table: &str| super::data::files(&data.path().join("parquet").join(table)).len();
    assert_eq!((side("instruments"), side("sessions"), side("gaps"), side("coverage")), (1, 1, 1, 2));
}
