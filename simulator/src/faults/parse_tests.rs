use serde_json::json;

use super::*;

#[test]
fn every_fault_reads_back_as_written() {
    for value in [
        json!({"kind": "silence", "scope": {"all": true}, "cure": "Never"}),
        json!({"kind": "silence", "scope": {"con_id": 5}, "cure": "Resubscribe"}),
        json!({"kind": "silence", "scope": {"con_id": 5, "tick": "BidAsk"}, "cure": "Reconnect"}),
        json!({"kind": "silence", "scope": {"tick": "Last"}, "cure": "Restart"}),
        json!({"kind": "wrong_prices", "scope": {"all": true}, "cure": "Resubscribe", "offset": -0.25}),
        json!({"kind": "zero_fields", "scope": {"con_id": 5}, "cure": "Never", "fields": ["time", "price", "size"]}),
        json!({"kind": "delayed", "scope": {"con_id": 5}, "by_s": 60}),
        json!({"kind": "no_handshake"}),
        json!({"kind": "blackhole", "connections": "new"}),
        json!({"kind": "slow_link", "bytes_per_s": 1000}),
        json!({"kind": "lose_subscriptions", "scope": {"all": true}, "every": 2}),
        json!({"kind": "half_frame"}),
        json!({"kind": "garbage", "scope": {"all": true}, "what": "bad_size"}),
        json!({"kind": "burst", "con_id": 5, "tick": "BidAsk", "ticks": 1_000_000}),
        json!({"kind": "refuse"}),
        json!({"kind": "hang"}),
        json!({"kind": "competing"}),
        json!({"kind": "reject", "scope": {"con_id": 5}, "code": 354, "text": "no"}),
        json!({"kind": "reject_history", "scope": {"con_id": 5, "tick": "Last"}, "code": 162, "text": "no"}),
        json!({"kind": "client_id_in_use", "client_id": 851}),
    ] {
        let fault = Fault::from_json(&value).unwrap();
        assert_eq!(serde_json::to_value(&fault).unwrap(), value);
    }
    let delayed = json!({"kind": "delayed", "scope": {"all": true}});
    assert_eq!(Fault::from_json(&delayed), Ok(Fault::Delayed { scope: Scope::All, by_s: DELAY_S }));
    let null = json!({"kind": "silence", "scope": {"con_id": 5, "tick": null}, "cure": "Never"});
    let scope = Scope::Contract { con_id: 5, tick: None };
    assert_eq!(Fault::from_json(&null), Ok(Fault::Silence { scope, cure: Cure::Never }));
}

/// The list that the admin port shows is the list that is read.
#[test]
fn every_kind_is_read_and_told_with_all_its_fields() {
    for kind in KINDS {
        let example = |name: &str| match name {
            "scope" => json!({"all": true}),
            "cure" => json!("Never"),
            "tick" => json!("Last"),
            "fields" => json!(["time"]),
            "connections" => json!("old"),
            "what" => json!("random"),
            "text" => json!("no"),
            _ => json!(1),
        };
        let mut value = json!({"kind": kind.kind});
        for field in kind.fields.iter().filter(|field| !field.optional) {
            value[field.name] = example(field.name);
        }
        let fault = Fault::from_json(&value).unwrap();
        assert_eq!(fault.lasts(), kind.lasts, "{}", kind.kind);
        for field in kind.fields {
            value[field.name] = example(field.name);
            assert!(Fault::from_json(&value).is_ok(), "{} {}", kind.kind, field.name);
        }
        let known = serde_json::to_value(&fault).unwrap();
        assert_eq!(known.as_object().unwrap().len(), kind.fields.len() + 1, "{}", kind.kind);
        for field in kind.fields.iter().filter(|field| !field.optional) {
            let mut lacking = value.clone();
            lacking.as_object_mut().unwrap().remove(field.name);
            assert_eq!(Fault::from_json(&lacking).unwrap_err(), FaultError::Missing(field.name));
        }
    }
}

#[test]
fn errors_name_the_field() {
    let message = |value: Value| Fault::from_json(&value).unwrap_err().to_string();
    assert_eq!(message(json!([])), "the fault must be a JSON object");
    assert_eq!(message(json!({})), "kind is missing");
    assert!(message(json!({"kind": "sulk"})).starts_with("kind: must be one of silence, "));
    let blackhole = json!({"kind": "blackhole", "connections": "some"});
    assert_eq!(message(blackhole), "connections: must be one of old, new, all");
    assert_eq!(message(json!({"kind": "slow_link", "bytes_per_s": 0})), "bytes_per_s: must be 1 to 1000000000");
    let burst = json!({"kind": "burst", "con_id": 5, "tick": "BidAsk", "ticks": 1_000_001});
    assert_eq!(message(burst), "ticks: must be 1 to 1000000");
    let wrong = json!({"kind": "wrong_prices", "scope": {"all": true}, "cure": "Never", "offset": 0});
    assert_eq!(message(wrong), "offset: must be a number other than 0");
    let zero = json!({"kind": "zero_fields", "scope": {"all": true}, "cure": "Never", "fields": ["bid"]});
    assert_eq!(message(zero), "fields: must be one of time, price, size");
    assert_eq!(message(json!({"kind": "hang", "for_s": 3})), "unknown field for_s");
    assert_eq!(message(json!({"kind": "silence", "cure": "Never"})), "scope is missing");
    let silence = |scope: Value| json!({"kind": "silence", "scope": scope, "cure": "Never"});
    assert!(message(silence(json!({}))).starts_with("scope: must be"));
    assert!(message(silence(json!({"con_id": "x"}))).starts_with("con_id: invalid type"));
    assert!(message(silence(json!({"con_id": 1, "tick": "Quote"}))).starts_with("tick: must be one of"));
    assert!(message(silence(json!({"all": true, "tick": "Last"}))).starts_with("scope: must be"));
    let cure = json!({"kind": "silence", "scope": {"all": true}, "cure": "Tea"});
    assert!(message(cure).starts_with("cure: must be one of"));
    assert!(message(json!({"kind": "client_id_in_use", "client_id": true})).starts_with("client_id: invalid"));
}
