//! A client that this project did not write: ticks, bars and sessions of the past.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::time::{Duration, SystemTime};

use futures::StreamExt;
use ib_gateway_sim::clock::ClockSetting;
use ib_gateway_sim::judge::{Fields, JournalTick, RecordedTick, compare};
use ib_gateway_sim::market::tick::TickType;
use ib_gateway_sim::{Config, Simulator};
use ibapi::market_data::historical::{BarTimestamp, HistoricalBarUpdate};
use ibapi::prelude::*;
use serde_json::Value;
use support::*;

/// Tuesday 2026-11-24 15:00:00 UTC.
const NOON_S: i64 = 1_795_532_400;

/// Close of MNQ's session on that day, 16:00 US/Central, and the open of the next.
const CLOSE_S: i64 = NOON_S + 7 * 3_600;
const OPEN_S: i64 = CLOSE_S + 3_600;

const MNQ: i32 = 711_280_073;

/// A simulator whose clock stands still.
async fn gateway_at(at_s: i64, change: impl FnOnce(&mut Config)) -> Gateway {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::local(dir.path());
    config.clock = ClockSetting { at_us: Some(at_s * 1_000_000 + 500_000), speed: 0.0 };
    config.market.today = jiff::civil::date(2026, 11, 24);
    config.market.always_open = false;
    change(&mut config);
    Gateway { sim: Simulator::start(config).await.unwrap(), dir }
}

fn at(second: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second.cast_unsigned())
}

fn future(con_id: i32) -> Contract {
    Contract {
        contract_id: con_id,
        security_type: SecurityType::Future,
        exchange: "CME".into(),
        currency: "USD".into(),
        ..Default::default()
    }
}

/// The answer to one question from a start, as the judge wants it.
async fn page(client: &Client, contract: &Contract, tick: TickType, start: i64) -> Vec<RecordedTick> {
    let request =
        client.historical_ticks(contract, 1_000).starting(at(start).into()).trading_hours(TradingHours::Extended);
    let con_id = contract.contract_id;
    let mut found = Vec::new();
    macro_rules! read {
        ($ticks:expr, $fields:expr) => {{
            let mut ticks = $ticks.await.unwrap();
            while let Some(item) = within("the end of an answer", ticks.next()).await {
                let SubscriptionItem::Data(data) = item.unwrap() else { panic!("a notice") };
                let (time_s, fields) = (data.timestamp.unix_timestamp(), $fields(data));
                found.push(RecordedTick { con_id, tick, time_s, fields });
            }
        }};
    }
    match tick {
        TickType::Last => read!(request.trade(), |data: ibapi::market_data::historical::TickLast| Fields {
            price: Some(data.price),
            size: data.size,
            exchange: Some(data.exchange),
            conditions: Some(data.special_conditions),
            past_limit: Some(data.tick_attribute_last.past_limit),
            unreported: Some(data.tick_attribute_last.unreported),
            ..Fields::default()
        }),
        TickType::BidAsk => {
            read!(request.bid_ask(IgnoreSize::No), |data: ibapi::market_data::historical::TickBidAsk| Fields {
                bid: Some(data.price_bid),
                ask: Some(data.price_ask),
                bid_size: data.size_bid,
                ask_size: data.size_ask,
                bid_past_low: Some(data.tick_attribute_bid_ask.bid_past_low),
                ask_past_high: Some(data.tick_attribute_bid_ask.ask_past_high),
                ..Fields::default()
            })
        }
        TickType::MidPoint => {
            read!(request.mid_point(), |data: ibapi::market_data::historical::TickMidpoint| Fields {
                mid: Some(data.price),
                ..Fields::default()
            })
        }
        TickType::AllLast => panic!("AllLast has no history"),
    }
    found
}

/// All pages from a start, each from the second after the last one of the page before.
async fn pages(client: &Client, contract: &Contract, tick: TickType, start: i64) -> Vec<Vec<RecordedTick>> {
    let mut pages = Vec::new();
    let mut next = start;
    loop {
        let page = page(client, contract, tick, next).await;
        let Some(last) = page.last() else { return pages };
        next = last.time_s + 1;
        pages.push(page);
    }
}

/// What was or would have been sent live.
async fn journal(gateway: &Gateway, con_id: i32, tick: TickType, (from, to): (i64, i64)) -> Vec<JournalTick> {
    let path = format!("/journal?from={from}&to={to}&con_id={con_id}&tick={}", tick.name());
    let (status, text) = gateway.http("GET", &path, "").await;
    assert_eq!(status, 200, "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Code and text of the error that ends a question.
async fn error_of(
    ticks: &mut ibapi::market_data::historical::TickSubscription<ibapi::market_data::historical::TickLast>,
) -> (i32, String) {
    match within("an error", ticks.next()).await {
        Some(Err(ibapi::Error::Notice(notice))) => (notice.code, notice.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_hour_in_pages_is_exactly_what_was_live() {
    let gateway = gateway_at(NOON_S, |_| {}).await;
    let client = gateway.client(1).await;
    let hour = (NOON_S - 3_600, NOON_S);
    for tick in [TickType::Last, TickType::BidAsk, TickType::MidPoint] {
        let pages = pages(&client, &sim_contract(SIM1), tick, hour.0).await;
        assert!(pages.len() > 3 && pages.iter().rev().skip(1).all(|page| page.len() >= 1_000), "{tick:?}");
        let verdict = compare(&journal(&gateway, SIM1, tick, hour).await, &pages.concat(), hour);
        assert!(verdict.complete(), "{verdict:#?}");
        assert_eq!(verdict.total.stored, verdict.total.generated);
        assert!(verdict.total.stored > 1_000);
    }
}

#[tokio::test]
async fn an_answer_is_of_one_session_and_paging_goes_on_after_the_break() {
    let gateway = gateway_at(OPEN_S + 20, |_| {}).await;
    let client = gateway.client(1).await;
    let span = (CLOSE_S - 20, OPEN_S + 20);
    let pages = pages(&client, &future(MNQ), TickType::BidAsk, span.0).await;
    assert_eq!(pages.len(), 2);
    assert!(pages[0].iter().all(|tick| tick.time_s < CLOSE_S) && pages[1].iter().all(|tick| tick.time_s >= OPEN_S));
    let verdict = compare(&journal(&gateway, MNQ, TickType::BidAsk, span).await, &pages.concat(), span);
    assert!(verdict.complete(), "{verdict:#?}");
}

#[tokio::test]
async fn an_end_gives_what_was_before_it_and_the_future_nothing() {
    let gateway = gateway_at(NOON_S, |_| {}).await;
    let client = gateway.client(1).await;
    let contract = sim_contract(SIM1);
    let request = || client.historical_ticks(&contract, 10).trading_hours(TradingHours::Extended);
    let mut ticks = request().ending(at(NOON_S - 60).into()).trade().await.unwrap();
    let mut times = Vec::new();
    while let Some(item) = within("the end of an answer", ticks.next()).await {
        let SubscriptionItem::Data(tick) = item.unwrap() else { panic!("a notice") };
        times.push(tick.timestamp.unix_timestamp());
    }
    let span = (times[0], NOON_S - 60);
    assert!(times.len() >= 10 && times.is_sorted());
    assert_eq!(times.len(), journal(&gateway, SIM1, TickType::Last, span).await.len());
    for start in [NOON_S, NOON_S + 3_600] {
        assert_eq!(page(&client, &contract, TickType::Last, start).await, []);
    }
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let gateway = gateway_at(NOON_S, |_| {}).await;
    let client = gateway.client(1).await;
    let contract = sim_contract(SIM1);
    let (start, end) = (at(NOON_S - 60), at(NOON_S));
    for (request, cause) in [
        (
            client.historical_ticks(&contract, 10).starting(start.into()).ending(end.into()),
            "exactly one of start and end",
        ),
        (client.historical_ticks(&contract, 10), "exactly one of start and end"),
        (client.historical_ticks(&contract, 0).starting(start.into()), "1 to 1000"),
        (client.historical_ticks(&contract, 1_001).starting(start.into()), "1 to 1000"),
    ] {
        let (code, text) = error_of(&mut request.trade().await.unwrap()).await;
        assert!(code == 321 && text.contains(cause), "{code} {text}");
    }
    let unknown = Contract { contract_id: 12, ..contract.clone() };
    let mut ticks = client.historical_ticks(&unknown, 10).starting(start.into()).trade().await.unwrap();
    assert_eq!(error_of(&mut ticks).await.0, 200);
}

#[tokio::test]
async fn realistic_answers_differ_by_exactly_what_the_truth_tells() {
    let gateway = gateway_at(NOON_S, |_| {}).await;
    let client = gateway.client(1).await;
    let changes = r#"{"mode":"realistic","early_start":false}"#;
    assert_eq!(gateway.json("POST", "/history", changes).await["mode"], "realistic");
    let span = (NOON_S - 900, NOON_S);
    for (tick, what) in [(TickType::Last, "TRADES"), (TickType::BidAsk, "BID_ASK"), (TickType::MidPoint, "MIDPOINT")] {
        let path = format!("/history/truth?con_id={SIM1}&what={what}&from={}&to={}", span.0, span.1);
        let (_, text) = gateway.http("GET", &path, "").await;
        let truth: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let answered = pages(&client, &sim_contract(SIM1), tick, span.0).await.concat();
        let journal = journal(&gateway, SIM1, tick, span).await;
        let mut altered = 0;
        for truth in &truth {
            let second = truth["second"].as_i64().unwrap();
            let answered: Vec<_> = answered.iter().filter(|tick| tick.time_s == second).cloned().collect();
            assert_eq!(truth["answered"], answered.len(), "{truth}");
            // As the judge sees it: what is equal is what is neither missing nor too much.
            let verdict = compare(&journal, &answered, (second, second + 1)).total;
            let equal = verdict.generated - verdict.missing_of_generated;
            assert_eq!((&truth["live"], &truth["equal"]), (&verdict.generated.into(), &equal.into()), "{truth}");
            altered += usize::from(truth["there"] == true && equal != verdict.generated);
        }
        assert!(altered > 20, "{what}: {altered}");
        // It is late: the last seconds are not there yet.
        assert_eq!(truth.last().unwrap()["there"], false);
        assert_eq!(truth[0]["there"], true);
    }
}

#[tokio::test]
async fn settings_are_checked() {
    let gateway = gateway_at(NOON_S, |config| config.history.lag_s = 30).await;
    let client = gateway.client(1).await;
    let last = page(&client, &sim_contract(SIM1), TickType::Last, NOON_S - 60).await.pop().unwrap();
    assert_eq!(last.time_s, NOON_S - 31);
    for (bad, named) in [(r#"{"modus":"ideal"}"#, "modus"), (r#"{"mode":"best"}"#, "best"), ("{", "not JSON")] {
        let (status, text) = gateway.http("POST", "/history", bad).await;
        assert!(status == 400 && text.contains(named), "{status} {text}");
    }
    let (status, text) = gateway.http("GET", "/history/truth?con_id=1&from=0&to=1&what=NEWS", "").await;
    assert!(status == 400 && text.contains("what must be"), "{status} {text}");
    assert_eq!(gateway.json("GET", "/history", "").await["lag_s"], 30);
}

#[tokio::test]
async fn bars_sessions_and_the_begin() {
    let gateway = gateway_at(NOON_S, |_| {}).await;
    let client = gateway.client(1).await;
    let contract = sim_contract(SIM1);
    let bars = |show| {
        let request = client.historical_data(&contract, HistoricalBarSize::Min).what_to_show(show);
        within("bars", request.duration(1_800.seconds()).trading_hours(TradingHours::Extended).fetch())
    };
    let data = bars(HistoricalWhatToShow::AggTrades).await.unwrap();
    assert_eq!(data.end.unix_timestamp(), NOON_S + 1);
    let full: Vec<_> = data.bars.iter().filter(|bar| bar.date < BarTimestamp::DateTime(at(NOON_S).into())).collect();
    assert_eq!(full.len(), 30);
    let trades = journal(&gateway, SIM1, TickType::Last, (NOON_S - 60, NOON_S)).await;
    let last = full.last().unwrap();
    assert_eq!(last.date, BarTimestamp::DateTime(at(NOON_S - 60).into()));
    assert_eq!(last.count as usize, trades.len());
    assert_eq!((Some(last.open), Some(last.close)), (trades[0].fields.price, trades.last().unwrap().fields.price));
    match bars(HistoricalWhatToShow::Trades).await {
        Err(ibapi::Error::Notice(notice)) => assert_eq!(notice.code, 10299),
        other => panic!("{other:?}"),
    }
    let begin = client.head_timestamp(&contract, HistoricalWhatToShow::AggTrades, TradingHours::Extended);
    let begin = within("the begin", begin).await.unwrap().unix_timestamp();
    let first = page(&client, &contract, TickType::Last, 0).await;
    assert_eq!(first[0].time_s, begin);
    let mnq = future(MNQ);
    let schedule = within("a schedule", client.historical_schedules(&mnq, 3.days()).fetch()).await.unwrap();
    assert_eq!(schedule.time_zone, "US/Central");
    assert_eq!(schedule.sessions.len(), 3);
    assert_eq!(schedule.sessions[2].end.unix_timestamp(), CLOSE_S);
}

#[tokio::test]
async fn bars_can_be_kept_up_to_date() {
    // Ten times as fast, so that an update comes each half second.
    let fast = |config: &mut Config| config.clock.speed = 10.0;
    let gateway = gateway_at(NOON_S, fast).await;
    let client = gateway.client(1).await;
    let contract = sim_contract(SIM1);
    let request = client.historical_data(&contract, HistoricalBarSize::Min).duration(300.seconds());
    let mut bars = request.what_to_show(HistoricalWhatToShow::MidPoint).stream().await.unwrap();
    let mut next = async || match within("a bar", bars.next()).await.unwrap().unwrap() {
        SubscriptionItem::Data(data) => data,
        SubscriptionItem::Notice(notice) => panic!("{notice:?}"),
    };
    let HistoricalBarUpdate::Historical(data) = next().await else { panic!("not the bars") };
    assert!(data.bars.len() >= 5);
    assert!(matches!(next().await, HistoricalBarUpdate::End { .. }));
    let last = data.bars.last().unwrap().date;
    for _ in 0..3 {
        let HistoricalBarUpdate::Update(bar) = next().await else { panic!("not an update") };
        assert!(bar.date >= last);
    }
}
