//! A manifest against the CRD's own schema, as the API server checks it: fields, types, bounds, then the CEL rules.

use kube::CustomResourceExt;
use kube_cel::{CompiledSchema, Validator, compile_schema};
use marketstream_crds::MarketStream;
use regex::Regex;
use serde_json::{Map, Value, json};

/// The schema of a MarketStream.
#[derive(Debug)]
pub struct Schema {
    schema: Value,
    rules: CompiledSchema,
}

impl Schema {
    /// The one of this program's own types.
    #[must_use]
    pub fn of_marketstream() -> Self {
        let crd = MarketStream::crd();
        let version = crd.spec.versions.into_iter().next();
        let schema = version.and_then(|version| version.schema?.open_api_v3_schema);
        // The derived types always serialize.
        let mut schema = serde_json::to_value(schema).unwrap_or_default();
        // Every resource has these, so no CRD names them.
        schema["properties"]["apiVersion"] = json!({"type": "string"});
        schema["properties"]["kind"] = json!({"type": "string"});
        schema["properties"]["metadata"] = json!({"type": "object"});
        Self { rules: compile_schema(&schema), schema }
    }

    /// Everything that is wrong with `object`; `old` is the manifest in use, whose fixed fields must stay. The rules are
    /// asked only once the form is right.
    #[must_use]
    pub fn problems(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let mut problems = Vec::new();
        check(&self.schema, object, "", &mut problems);
        if problems.is_empty()
            && let Err(errors) = Validator::new().validate_compiled(&self.rules, object, old)
        {
            problems.extend(errors.iter().map(|error| named(&error.field_path, &error.message)));
        }
        problems
    }
}

/// Most messages name their field themselves.
fn named(path: &str, message: &str) -> String {
    if path.is_empty() || message.starts_with("spec.") || message.starts_with("metadata.") {
        message.to_owned()
    } else {
        format!("{path}: {message}")
    }
}

/// The structural part of OpenAPI that CRDs use.
fn check(schema: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    let mut problem = |text: String| problems.push(named(path, &text));
    if schema["x-kubernetes-int-or-string"] == true {
        if !value.is_i64() && !value.is_string() {
            problem(format!("{value} must be an integer or a string"));
        }
        return;
    }
    if let Some(kind) = schema["type"].as_str().filter(|kind| !is_of_type(value, kind)) {
        return problem(format!("{value} must be {}", article(kind)));
    }
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        let allowed: Vec<String> =
            allowed.iter().filter(|one| !one.is_null()).map(|one| one.to_string().replace('"', "")).collect();
        return problem(format!("{value} must be one of {}", allowed.join(", ")));
    }
    match value {
        Value::Number(_) => number(schema, value, &mut problem),
        Value::String(text) => string(schema, text, &mut problem),
        Value::Array(items) => {
            list(schema, items, &mut problem);
            for (index, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{index}]"), problems);
            }
        }
        Value::Object(fields) => object(schema, fields, path, problems),
        Value::Null | Value::Bool(_) => {}
    }
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => value.is_number(),
    }
}

fn article(kind: &str) -> String {
    match kind {
        "object" => "a map of fields".to_owned(),
        "array" => "a list".to_owned(),
        "integer" => "an integer".to_owned(),
        "boolean" => "true or false".to_owned(),
        kind => format!("a {kind}"),
    }
}

fn number(schema: &Value, value: &Value, problem: &mut impl FnMut(String)) {
    let number = value.as_f64().unwrap_or_default();
    if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
        problem(format!("{value} must be at least {least}"));
    }
    if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
        problem(format!("{value} must be at most {most}"));
    }
}

fn string(schema: &Value, text: &str, problem: &mut impl FnMut(String)) {
    let length = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|least| length < least) {
        problem(format!("{text:?} is too short"));
    }
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        problem(format!("{text:?} must have at most {most} characters"));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
    {
        problem(format!("{text:?} must match {pattern}"));
    }
}

fn list(schema: &Value, items: &[Value], problem: &mut impl FnMut(String)) {
    let length = items.len() as u64;
    if let Some(least) = schema["minItems"].as_u64().filter(|least| length < *least) {
        problem(format!("it must have at least {least} entry"));
    }
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| length > *most) {
        problem(format!("{length} entries, and at most {most} are allowed"));
    }
    let keys: Vec<&str> =
        schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let unique = matches!(schema["x-kubernetes-list-type"].as_str(), Some("set" | "map"));
    let key = |item: &Value| match keys.as_slice() {
        [] => item.clone(),
        keys => keys.iter().map(|key| item[*key].clone()).collect(),
    };
    let double = items.iter().enumerate().find(|(at, item)| items[..*at].iter().any(|one| key(one) == key(item)));
    if let Some((_, item)) = double.filter(|_| unique) {
        let what = if keys.is_empty() { item.to_string() } else { format!("{} {}", keys.join("/"), item[keys[0]]) };
        problem(format!("two entries have the same {what}"));
    }
}

fn object(schema: &Value, fields: &Map<String, Value>, path: &str, problems: &mut Vec<String>) {
    let child = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let (known, others) = (schema["properties"].as_object(), &schema["additionalProperties"]);
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            problems.push(format!("{}: it is missing", child(name)));
        }
    }
    for (name, value) in fields {
        match known.and_then(|known| known.get(name)) {
            Some(schema) => check(schema, value, &child(name), problems),
            None if others.is_object() => check(others, value, &child(name), problems),
            None => {
                // What has no fields at all is somebody else's: metadata.
                if let Some(known) = known {
                    let mut names: Vec<&str> = known.keys().map(String::as_str).collect();
                    names.sort_unstable();
                    problems.push(format!("{}: there is no such field; known are {}", child(name), names.join(", ")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Value {
        json!({
            "apiVersion": "marketstream.io/v1alpha1",
            "kind": "MarketStream",
            "metadata": {"name": "demo", "labels": {"any": "thing"}},
            "spec": {
                "contracts": [{"name": "mnq", "conId": 1, "ticks": ["Last", "BidAsk"]}],
                "gateway": {"external": {"host": "127.0.0.1"}},
            },
        })
    }

    fn changed(pointer: &str, value: Value) -> Value {
        let mut manifest = manifest();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = manifest.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(items) => items.push(value),
            parent => parent[name] = value,
        }
        manifest
    }

    #[test]
    fn every_rule_of_the_crd_compiles() {
        let schema = Schema::of_marketstream();
        assert!(schema.schema["properties"]["spec"].is_object());
        assert_eq!(schema.problems(&manifest(), None), Vec::<String>::new());
        assert_eq!(schema.problems(&manifest(), Some(&manifest())), Vec::<String>::new());
    }

    #[test]
    fn what_the_api_server_would_refuse_is_refused_by_the_field_s_name() {
        let schema = Schema::of_marketstream();
        let twin = json!({"name": "mnq", "conId": 2, "ticks": ["Last"]});
        let same_id = json!({"name": "mes", "conId": 1, "ticks": ["Last"]});
        for (pointer, value, named) in [
            (
                "/spec/contracts/0/ticks",
                json!(["Quotes"]),
                "spec.contracts[0].ticks[0]: \"Quotes\" must be one of Last, AllLast, BidAsk, MidPoint",
            ),
            ("/spec/contracts/0/ticks", json!([]), "spec.contracts[0].ticks: it must have at least 1 entry"),
            (
                "/spec/contracts/0/ticks",
                json!(["Last", "Last"]),
                "spec.contracts[0].ticks: two entries have the same \"Last\"",
            ),
            ("/spec/contracts/0/name", json!("MNQ"), "spec.contracts[0].name: \"MNQ\" must match"),
            ("/spec/contracts/0/conId", json!(0), "spec.contracts[0].conId: 0 must be at least 1"),
            ("/spec/contracts/0/conid", json!(1), "spec.contracts[0].conid: there is no such field"),
            ("/spec/contracts/-", twin, "spec.contracts: two entries have the same name \"mnq\""),
            ("/spec/contracts/-", same_id, "two entries have the same conId"),
            ("/spec/contracts/-", json!({"name": "es", "ticks": ["Last"]}), "give conId, or symbol and secType"),
            ("/spec/gateway/external/ports", json!("4002"), "spec.gateway.external.ports: \"4002\" must be a list"),
            ("/spec/gateway/sidecar", json!({}), "spec.gateway.sidecar.image: it is missing"),
            ("/spec/gateway", json!({}), "give exactly one of sidecar and external"),
            ("/spec/recovery", json!({"warnAfter": "4m"}), "warnAfter must be shorter than restartStreamsAfter"),
            ("/spec/recovery", json!({"warnAfter": "1 minute"}), "spec.recovery.warnAfter: \"1 minute\" must match"),
            ("/spec/storage", json!({"size": "lots"}), "quantity"),
            ("/spec/storage", json!({"retentionDays": 0}), "spec.storage.retentionDays: 0 must be at least 1"),
            (
                "/spec/storage",
                json!({"archive": {"url": "s3://b/x"}}),
                "spec.storage.archive.secretName: it is missing",
            ),
            (
                "/spec/storage",
                json!({"archive": {"url": "https://bucket", "secretName": "s"}}),
                "spec.storage.archive.url: \"https://bucket\" must match",
            ),
            (
                "/spec/storage",
                json!({"archive": {"url": "s3://Bucket_", "secretName": "s"}}),
                "spec.storage.archive.url: \"s3://Bucket_\" must match",
            ),
            ("/metadata/name", json!("9lives"), "metadata.name: begin with a letter"),
        ] {
            let problems = schema.problems(&changed(pointer, value), None);
            assert!(problems.iter().any(|problem| problem.contains(named)), "{pointer}: {problems:?}");
        }
    }

    #[test]
    fn what_cannot_change_is_told_from_what_can() {
        let schema = Schema::of_marketstream();
        let mut sidecar = manifest();
        sidecar["spec"]["gateway"] =
            json!({"sidecar": {"image": "gw", "tradingMode": "Paper", "credentialsSecretRef": {"name": "s"}}});
        let problems = schema.problems(&sidecar, Some(&manifest()));
        assert!(problems.iter().any(|problem| problem.contains("the kind of gateway cannot change")), "{problems:?}");
    }
}
