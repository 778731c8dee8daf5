//! What neither the schema nor CEL can check of a spec. The operator and a streamer without Kubernetes ask the same.

use crate::MarketStreamSpec;

/// What an IANA time zone looks like.
const ZONE_FORM: &str = "write one such as America/New_York";

/// The first fault of a spec that is valid by the CRD: names the field and says what to write.
#[must_use]
pub fn problem(spec: &MarketStreamSpec) -> Option<String> {
    zones(spec).or_else(|| stale_after(spec))
}

fn zones(spec: &MarketStreamSpec) -> Option<String> {
    let sidecar = spec.gateway.sidecar.iter().map(|sidecar| ("spec.gateway.sidecar".to_owned(), &sidecar.time_zone));
    let windows = spec.maintenance_windows.iter().enumerate();
    let windows = windows.map(|(at, window)| (format!("spec.maintenanceWindows[{at}]"), &window.time_zone));
    let (field, zone) = sidecar.chain(windows).find(|(_, zone)| jiff::tz::TimeZone::get(zone).is_err())?;
    Some(format!("{field}.timeZone: {zone:?} is not an IANA time zone; {ZONE_FORM}"))
}

fn stale_after(spec: &MarketStreamSpec) -> Option<String> {
    let contracts = spec.contracts.iter().enumerate();
    let own = contracts.filter_map(|(at, contract)| Some((format!("spec.contracts[{at}]"), contract.stale_after?)));
    let all = own.chain([("spec.recovery".to_owned(), spec.recovery.stale_after)]);
    let (field, after) = all.into_iter().find(|(_, after)| after.get().is_zero())?;
    Some(format!("{field}.staleAfter: {after} would always be stale; write at least 1s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn faults_are_named_by_their_field() {
        let sidecar = json!({ "sidecar": { "image": "gateway", "credentialsSecretRef": { "name": "s" }, "tradingMode": "Paper" } });
        let spec = json!({ "contracts": [{ "name": "mnq", "conId": 1, "ticks": ["Last"] }], "gateway": sidecar });
        let of = |pointer: &str, field: &str, value: serde_json::Value| {
            let mut spec = spec.clone();
            spec.pointer_mut(pointer).unwrap()[field] = value;
            problem(&serde_json::from_value(spec).unwrap()).unwrap_or_default()
        };
        assert_eq!(of("", "suspend", json!(false)), "");
        for (found, named) in [
            (
                of("/gateway/sidecar", "timeZone", json!("America/Gotham")),
                "spec.gateway.sidecar.timeZone: \"America/Gotham\"",
            ),
            (
                of("", "maintenanceWindows", json!([{ "start": "01:00", "duration": "1h", "timeZone": "Moon" }])),
                "spec.maintenanceWindows[0].timeZone: \"Moon\"",
            ),
            (of("/contracts/0", "staleAfter", json!("0s")), "spec.contracts[0].staleAfter: 0s"),
            (of("", "recovery", json!({ "staleAfter": "0s" })), "spec.recovery.staleAfter: 0s"),
        ] {
            assert!(found.starts_with(named), "{found}");
        }
    }
}
