//! When a refused stream is asked for again (docs/recovery.md has the causes).

use std::time::Duration;

use marketstream_recovery::codes::ErrorClass;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The pause before the next request, after `refusals` refusals in a row (from 1). The spacing of requests comes on
/// top where it is longer.
#[must_use]
pub fn pause(class: ErrorClass, refusals: u32) -> Duration {
    let steps: &[u64] = match class {
        // One quick second try, since 354 also answers a request that follows a cancel too fast. Then hourly.
        ErrorClass::NotEntitled => &[30, HOUR],
        // Lines of a dead client may linger; a storm of requests would not free them.
        ErrorClass::Capacity => &[5 * MINUTE],
        ErrorClass::Pacing => &[MINUTE],
        ErrorClass::ContractInvalid => &[MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 24 * HOUR],
        // Held by the canary instead, which knows when to try.
        ErrorClass::CompetingSession => &[30],
        ErrorClass::ClientIdInUse | ErrorClass::Advisory => &[0],
        ErrorClass::Other => &[15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE],
    };
    let step = (refusals.max(1) as usize - 1).min(steps.len() - 1);
    Duration::from_secs(steps[step])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_contract_is_asked_for_ever_more_rarely() {
        let minutes: Vec<u64> = (1..=7).map(|n| pause(ErrorClass::ContractInvalid, n).as_secs() / MINUTE).collect();
        assert_eq!(minutes, [1, 5, 15, 60, 1440, 1440, 1440]);
    }

    #[test]
    fn every_class_has_a_pause_for_every_count() {
        for refusals in [0, 1, 2, 100, u32::MAX] {
            assert!(pause(ErrorClass::Other, refusals) <= Duration::from_secs(300));
            assert_eq!(pause(ErrorClass::Capacity, refusals), Duration::from_secs(300));
        }
        assert_eq!(pause(ErrorClass::NotEntitled, 1).as_secs(), 30);
        assert_eq!(pause(ErrorClass::NotEntitled, 2).as_secs(), HOUR);
    }
}
