//! What every client must have seen.

use std::collections::BTreeSet;

use ib_gateway_sim::judge::{JournalTick, RecordedTick, compare};
use ib_gateway_sim::market::tick::TickType;
use serde_json::{Value, json};

use crate::python::Report;
use crate::support::{Gateway, SIM1, now_s};

/// The trades that bars are made of.
const BARS_OF: TickType = TickType::Last;

/// Checks what both Python clients do.
pub async fn all(gateway: &Gateway, report: &Report, version: i32) {
    session(report, version);
    contracts(report);
    for kind in TickType::ALL {
        ticks(gateway, report, "live", kind).await;
    }
    for kind in [TickType::Last, TickType::BidAsk, TickType::MidPoint] {
        ticks(gateway, report, "history", kind).await;
    }
    pages(report);
    market_data(report);
    bars(gateway, report).await;
    errors(report);
    connection(report);
    report.one("done");
}

fn session(report: &Report, version: i32) {
    let connected = report.one("connected");
    assert_eq!((&connected["version"], &connected["accounts"]), (&json!(version), &json!(["DU1234567"])));
    assert!(connected["notices"].as_array().unwrap().contains(&json!(2104)), "{connected}");
    let seconds = report.one("time")["seconds"].as_i64().unwrap();
    assert!((now_s() - 600..=now_s()).contains(&seconds), "{seconds}");
}

/// The clock in milliseconds, which the text dialect does not have.
pub fn milliseconds(report: &Report) {
    let millis = report.one("time")["millis"].as_i64().unwrap();
    assert!((now_s() - 600..=now_s()).contains(&(millis / 1_000)), "{millis}");
}

/// Answers to what a client asks about orders and the account. (`ib_async` fails when one of its own is missing.)
pub fn start_up(report: &Report) {
    assert_eq!(report.one("start-up")["answers"], json!(["account", "completed", "orders", "positions"]));
}

fn contracts(report: &Report) {
    let found = |query: &str| report.with("details", "query", query)["found"].as_array().unwrap().clone();
    let apple = found("id");
    assert_eq!(apple.len(), 1);
    assert_eq!((&apple[0]["con_id"], &apple[0]["symbol"]), (&json!(265_598), &json!("AAPL")));
    assert_eq!((&apple[0]["min_tick"], &apple[0]["time_zone"]), (&json!(0.01), &json!("US/Eastern")));
    assert_eq!((&apple[0]["long_name"], &apple[0]["min_size"]), (&json!("APPLE INC"), &json!(0.0001)));
    assert!(apple[0]["trading_hours"].as_str().unwrap().contains(":0000-"), "{}", apple[0]);
    assert_eq!(found("fields"), apple);

    let several = found("several");
    let ids: BTreeSet<_> = several.iter().map(|one| one["con_id"].as_i64().unwrap()).collect();
    assert!(several.len() > 1 && ids.len() == several.len(), "{several:?}");
    assert!(several.iter().all(|one| one["symbol"] == "ES" && one["sec_type"] == "FUT"), "{several:?}");
    let front = found("front");
    assert_eq!(front.len(), 1);
    assert_eq!(front[0]["symbol"], "ES");
    assert_eq!(found("test")[0]["con_id"], SIM1);

    for query in ["id", "fields", "several", "front", "test"] {
        assert_eq!(report.with("details", "query", query)["error"], Value::Null, "{query}");
    }
    let unknown = report.with("details", "query", "unknown");
    assert_eq!((&unknown["found"], &unknown["error"]), (&json!([]), &json!(200)));

    assert_eq!(report.one("rule")["increments"], json!([[0.0, 0.01]]));
    assert_eq!(report.one("samples")["symbols"], json!(["AAPL"]));
}

/// Each tick of the window exactly once, in order, as the journal has it.
async fn ticks(gateway: &Gateway, report: &Report, source: &str, kind: TickType) {
    let of_stream = |line: &&Value| line["source"] == source && line["tick"] == kind.name();
    let lines: Vec<_> = report.all("window").into_iter().filter(of_stream).collect();
    let [window] = lines[..] else { panic!("{source} {kind:?}: {} windows", lines.len()) };
    let (from, to) = (window["from"].as_i64().unwrap(), window["to"].as_i64().unwrap());
    let recorded: Vec<RecordedTick> = report
        .all("tick")
        .into_iter()
        .filter(of_stream)
        .map(|line| serde_json::from_value(line.clone()).unwrap())
        .collect();
    let journal = journal(gateway, (from, to), kind).await;
    let verdict = compare(&journal, &recorded, (from, to));
    assert!(recorded.len() as i64 >= to - from, "{source} {kind:?}: only {} ticks", recorded.len());
    assert!(verdict.complete() && verdict.in_order(), "{source} {kind:?}: {:?}", verdict.total);
}

/// History comes in pages of a thousand.
fn pages(report: &Report) {
    for kind in ["Last", "BidAsk"] {
        let calls = report.with("pages", "tick", kind)["calls"].as_u64().unwrap();
        let ticks =
            report.all("tick").iter().filter(|line| line["source"] == "history" && line["tick"] == kind).count();
        assert!(ticks > 1_000 && calls > 1 && calls <= ticks as u64 / 1_000 + 2, "{kind}: {ticks} in {calls} calls");
    }
}

fn market_data(report: &Report) {
    let data = report.one("market data");
    assert_eq!((&data["type"], &data["min_tick"]), (&json!(1), &json!(0.01)), "{data}");
    for (step, expected) in
        [("market data", ["price", "size", "string", "type"].as_slice()), ("snapshot", &["end", "price"])]
    {
        let seen = report.one(step)["seen"].as_array().unwrap();
        assert!(expected.iter().all(|kind| seen.contains(&json!(kind))), "{step}: {seen:?}");
    }
}

/// Bars of trades have the prices, the volume and the number of the trades in the journal.
async fn bars(gateway: &Gateway, report: &Report) {
    for (source, length, expected) in [("live", 5, 2), ("history", 60, 30)] {
        let bars: Vec<_> = report.all("bar").into_iter().filter(|bar| bar["source"] == source).collect();
        assert!((expected..=expected + 1).contains(&bars.len()), "{source}: {} bars", bars.len());
        // The last bar of the history may have been under way.
        for pair in bars.windows(2) {
            let second = pair[0]["second"].as_i64().unwrap();
            assert_eq!((second % length, &pair[1]["second"]), (0, &json!(second + length)), "{source}");
            let trades = journal(gateway, (second, second + length), BARS_OF).await;
            let prices: Vec<f64> = trades.iter().map(|trade| trade.fields.price.unwrap()).collect();
            let (high, low) = prices.iter().fold((f64::MIN, f64::MAX), |(h, l), p| (h.max(*p), l.min(*p)));
            assert_eq!(pair[0]["ohlc"], json!([prices[0], high, low, prices[prices.len() - 1]]), "{source} {second}");
            assert_eq!(pair[0]["count"], prices.len(), "{source} {second}");
            let volume: f64 = trades.iter().map(|trade| trade.fields.size.unwrap()).sum();
            // As a decimal, without a residue of binary fractions.
            let volume: f64 = format!("{volume:.8}").parse().unwrap();
            assert_eq!(pair[0]["volume"], volume, "{source} {second}");
        }
    }
    assert_eq!((&report.one("bars")["end"], &report.one("head")["answer"]), (&json!("end"), &json!("head")));
}

/// The ticks of the test contract.
pub async fn journal(gateway: &Gateway, (from, to): (i64, i64), kind: TickType) -> Vec<JournalTick> {
    let path = format!("/journal?from={from}&to={to}&con_id={SIM1}&tick={}", kind.name());
    let (status, text) = gateway.http("GET", &path, "").await;
    assert_eq!(status, 200, "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks the code of an error.
pub fn error(report: &Report, of: &str, code: i32) {
    assert_eq!(report.with("error", "of", of)["code"], code, "{of}");
}

fn errors(report: &Report) {
    error(report, "unknown contract", 200);
    error(report, "ambiguous contract", 200);
    error(report, "unknown cancel", 300);
    error(report, "client id in use", 326);
    let codes = report.one("competing")["codes"].as_object().unwrap();
    assert!(codes.len() == 4 && codes.values().all(|code| *code == 10_197), "{codes:?}");
}

fn connection(report: &Report) {
    assert_eq!(report.one("cancelled")["silent"], true);
    assert_eq!(report.one("closed")["closed"], true);
    let reconnected = report.one("reconnected");
    assert_eq!(
        (&reconnected["closed"], &reconnected["kinds"]),
        (&json!(true), &json!(["tick", "tick", "tick", "tick"]))
    );
}
