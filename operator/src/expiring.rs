//! Contracts that end soon, or have ended: said ahead of time, and only where a person may have to act or to know.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use marketstream_crds::{
    ContractStatus, EXPIRY_NOTICE_DAYS,
    conditions::{reasons, types},
};

/// How a contract ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With it, the recording.
    NothingFollows,
    /// The next one takes over by a rule that does not tell ahead when.
    RollPending,
}

impl Ending {
    /// Reason of the condition.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NothingFollows => reasons::NOTHING_FOLLOWS,
            Self::RollPending => reasons::ROLL_PENDING,
        }
    }
}

/// The worst that is true of these contracts, and what to say of it. The text changes only when something else is true:
/// each change of it is an event.
#[must_use]
pub fn ending(contracts: &[ContractStatus]) -> Option<(Ending, String)> {
    // Where the next one is known, so is the moment: nothing is left to say.
    let soon = |contract: &&ContractStatus| contract.days_left <= EXPIRY_NOTICE_DAYS && contract.next.is_none();
    let of = |follows: bool| {
        let those = contracts.iter().filter(soon).filter(move |contract| contract.follows == follows);
        let names: Vec<String> = those.map(sentence).collect();
        (!names.is_empty()).then(|| names.join("; "))
    };
    let alone = of(false).map(|names| {
        let advice = "name the contract that follows in spec.contracts, or give symbol, secType FUT and roll";
        (Ending::NothingFollows, format!("{names}: {advice}"))
    });
    alone.or_else(|| {
        let rule = "the next contract takes over when the roll's rule says so, at the latest then";
        of(true).map(|names| (Ending::RollPending, format!("{names}: {rule}")))
    })
}

fn sentence(contract: &ContractStatus) -> String {
    let ContractStatus { contract: name, local_symbol, con_id, last_trade_date, days_left, .. } = contract;
    let verb = if *days_left < 0 { "has expired" } else { "expires" };
    let symbol = if local_symbol.is_empty() { format!("conId {con_id}") } else { local_symbol.clone() };
    format!("{name} ({symbol}) {verb} on {last_trade_date}")
}

/// What the conditions say of it.
#[must_use]
pub fn told(conditions: &[Condition]) -> Option<(Ending, String)> {
    let condition = conditions.iter().find(|condition| condition.type_ == types::CONTRACT_EXPIRING)?;
    let known = [Ending::NothingFollows, Ending::RollPending];
    let ending = known.into_iter().find(|ending| ending.reason() == condition.reason)?;
    Some((ending, condition.message.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(name: &str, days_left: i32, follows: bool) -> ContractStatus {
        ContractStatus {
            contract: name.to_owned(),
            con_id: 7,
            local_symbol: format!("{}Z6", name.to_uppercase()),
            last_trade_date: "2026-12-18".to_owned(),
            days_left,
            follows,
            next: None,
        }
    }

    #[test]
    fn a_week_ahead_it_is_said_once_and_the_days_do_not_change_the_text() {
        assert_eq!(ending(&[contract("mnq", 8, false), contract("es", 8, true)]), None);
        let (kind, text) = ending(&[contract("mnq", 7, false)]).unwrap();
        assert_eq!(kind, Ending::NothingFollows);
        assert!(text.starts_with("mnq (MNQZ6) expires on 2026-12-18: name the contract that follows"), "{text}");
        assert_eq!(ending(&[contract("mnq", 0, false)]), Some((kind, text)));
        let (_, text) = ending(&[contract("mnq", -1, false)]).unwrap();
        assert!(text.starts_with("mnq (MNQZ6) has expired on 2026-12-18: "), "{text}");
    }

    #[test]
    fn a_roll_whose_moment_is_not_known_is_said_where_nothing_is_worse() {
        let (rolls, ends) = (contract("mnq", 3, true), contract("es", 5, false));
        let (kind, text) = ending(std::slice::from_ref(&rolls)).unwrap();
        assert_eq!(kind, Ending::RollPending);
        assert!(text.contains("mnq (MNQZ6) expires on 2026-12-18") && text.contains("at the latest"), "{text}");
        assert_eq!(ending(&[rolls, ends]).map(|(kind, _)| kind), Some(Ending::NothingFollows));
    }

    #[test]
    fn a_roll_whose_moment_is_known_needs_no_word() {
        let time: marketstream_crds::Time = "2026-12-10T06:00:00Z".parse::<jiff::Timestamp>().unwrap().into();
        let next =
            marketstream_crds::NextContract { con_id: 8, local_symbol: "MNQH7".to_owned(), from: time, until: time };
        assert_eq!(ending(&[ContractStatus { next: Some(next), ..contract("mnq", 1, true) }]), None);
    }
}
