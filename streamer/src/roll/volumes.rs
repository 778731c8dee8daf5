//! What each expiry traded on one day.

use std::collections::BTreeMap;

use jiff::civil::Date;

/// Volumes of one whole trading day, by contract identifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Volumes {
    /// The day, at the exchange.
    pub day: Date,
    /// Contracts; a contract without a trade has 0.
    pub of: BTreeMap<i32, f64>,
}

impl Volumes {
    /// Of the last day before `today` on which any of the contracts traded, from their daily bars: the bar of today is
    /// still growing. `None` when there is no such day.
    #[must_use]
    pub fn of_last_day(bars: &BTreeMap<i32, Vec<(Date, f64)>>, today: Date) -> Option<Self> {
        let day = bars.values().flatten().map(|(day, _)| *day).filter(|day| *day < today).max()?;
        let volume = |bars: &[(Date, f64)]| bars.iter().filter(|(of, _)| *of == day).map(|(_, volume)| volume).sum();
        Some(Self { day, of: bars.iter().map(|(con_id, bars)| (*con_id, volume(bars))).collect() })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn one_whole_day_counts_for_all_contracts() {
        let (wednesday, thursday, friday) = (date(2026, 12, 9), date(2026, 12, 10), date(2026, 12, 11));
        let bars = BTreeMap::from([
            (1, vec![(wednesday, 10.0), (thursday, 20.0), (friday, 1.0)]),
            (2, vec![(wednesday, 99.0)]),
            (3, vec![]),
        ]);
        let volumes = Volumes::of_last_day(&bars, friday).unwrap();
        assert_eq!(volumes, Volumes { day: thursday, of: BTreeMap::from([(1, 20.0), (2, 0.0), (3, 0.0)]) });
        assert_eq!(Volumes::of_last_day(&bars, wednesday), None);
    }
}
