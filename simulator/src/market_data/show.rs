//! What a line says of a contract: all of it at first, then what has changed.

use super::line::Kind;
use crate::market::catalog::Contract;
use crate::market::tick::Trade;
use crate::market::{DayFigures, LastTrade, TopOfBook};
use crate::wire::answer::Answer;
use crate::wire::pb;

/// Numbers of the ticks of a line.
#[derive(Debug, Clone, Copy)]
struct Ids {
    bid: i32,
    ask: i32,
    last: i32,
    bid_size: i32,
    ask_size: i32,
    last_size: i32,
    high: i32,
    low: i32,
    volume: i32,
    close: i32,
    open: i32,
    last_time: i32,
    halted: i32,
}

const LIVE: Ids = Ids {
    bid: 1,
    ask: 2,
    last: 4,
    bid_size: 0,
    ask_size: 3,
    last_size: 5,
    high: 6,
    low: 7,
    volume: 8,
    close: 9,
    open: 14,
    last_time: 45,
    halted: 49,
};

const DELAYED: Ids = Ids {
    bid: 66,
    ask: 67,
    last: 68,
    bid_size: 69,
    ask_size: 70,
    last_size: 71,
    high: 72,
    low: 73,
    volume: 74,
    close: 75,
    open: 76,
    last_time: 88,
    halted: 90,
};

// Letters of exchanges, of live lines of stocks that are routed.
const BID_EXCHANGE: i32 = 32;
const ASK_EXCHANGE: i32 = 33;
const LAST_EXCHANGE: i32 = 84;

/// Attribute: the price can be executed at once.
const CAN_EXECUTE: i32 = 1;

/// A price that there is not.
const NO_PRICE: f64 = -1.0;

/// Permissions of snapshots, as the original sends them to a login with all data.
const SNAPSHOT_PERMISSIONS: i32 = 3;

/// Key of the letters of the US stock exchanges.
const US_EXCHANGES: &str = "9c0001";

/// Letters of the US stock exchanges on the consolidated tape.
const LETTERS: [(&str, &str); 5] = [("ARCA", "P"), ("BATS", "Z"), ("IEX", "V"), ("NASDAQ", "Q"), ("NYSE", "N")];

/// Says what a contract's line shows.
pub(super) struct Teller<'a> {
    req_id: i32,
    contract: &'a Contract,
    kind: Kind,
    ids: Ids,
    answers: Vec<Answer>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(req_id: i32, contract: &'a Contract, kind: Kind) -> Self {
        let ids = if kind.delayed() { DELAYED } else { LIVE };
        Self { req_id, contract, kind, ids, answers: Vec::new() }
    }

    pub(super) fn finish(self) -> Vec<Answer> {
        self.answers
    }

    /// Everything, for a client that knows nothing yet. Of a closed contract the close only, unless it is to be frozen.
    pub(super) fn all(&mut self, book: &TopOfBook) {
        let market_data_type = Some(self.kind.number());
        self.answers.push(Answer::MarketDataType(pb::MarketDataType { req_id: Some(self.req_id), market_data_type }));
        self.parameters();
        if !book.trading && !self.kind.frozen() {
            let close = book.last.as_ref().map(|last| last.trade.price);
            return self.price(self.ids.close, close.or(book.day.previous_close));
        }
        self.quote(None, book);
        self.last(None, book);
        self.day(None, &book.day);
        self.halted(book.halted);
    }

    /// What has changed.
    pub(super) fn changes(&mut self, before: &TopOfBook, now: &TopOfBook) {
        if self.kind.frozen() && !now.trading {
            return;
        }
        match (before.trading, now.trading) {
            (false, false) => {}
            (true, false) => self.gone(),
            (false, true) => {
                self.quote(None, now);
                self.last(before.last.as_ref(), now);
                self.day(Some(&before.day), &now.day);
            }
            (true, true) => {
                self.quote(Some(before), now);
                self.last(before.last.as_ref(), now);
                self.day(Some(&before.day), &now.day);
            }
        }
        if now.trading && before.halted != now.halted {
            self.halted(now.halted);
        }
    }

    fn parameters(&mut self) {
        let step = (1.0 / f64::from(self.contract.steps_per_unit)).to_string();
        self.answers.push(Answer::TickReqParams(pb::TickReqParams {
            req_id: Some(self.req_id),
            min_tick: Some(step.clone()),
            bbo_exchange: Some(if self.routed() { US_EXCHANGES } else { "" }.to_owned()),
            snapshot_permissions: Some(SNAPSHOT_PERMISSIONS),
            last_price_precision: Some(step),
            last_size_precision: Some(self.contract.min_size.to_string()),
        }));
    }

    fn quote(&mut self, before: Option<&TopOfBook>, now: &TopOfBook) {
        let before = before.map(|before| &before.quote);
        let (ids, quote) = (self.ids, &now.quote);
        if before.is_none() && self.routed() && !self.kind.delayed() {
            let letter = letter(self.contract.primary_exchange);
            self.text(BID_EXCHANGE, letter.to_owned());
            self.text(ASK_EXCHANGE, letter.to_owned());
        }
        if before.is_none_or(|before| before.bid != quote.bid) {
            self.price_and_size(ids.bid, quote.bid, quote.bid_size, CAN_EXECUTE);
        } else if before.is_none_or(|before| before.bid_size != quote.bid_size) {
            self.size(ids.bid_size, quote.bid_size);
        }
        if before.is_none_or(|before| before.ask != quote.ask) {
            self.price_and_size(ids.ask, quote.ask, quote.ask_size, CAN_EXECUTE);
        } else if before.is_none_or(|before| before.ask_size != quote.ask_size) {
            self.size(ids.ask_size, quote.ask_size);
        }
    }

    fn last(&mut self, before: Option<&LastTrade>, now: &TopOfBook) {
        let Some(LastTrade { at_us, trade }) = now.last.as_ref() else { return };
        if before.is_some_and(|before| before.at_us == *at_us) {
            return;
        }
        let second = |at_us: i64| at_us.div_euclid(1_000_000);
        if before.is_none_or(|before| second(before.at_us) != second(*at_us)) {
            self.text(self.ids.last_time, second(*at_us).to_string());
        }
        if self.routed() && !self.kind.delayed() && before.is_none_or(|last| last.trade.exchange != trade.exchange) {
            self.text(LAST_EXCHANGE, letter(trade.exchange).to_owned());
        }
        let same = |value: fn(&Trade) -> f64| before.is_some_and(|before| value(&before.trade) == value(trade));
        if !same(|trade| trade.price) {
            self.price_and_size(self.ids.last, trade.price, trade.size, 0);
        } else if !same(|trade| trade.size) {
            self.size(self.ids.last_size, trade.size);
        }
    }

    fn day(&mut self, before: Option<&DayFigures>, now: &DayFigures) {
        let ids = self.ids;
        if before.is_none_or(|before| before.volume != now.volume) {
            self.size(ids.volume, now.volume);
        }
        let prices = |day: &DayFigures| {
            [(ids.high, day.high), (ids.low, day.low), (ids.open, day.open), (ids.close, day.previous_close)]
        };
        let before = before.map(prices);
        for (id, price) in prices(now) {
            if before.is_none_or(|before| !before.contains(&(id, price))) {
                self.price(id, price);
            }
        }
    }

    /// The market has closed: there is no bid and no offer any more.
    fn gone(&mut self) {
        self.price_and_size(self.ids.bid, NO_PRICE, 0.0, 0);
        self.price_and_size(self.ids.ask, NO_PRICE, 0.0, 0);
    }

    /// 1: a general halt.
    fn halted(&mut self, halted: bool) {
        self.number(self.ids.halted, f64::from(u8::from(halted)));
    }

    /// Whether it is a US stock that IBKR routes, whose exchanges have letters.
    fn routed(&self) -> bool {
        self.contract.exchange == "SMART"
    }

    fn price(&mut self, tick_type: i32, price: Option<f64>) {
        if let Some(price) = price {
            self.price_and_size(tick_type, price, 0.0, 0);
        }
    }

    fn price_and_size(&mut self, tick_type: i32, price: f64, size: f64, mask: i32) {
        self.answers.push(Answer::TickPrice(pb::TickPrice {
            req_id: Some(self.req_id),
            tick_type: Some(tick_type),
            price: Some(price),
            size: Some(size.to_string()),
            attr_mask: Some(mask),
        }));
    }

    pub(super) fn size(&mut self, tick_type: i32, size: f64) {
        let (req_id, tick_type, size) = (Some(self.req_id), Some(tick_type), Some(size.to_string()));
        self.answers.push(Answer::TickSize(pb::TickSize { req_id, tick_type, size }));
    }

    pub(super) fn text(&mut self, tick_type: i32, value: String) {
        let (req_id, tick_type, value) = (Some(self.req_id), Some(tick_type), Some(value));
        self.answers.push(Answer::TickString(pb::TickString { req_id, tick_type, value }));
    }

    pub(super) fn number(&mut self, tick_type: i32, value: f64) {
        let (req_id, tick_type, value) = (Some(self.req_id), Some(tick_type), Some(value));
        self.answers.push(Answer::TickGeneric(pb::TickGeneric { req_id, tick_type, value }));
    }

    pub(super) fn snapshot_end(&mut self) {
        self.answers.push(Answer::TickSnapshotEnd(pb::TickSnapshotEnd { req_id: Some(self.req_id) }));
    }
}

fn letter(exchange: &str) -> &'static str {
    LETTERS.into_iter().find(|(name, _)| *name == exchange).map_or("", |(_, letter)| letter)
}
