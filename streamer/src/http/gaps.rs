//! `/v1/gaps`: the ledger; `/v1/backfill`: history that a person asks for.

use std::collections::HashMap;

use marketstream_crds::TickType;
use serde_json::{Value, json};

use crate::{backfill::ledger::Gap, engine::Request, facts::Facts};

/// Longest range of one request, seconds: a week.
const MAX_RANGE_S: i64 = 7 * 24 * 3600;

/// The gaps, the oldest first, and in how many seconds those that wait for history are fetched.
pub fn list(facts: &Facts) -> Value {
    let published = facts.session.borrow().gaps.clone();
    let gaps: &[Gap] = published.0.gaps();
    let mut list = json!({"counts": published.0.counts(), "gaps": gaps});
    if let Some(eta) = published.eta_seconds(facts.clock.now()) {
        list["etaSeconds"] = json!(eta);
    }
    list
}

/// Reads a request. `now_s` is the present, in seconds since 1970.
///
/// # Errors
/// Names the parameter and says what to write.
pub fn request(parameters: &HashMap<String, String>, facts: &Facts, now_s: i64) -> Result<Request, String> {
    let text = |name: &str, form: &str| {
        let value = parameters.get(name).filter(|value| !value.is_empty());
        value.cloned().ok_or_else(|| format!("{name} is missing: write {form}"))
    };
    let seconds = |name: &str| -> Result<i64, String> {
        let form = "seconds since 1970, or a time such as 2026-11-24T12:00:00Z";
        let value = text(name, form)?;
        let time = value.parse().ok().or_else(|| value.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second));
        time.ok_or_else(|| format!("{name}={value}: write {form}"))
    };
    let contract = text("contract", "the name of a contract of the manifest")?;
    let tick = text("tick", "Last, AllLast, BidAsk or MidPoint")?;
    let tick: TickType = serde_json::from_value(json!(tick))
        .map_err(|_| format!("tick={tick}: write Last, AllLast, BidAsk or MidPoint"))?;
    let (from, to) = (seconds("from")?, seconds("to")?);
    if from >= to || to - from > MAX_RANGE_S || to > now_s {
        return Err(format!("from={from} to={to}: from must be before to, at most a week, and to not in the future"));
    }
    let known =
        facts.session.borrow().streams.iter().any(|stream| stream.key.contract == contract && stream.con_id.is_some());
    if !known {
        return Err(format!("contract={contract}: the manifest has no contract of that name that IBKR knows"));
    }
    // `to` is exclusive, as everywhere for people; the ledger's ranges include both ends.
    Ok(Request { contract, tick, seconds: from..=to - 1 })
}
