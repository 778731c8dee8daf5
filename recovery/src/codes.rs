//! What an Interactive Brokers error says: its class, from the code and the text.
//!
//! Several codes mean different things by text, so a code alone is not enough. The rules are those of the causes in
//! the design (section 5), from IBKR's list of API message codes and from what gateways were seen to send. Texts are
//! compared without case, by the words that carry the meaning: their surroundings change with the server's version.
//!
//! The codes of connectivity and of data farms (1100 to 1102, 2103 to 2110) concern a session or a farm and are
//! evidence by their number; here the former are `Other`, the latter `Advisory`.

/// What an error means for the stream that got it, or for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Another login of the same user has the market data.
    CompetingSession,
    /// The client ID is taken by another connection.
    ClientIdInUse,
    /// The user has no subscription or permission for this data.
    NotEntitled,
    /// A limit on concurrent requests is used up.
    Capacity,
    /// Requests were sent too fast.
    Pacing,
    /// The contract, or the request for it, is refused.
    ContractInvalid,
    /// A notice: the request goes on.
    Advisory,
    /// None of the above.
    Other,
}

/// The code of a refusal that is the streamer's own, because `spec.limits` leaves no line. IBKR has no such code.
pub const OWN_LIMIT: i32 = 0;

/// The class of an error.
pub fn classify(code: i32, text: &str) -> ErrorClass {
    let says = |words: &str| text.to_ascii_lowercase().contains(words);
    match code {
        // "No market data during competing live session", whatever the text.
        10197 => ErrorClass::CompetingSession,
        // "Trading TWS session is connected from a different IP address": the same refusal for tick-by-tick data
        // (10189) and for historical data (162). It comes first, as these codes also carry texts of other classes.
        10189 | 162 if says("different ip address") => ErrorClass::CompetingSession,

        // "Unable to connect as the client id is already in use."
        326 => ErrorClass::ClientIdInUse,

        // 354 "Requested market data is not subscribed", 10168 and 10186 the same with delayed data not enabled.
        354 | 10168 | 10186 => ErrorClass::NotEntitled,
        // "Requested market data requires additional subscription for API. ... Delayed market data is available." The
        // request may go on with delayed data; whether it does is for the caller to see, the permission lacks anyway.
        10089 => ErrorClass::NotEntitled,
        // "Requested market data is not subscribed. Displaying delayed market data." They do not count as data.
        10167 => ErrorClass::NotEntitled,
        // "Requested historical ticks ... no permission".
        10187 => ErrorClass::NotEntitled,
        // "Failed to request tick-by-tick data. No market data permissions for NYSE STK"
        // and the same of historical data (162) and five-second bars (420).
        10189 | 162 | 420 if says("permission") => ErrorClass::NotEntitled,

        // 101 "Max number of tickers has been reached", 309 the same for market depth, 10190 for tick-by-tick data.
        OWN_LIMIT | 101 | 309 | 10190 => ErrorClass::Capacity,
        // "Max number of tick-by-tick requests has been reached" under the code of errors in processing any request;
        // its other texts are mistakes of the client, such as a duplicate ticker ID.
        322 if says("max number") => ErrorClass::Capacity,

        // "Max rate of messages per second has been exceeded"
        100 => ErrorClass::Pacing,
        // "Historical data request pacing violation" (162), "Invalid Real-time Query: ... pacing violation" (420). 162
        // also says "query returned no data" and "query cancelled", which are no failures of the stream.
        162 | 420 if says("pacing") => ErrorClass::Pacing,

        // 200 "No security definition has been found for the request", 203 "The security ... is not available or
        // allowed for this account", 321 "Error validating request", 166 "HMDS expired contract violation".
        166 | 200 | 203 | 321 => ErrorClass::ContractInvalid,

        // The band of warnings, including those that no list has.
        2100..=2199 => ErrorClass::Advisory,
        // 10090, 10091: part of the data is not subscribed, the rest goes on. 317: depth was reset. 165: a message of
        // the historical data service.
        10090 | 10091 | 317 | 165 => ErrorClass::Advisory,
        // "Order Message: ... Warning: ..."
        399 if says("warning:") => ErrorClass::Advisory,

        _ => ErrorClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorClass::*;
    use super::{OWN_LIMIT, classify};

    #[test]
    fn the_texts_of_the_gateway_have_their_class() {
        let cases = [
            (10197, "No market data during competing live session", CompetingSession),
            (
                10189,
                "Failed to request tick-by-tick data.Trading TWS session is connected from a different IP address",
                CompetingSession,
            ),
            (
                162,
                "Historical Market Data Service error message:Trading TWS session is connected from a different IP address",
                CompetingSession,
            ),
            (
                326,
                "Unable to connect as the client id is already in use. Retry with a unique client id.",
                ClientIdInUse,
            ),
            (354, "Requested market data is not subscribed.Delayed market data is available.", NotEntitled),
            (
                10089,
                "Requested market data requires additional subscription for API. See link in 'Market Data Connections' \
                 dialog for more details.Delayed market data is available.",
                NotEntitled,
            ),
            (10168, "Requested market data is not subscribed. Delayed market data is not enabled.", NotEntitled),
            (10186, "Requested market data is not subscribed. Delayed market data is not enabled.", NotEntitled),
            (10189, "Failed to request tick-by-tick data.No market data permissions for NYSE STK", NotEntitled),
            (10167, "Requested market data is not subscribed. Displaying delayed market data.", NotEntitled),
            (10187, "Failed to request historical ticks:No market data permissions for NYSE STK", NotEntitled),
            (162, "Historical Market Data Service error message:No market data permissions for NYSE STK", NotEntitled),
            (420, "Invalid Real-time Query:No market data permissions for ISLAND STK", NotEntitled),
            (OWN_LIMIT, "no tick-by-tick line is left", Capacity),
            (101, "Max number of tickers has been reached", Capacity),
            (309, "Max number (3) of market depth requests has been reached", Capacity),
            (10190, "Max number of tick-by-tick requests has been reached.", Capacity),
            (
                322,
                "Error processing request.-'cc' : cause - Max number of tick-by-tick requests has been reached",
                Capacity,
            ),
            (100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)", Pacing),
            (162, "Historical Market Data Service error message:Historical data request pacing violation", Pacing),
            (420, "Invalid Real-time Query:Historical data request pacing violation", Pacing),
            (200, "No security definition has been found for the request", ContractInvalid),
            (
                200,
                "The contract description specified for ES is ambiguous; you must specify the multiplier or trading class.",
                ContractInvalid,
            ),
            (203, "The security XYZ is not available or allowed for this account.", ContractInvalid),
            (321, "Error validating request:-'bW' : cause - Invalid contract", ContractInvalid),
            (166, "HMDS Expired Contract Violation:contract can not expire.", ContractInvalid),
            (2104, "Market data farm connection is OK:usfarm", Advisory),
            (2150, "Invalid position trade derived value", Advisory),
            (
                10090,
                "Part of requested market data is not subscribed. Subscription-independent ticks are still active.",
                Advisory,
            ),
            (10091, "Part of requested market data requires additional subscription for API.", Advisory),
            (
                317,
                "Market depth data has been RESET. Please empty deep book contents before applying any new entries.",
                Advisory,
            ),
            (165, "Historical Market Data Service query message:HMDS server connection was successful.", Advisory),
            (399, "Order Message:\nBUY 1 IBM\nWarning: your order will not be placed until the market opens", Advisory),
        ];
        for (code, text, class) in cases {
            assert_eq!(classify(code, text), class, "{code} {text}");
            assert_eq!(classify(code, &text.to_uppercase()), class, "{code} {text}, in capitals");
        }
    }

    #[test]
    fn a_text_of_another_meaning_does_not_get_the_class_of_its_code() {
        let cases = [
            (10189, "Failed to request tick-by-tick data.Tick-by-tick data is not supported for this contract"),
            (162, "Historical Market Data Service error message:HMDS query returned no data: AAPL@SMART Trades"),
            (162, "Historical Market Data Service error message:API historical data query cancelled: 9001"),
            (420, "Invalid Real-time Query"),
            (322, "Error processing request.-'bQ' : cause - Duplicate ticker id"),
            (399, "Order Message:\nBUY 1 IBM"),
            // Of one subscription's life, or the client's own mistake: it is asked for again.
            (102, "Duplicate ticker ID."),
            (300, "Can't find EId with tickerId:9001"),
            (310, "Can't find the subscribed market depth with tickerId:9001"),
            (316, "Market depth data has been HALTED. Please re-subscribe."),
            (320, "Server error when reading an API client request."),
            (366, "No historical data query found for ticker id:9001"),
            (10182, "Failed to request live updates (disconnected)."),
            (10225, "Bust event occurred, current subscription is deactivated. Please resubscribe real-time bars."),
        ];
        for (code, text) in cases {
            assert_eq!(classify(code, text), Other, "{code} {text}");
        }
    }

    #[test]
    fn where_two_texts_meet_the_competing_session_wins() {
        let text = "No market data permissions; pacing; Trading TWS session is connected from a different IP address";
        assert_eq!(classify(10189, text), CompetingSession);
        assert_eq!(classify(162, text), CompetingSession);
    }

    #[test]
    fn a_text_under_a_code_it_does_not_belong_to_decides_nothing() {
        for code in [-1, -5, 300, 502, 1100, 1101, 1102, 10182, 10225, i32::MIN, i32::MAX] {
            for text in ["", "different IP address", "permission", "Max number", "pacing violation", "Warning:"] {
                assert_eq!(classify(code, text), Other, "{code} {text}");
            }
        }
    }

    #[test]
    fn the_band_of_warnings_ends_where_it_should() {
        for (code, class) in [(2099, Other), (2100, Advisory), (2199, Advisory), (2200, Other)] {
            assert_eq!(classify(code, ""), class, "{code}");
        }
    }
}
