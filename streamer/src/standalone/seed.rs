//! ib-stream's environment variables and its syntax of tracked contracts. They fill in what the manifest leaves out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// The variables that are honoured.
pub const HOST: &str = "IB_STREAM_HOST";
/// Ports, separated by commas.
pub const PORTS: &str = "IB_STREAM_PORTS";
/// The first API client ID.
pub const CLIENT_ID: &str = "IB_STREAM_CLIENT_ID";
/// Whether the tracked contracts are recorded.
pub const ENABLED: &str = "IB_STREAM_ENABLE_BACKGROUND_STREAMING";
/// `conId:symbol:tick;tick:hours,...`
pub const CONTRACTS: &str = "IB_STREAM_TRACKED_CONTRACTS";

/// Tick types of an entry that names none.
const DEFAULT_TICKS: &str = "bid_ask;last";

/// The variables that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seed {
    host: Option<String>,
    ports: Option<Vec<u16>>,
    client_id: Option<i32>,
    contracts: Option<Vec<Tracked>>,
}

/// One tracked contract.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tracked {
    name: String,
    con_id: i32,
    ticks: Vec<&'static str>,
}

impl Seed {
    /// Reads the variables by `get`. Empty ones count as not set.
    ///
    /// # Errors
    /// Names the variable and says what to write.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let number = |name: &str, form: &str, text: &str| {
            text.trim().parse::<i32>().map_err(|_| format!("{name}: {text:?} must be {form}"))
        };
        let ports = get(PORTS).map(|text| {
            let port = |port: &str| port.trim().parse().map_err(|_| format!("{PORTS}: {port:?} must be a port number"));
            text.split(',').map(port).collect()
        });
        let client_id = get(CLIENT_ID).map(|text| number(CLIENT_ID, "a client ID, such as 851", &text));
        let enabled = get(ENABLED).is_none_or(|text| !matches!(text.to_lowercase().as_str(), "false" | "0" | "no"));
        let contracts = get(CONTRACTS).filter(|_| enabled).map(|text| tracked(&text));
        Ok(Self {
            host: get(HOST),
            ports: ports.transpose()?,
            client_id: client_id.transpose()?,
            contracts: contracts.transpose()?,
        })
    }

    /// Whether there is something to record without any manifest.
    #[must_use]
    pub fn has_contracts(&self) -> bool {
        self.contracts.is_some()
    }

    /// Fills in what a manifest's spec leaves out: the manifest wins.
    pub fn complete(&self, spec: &mut serde_json::Map<String, Value>) {
        if let Some(contracts) = &self.contracts {
            let contract =
                |tracked: &Tracked| json!({"name": tracked.name, "conId": tracked.con_id, "ticks": tracked.ticks});
            spec.entry("contracts").or_insert_with(|| contracts.iter().map(contract).collect());
        }
        if *self == Self::default() {
            return;
        }
        let gateway = spec.entry("gateway").or_insert_with(|| json!({}));
        let Some(gateway) = gateway.as_object_mut() else { return };
        if !gateway.contains_key("sidecar")
            && let Some(external) = gateway.entry("external").or_insert_with(|| json!({})).as_object_mut()
        {
            external.entry("host").or_insert_with(|| json!(self.host.as_deref().unwrap_or("127.0.0.1")));
            if let Some(ports) = &self.ports {
                external.entry("ports").or_insert_with(|| json!(ports));
            }
        }
        if let Some(base) = self.client_id
            && let Some(ids) = gateway.entry("clientId").or_insert_with(|| json!({})).as_object_mut()
        {
            ids.entry("base").or_insert_with(|| json!(base));
        }
    }
}

fn tracked(text: &str) -> Result<Vec<Tracked>, String> {
    let mut names = BTreeSet::new();
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(|entry| one(entry, &mut names)).collect()
}

fn one(entry: &str, names: &mut BTreeSet<String>) -> Result<Tracked, String> {
    let wrong = |what: &str| {
        format!(
            "{CONTRACTS}: {entry:?}: {what}; write conId:symbol:tick;tick:hours, such as 711280073:MNQ:bid_ask;last:24"
        )
    };
    let parts: Vec<&str> = entry.split(':').map(str::trim).collect();
    let (con_id, symbol) = match parts.as_slice() {
        [con_id, symbol, ..] if parts.len() <= 4 => (*con_id, *symbol),
        _ => return Err(wrong("it must have two to four parts")),
    };
    let con_id = con_id.parse().ok().filter(|id| *id > 0).ok_or_else(|| wrong("the contract ID must be a number"))?;
    let ticks = parts.get(2).copied().filter(|ticks| !ticks.is_empty()).unwrap_or(DEFAULT_TICKS);
    let ticks: Option<Vec<&'static str>> = ticks.split(';').map(tick).collect();
    let ticks = ticks.ok_or_else(|| wrong("tick types are last, all_last, bid_ask and mid_point"))?;
    // ib-stream only echoes the hours; here `spec.storage.retentionDays` says how long ticks are kept.
    if parts.get(3).is_some_and(|hours| hours.parse::<u32>().is_err()) {
        return Err(wrong("the hours must be a number"));
    }
    let label: String =
        symbol.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let label = label.trim_matches('-');
    if label.is_empty() {
        return Err(wrong("the symbol is missing"));
    }
    let name = if names.contains(label) { format!("{label}-{con_id}") } else { label.to_owned() };
    names.insert(name.clone());
    Ok(Tracked { name, con_id, ticks })
}

fn tick(text: &str) -> Option<&'static str> {
    match text.trim().to_lowercase().replace('_', "").as_str() {
        "last" => Some("Last"),
        "alllast" => Some("AllLast"),
        "bidask" => Some("BidAsk"),
        "midpoint" => Some("MidPoint"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(variables: &[(&str, &str)]) -> Result<Seed, String> {
        Seed::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn completed(seed: &Seed, spec: Value) -> Value {
        let mut spec = spec.as_object().unwrap().clone();
        seed.complete(&mut spec);
        Value::Object(spec)
    }

    #[test]
    fn the_seed_s_own_example_becomes_a_spec() {
        let seed = seed(&[
            (HOST, "localhost"),
            (CLIENT_ID, "851"),
            (PORTS, "4002, 4001"),
            (ENABLED, "true"),
            (CONTRACTS, "711280073:MNQ:bid_ask;last:24,265598:AAPL,1:mnq:BidAsk"),
        ])
        .unwrap();
        let wanted = json!({
            "contracts": [
                {"name": "mnq", "conId": 711_280_073, "ticks": ["BidAsk", "Last"]},
                {"name": "aapl", "conId": 265_598, "ticks": ["BidAsk", "Last"]},
                {"name": "mnq-1", "conId": 1, "ticks": ["BidAsk"]},
            ],
            "gateway": {"external": {"host": "localhost", "ports": [4002, 4001]}, "clientId": {"base": 851}},
        });
        assert_eq!(completed(&seed, json!({})), wanted);
    }

    #[test]
    fn the_manifest_wins() {
        let seed = seed(&[(HOST, "gw"), (CLIENT_ID, "7"), (PORTS, "1"), (CONTRACTS, "1:A")]).unwrap();
        let spec = json!({
            "contracts": [{"name": "b", "conId": 2, "ticks": ["Last"]}],
            "gateway": {"external": {"host": "mine", "ports": [4002]}, "clientId": {"base": 100}},
        });
        assert_eq!(completed(&seed, spec.clone()), spec);
        let sidecar = json!({"contracts": [], "gateway": {"sidecar": {}, "clientId": {"base": 1}}});
        assert_eq!(completed(&seed, sidecar.clone()), sidecar);
        assert_eq!(completed(&Seed::default(), json!({})), json!({}));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value, named) in [
            (PORTS, "4002;4001", "IB_STREAM_PORTS: \"4002;4001\" must be a port number"),
            (CLIENT_ID, "x", "IB_STREAM_CLIENT_ID: \"x\" must be a client ID"),
            (CONTRACTS, "1", "two to four parts"),
            (CONTRACTS, "MNQ:1", "the contract ID must be a number"),
            (CONTRACTS, "1:MNQ:quotes", "tick types are last"),
            (CONTRACTS, "1:MNQ:last:day", "the hours must be a number"),
            (CONTRACTS, "1::last", "the symbol is missing"),
        ] {
            let error = seed(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(name) && error.contains(named), "{error}");
        }
    }

    #[test]
    fn disabled_or_empty_tracks_nothing() {
        assert!(!seed(&[(CONTRACTS, "1:MNQ"), (ENABLED, "false")]).unwrap().has_contracts());
        assert_eq!(seed(&[(HOST, ""), (CONTRACTS, " ")]).unwrap(), Seed::default());
    }
}
