//! A request for historical ticks, checked.

use jiff::tz::TimeZone;

use super::time;
use crate::market::Stream;
use crate::market::tick::TickType;
use crate::wire::pb;

/// Most ticks that a request may ask for. The answer may hold more, to complete its last second.
pub const MAX_TICKS: i32 = 1_000;

/// Kinds of historical ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Reported trades.
    Trades,
    /// Best bids and offers.
    BidAsk,
    /// The middle between them.
    Midpoint,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Trades, Self::BidAsk, Self::Midpoint];

    /// Name in requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trades => "TRADES",
            Self::BidAsk => "BID_ASK",
            Self::Midpoint => "MIDPOINT",
        }
    }

    /// The live ticks that it is the history of.
    #[must_use]
    pub fn live(self) -> TickType {
        match self {
            Self::Trades => TickType::Last,
            Self::BidAsk => TickType::BidAsk,
            Self::Midpoint => TickType::MidPoint,
        }
    }

    /// The live stream of a contract that it is the history of.
    #[must_use]
    pub fn stream(self, con_id: i32) -> Stream {
        Stream { con_id, tick: self.live() }
    }
}

/// Where the ticks lie, seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// From that second on.
    Start(i64),
    /// Before that second.
    End(i64),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// IBKR's contract id.
    pub con_id: i32,
    /// Kind of ticks.
    pub what: What,
    /// Where they lie.
    pub anchor: Anchor,
    /// How many: whole seconds until there are that many.
    pub count: usize,
    /// Of the liquid hours only.
    pub use_rth: bool,
    /// Of quotes: without those that change a size only.
    pub ignore_size: bool,
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Both or neither of start and end.
    #[error("Historical ticks request must have exactly one of start and end time")]
    Anchor,
    /// A time that cannot be read.
    #[error("{}", time::BAD_TIME)]
    Time,
    /// A number of ticks out of range.
    #[error("Number of ticks must be 1 to {MAX_TICKS}")]
    Count,
    /// No such kind.
    #[error("Historical ticks of that kind are not known: use TRADES, BID_ASK or MIDPOINT")]
    What,
}

impl Question {
    /// Checks a request for ticks of a contract. Times without zone are in `zone`.
    ///
    /// # Errors
    /// See [`QuestionError`].
    pub fn new(con_id: i32, request: &pb::HistoricalTicksRequest, zone: &TimeZone) -> Result<Self, QuestionError> {
        let name = request.what_to_show.as_deref().unwrap_or_default();
        let what = What::ALL.into_iter().find(|what| what.name().eq_ignore_ascii_case(name));
        let count = request.number_of_ticks.unwrap_or(0);
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let read = |text: String| time::parse(&text, zone).ok_or(QuestionError::Time);
        let anchor = match (given(&request.start_date_time), given(&request.end_date_time)) {
            (Some(start), None) => Anchor::Start(read(start)?),
            (None, Some(end)) => Anchor::End(read(end)?),
            _ => return Err(QuestionError::Anchor),
        };
        Ok(Self {
            con_id,
            what: what.ok_or(QuestionError::What)?,
            anchor,
            count: usize::try_from(count)
                .ok()
                .filter(|_| (1..=MAX_TICKS).contains(&count))
                .ok_or(QuestionError::Count)?,
            use_rth: request.use_rth.unwrap_or(false),
            ignore_size: request.ignore_size.unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> pb::HistoricalTicksRequest {
        pb::HistoricalTicksRequest {
            start_date_time: Some("20261124 15:00:00 UTC".into()),
            number_of_ticks: Some(1_000),
            what_to_show: Some("TRADES".into()),
            ..Default::default()
        }
    }

    fn question(request: &pb::HistoricalTicksRequest) -> Result<Question, QuestionError> {
        Question::new(5, request, &TimeZone::UTC)
    }

    #[test]
    fn a_good_request_is_taken() {
        let expected = Question {
            con_id: 5,
            what: What::Trades,
            anchor: Anchor::Start(1_795_532_400),
            count: 1_000,
            use_rth: false,
            ignore_size: false,
        };
        assert_eq!(question(&request()), Ok(expected));
        let end = pb::HistoricalTicksRequest {
            start_date_time: Some(String::new()),
            end_date_time: Some("20261124-15:00:00".into()),
            what_to_show: Some("Bid_Ask".into()),
            use_rth: Some(true),
            ignore_size: Some(true),
            ..request()
        };
        let anchor = Anchor::End(1_795_532_400);
        let expected = Question { what: What::BidAsk, anchor, use_rth: true, ignore_size: true, ..expected };
        assert_eq!(question(&end), Ok(expected));
    }

    #[test]
    fn bad_ones_are_refused() {
        let time = || Some("20261124 15:00:00 UTC".to_owned());
        let good = request();
        for (bad, error) in [
            (pb::HistoricalTicksRequest { end_date_time: time(), ..good.clone() }, QuestionError::Anchor),
            (pb::HistoricalTicksRequest { start_date_time: None, ..good.clone() }, QuestionError::Anchor),
            (pb::HistoricalTicksRequest { start_date_time: Some("today".into()), ..good.clone() }, QuestionError::Time),
            (pb::HistoricalTicksRequest { number_of_ticks: Some(0), ..good.clone() }, QuestionError::Count),
            (pb::HistoricalTicksRequest { number_of_ticks: Some(1_001), ..good.clone() }, QuestionError::Count),
            (pb::HistoricalTicksRequest { number_of_ticks: None, ..good.clone() }, QuestionError::Count),
            (pb::HistoricalTicksRequest { what_to_show: Some("ALL".into()), ..good.clone() }, QuestionError::What),
        ] {
            assert_eq!(question(&bad), Err(error), "{bad:?}");
        }
    }
}
