//! Bars and sessions as messages.

use super::bars::{Bar, BarsQuestion, Show, Stretch};
use super::time::text;
use crate::wire::pb;

/// Volume, average and count of a bar that is not of trades.
const NONE: i32 = -1;

/// A bar, in the answer to a question about a contract in a zone.
#[must_use]
pub fn bar(bar: &Bar, question: &BarsQuestion, zone: &str) -> pb::HistoricalBar {
    let of_trades = question.show == Show::Trades;
    let number = |value: f64| Some(if of_trades { value.to_string() } else { NONE.to_string() });
    let date = match bar.date {
        Some(date) => date.strftime("%Y%m%d").to_string(),
        None if question.text_times => moment(bar.start_s, zone),
        None => bar.start_s.to_string(),
    };
    pb::HistoricalBar {
        date: Some(date),
        open: Some(bar.open),
        high: Some(bar.high),
        low: Some(bar.low),
        close: Some(bar.close),
        volume: number(bar.volume),
        wap: number(bar.wap()),
        bar_count: Some(if of_trades { bar.ticks } else { NONE }),
    }
}

/// The end of an answer: the time that it covers, seconds since the epoch.
#[must_use]
pub fn bars_end(req_id: i32, (from, to): (i64, i64), zone: &str) -> pb::HistoricalDataEnd {
    pb::HistoricalDataEnd {
        req_id: Some(req_id),
        start_date_str: Some(moment(from, zone)),
        end_date_str: Some(moment(to, zone)),
    }
}

/// Sessions, of a contract in a zone.
#[must_use]
pub fn schedule(req_id: i32, sessions: &[Stretch], zone: &str) -> pb::HistoricalSchedule {
    let at = |second: i64| Some(text(second, zone, "%Y%m%d-%H:%M:%S"));
    let session = |stretch: &Stretch| pb::HistoricalSession {
        start_date_time: at(stretch.session.open_s),
        end_date_time: at(stretch.session.close_s),
        ref_date: Some(stretch.day.date.strftime("%Y%m%d").to_string()),
    };
    pb::HistoricalSchedule {
        req_id: Some(req_id),
        start_date_time: sessions.first().and_then(|first| at(first.session.open_s)),
        end_date_time: sessions.last().and_then(|last| at(last.session.close_s)),
        time_zone: Some(zone.to_owned()),
        sessions: sessions.iter().map(session).collect(),
    }
}

fn moment(second: i64, zone: &str) -> String {
    text(second, zone, &format!("%Y%m%d %H:%M:%S {zone}"))
}
