//! The text of an RTVolume tick: `price;size;time in ms;volume;average price;single trade` (IBKR's documentation). Pure.

/// A trade as ordinary market data tell it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trade {
    /// Price.
    pub price: f64,
    /// Size.
    pub size: f64,
    /// IBKR's time, milliseconds since 1970.
    pub at_ms: i64,
    /// The day's volume, this trade included.
    pub volume: f64,
}

/// Reads the text. `None` when it is no trade: IBKR leaves the price out of trades that do not count for the last price.
#[must_use]
pub fn parse(text: &str) -> Option<Trade> {
    let mut fields = text.split(';');
    let mut number = || fields.next()?.parse::<f64>().ok().filter(|number| number.is_finite());
    let (price, size, at_ms, volume) = (number()?, number()?, number()?, number()?);
    // Beyond the year 9999 no file has a place for it.
    let in_time = (1.0..253_402_300_800_000.0).contains(&at_ms);
    in_time.then_some(Trade { price, size, at_ms: at_ms as i64, volume })
}

#[cfg(test)]
mod tests {
    use marketstream_fuzz::{Memory, fuzz};

    use super::*;

    #[test]
    fn fuzzed_trades_are_none_or_have_numbers_and_a_time() {
        let corpus = ["701.28;1;1348075471534;67854;701.46918464;true", ";0;1348075471534;1;1;true", ""];
        let memory = Memory { base: 1 << 10, per_byte: 4 };
        fuzz("trades", memory, &corpus.map(|text| text.as_bytes().to_vec()), |bytes| {
            let Some(trade) = parse(&String::from_utf8_lossy(bytes)) else { return };
            assert!([trade.price, trade.size, trade.volume].iter().all(|number| number.is_finite()), "{trade:?}");
            assert!((1..253_402_300_800_000).contains(&trade.at_ms), "{trade:?}");
        });
    }

    #[test]
    fn a_trade_is_read_and_what_is_none_is_not() {
        let trade = Trade { price: 701.28, size: 1.0, at_ms: 1_348_075_471_534, volume: 67_854.0 };
        assert_eq!(parse("701.28;1;1348075471534;67854;701.46918464;true"), Some(trade));
        let text = "-37.63;2.5;1348075471534;67854.125;701.46918464;false";
        assert_eq!(parse(text), Some(Trade { price: -37.63, size: 2.5, volume: 67_854.125, ..trade }));
        for text in ["", ";0;1348075471534;1;1;true", "1;1;0;1;1;true", "1;1;1e300;1;1;true", "1;1", "NaN;1;1;1", "a;b"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
