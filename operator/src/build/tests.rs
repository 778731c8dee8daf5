//! The children of a small and of a full MarketStream.

use super::*;
use serde_json::{Value, json};

fn settings() -> Settings {
    Settings { streamer_image: "streamer:1".into(), streamer_image_pull_policy: None }
}

fn stream(spec: Value) -> MarketStream {
    serde_json::from_value(json!({
        "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream",
        "metadata": { "name": "demo", "namespace": "trading", "uid": "u-1" },
        "spec": spec,
    }))
    .unwrap()
}

fn paper() -> Value {
    json!({
        "contracts": [{ "name": "mnq", "conId": 711280073, "ticks": ["BidAsk", "Last"] }],
        "gateway": { "sidecar": { "image": "gateway:1", "credentialsSecretRef": { "name": "ibkr" }, "tradingMode": "Paper" } },
    })
}

fn build(spec: Value, run: bool) -> Vec<Child> {
    children(&stream(spec), &settings(), Situation { run, disruptable: false }).unwrap()
}

fn find<'a>(children: &'a [Child], kind: &str, name: &str) -> &'a Value {
    &children.iter().find(|child| child.api.kind == kind && child.name == name).unwrap().body
}

#[test]
fn the_children_have_these_names() {
    let names: Vec<String> =
        build(paper(), true).iter().map(|child| format!("{}/{}", child.api.kind, child.name)).collect();
    assert_eq!(
        names,
        [
            "ServiceAccount/demo-streamer",
            "Role/demo-streamer",
            "RoleBinding/demo-streamer",
            "Service/demo",
            "PodDisruptionBudget/demo",
            "PersistentVolumeClaim/demo-data",
            "PersistentVolumeClaim/demo-settings-paper",
            "StatefulSet/demo",
        ]
    );
}

/// The template decides over the life of the pod: a change here is a restart of every collector at the next update.
#[test]
fn the_pod_template_is_the_golden_one() {
    let golden: Value = serde_json::from_str(include_str!("golden/template.json")).unwrap();
    let children = build(paper(), true);
    let template = &find(&children, "StatefulSet", "demo")["spec"]["template"];
    assert_eq!(
        template,
        &golden,
        "if this change is meant, commit it: {}",
        serde_json::to_string_pretty(template).unwrap()
    );
}

#[test]
fn an_archives_keys_come_from_its_secret_and_none_keeps_the_pod_from_starting() {
    let mut archived = paper();
    archived["storage"] = json!({ "archive": { "url": "s3://ticks/desk", "secretName": "s3-keys" } });
    let env = |spec| {
        let children = build(spec, true);
        let containers = &find(&children, "StatefulSet", "demo")["spec"]["template"]["spec"]["containers"];
        containers[0]["env"].as_array().unwrap().clone()
    };
    let (plain, archived) = (env(paper()), env(archived));
    assert_eq!(archived[..plain.len()], plain);
    let key = |name: &str| {
        let reference = json!({ "name": "s3-keys", "key": name, "optional": true });
        json!({ "name": name, "valueFrom": { "secretKeyRef": reference } })
    };
    let names = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    ];
    assert_eq!(archived[plain.len()..], names.map(key));
}

#[test]
fn contracts_thresholds_and_client_ids_do_not_touch_the_template() {
    let mut other = paper();
    other["contracts"] = json!([{ "name": "es", "conId": 2, "ticks": ["AllLast"] }]);
    other["gateway"]["clientId"] = json!({ "base": 10, "pool": 2 });
    other["recovery"] = json!({ "warnAfter": "2m" });
    other["limits"] = json!({ "tickByTick": 10 });
    let (one, two) = (build(paper(), true), build(other, true));
    assert_eq!(find(&one, "StatefulSet", "demo"), find(&two, "StatefulSet", "demo"));
}

#[test]
fn volumes_outlive_their_marketstream_unless_told_otherwise() {
    let owner =
        |spec| find(&build(spec, true), "PersistentVolumeClaim", "demo-data")["metadata"]["ownerReferences"].clone();
    assert_eq!(owner(paper()), Value::Null);
    let mut delete = paper();
    delete["storage"] = json!({ "whenDeleted": "Delete" });
    assert_eq!(owner(delete)[0]["uid"], "u-1");
}

#[test]
fn a_suspended_one_has_no_pod_and_keeps_the_rest() {
    let children = build(paper(), false);
    assert_eq!(find(&children, "StatefulSet", "demo")["spec"]["replicas"], 0);
    assert_eq!(children.len(), 8);
}

#[test]
fn an_external_gateway_has_neither_sidecar_nor_settings() {
    let mut spec = paper();
    spec["gateway"] = json!({ "external": { "host": "gateway.example" } });
    let children = build(spec, true);
    assert!(children.iter().all(|child| child.name != "demo-settings-paper"));
    assert_eq!(find(&children, "StatefulSet", "demo")["spec"]["template"]["spec"]["initContainers"], Value::Null);
}

#[test]
fn the_user_s_environment_wins() {
    let mut spec = paper();
    spec["gateway"]["sidecar"]["env"] = json!([{ "name": "READ_ONLY_API", "value": "no" }]);
    let children = build(spec, true);
    let env = &find(&children, "StatefulSet", "demo")["spec"]["template"]["spec"]["initContainers"][1]["env"];
    let values: Vec<&Value> = env.as_array().unwrap().iter().filter(|var| var["name"] == "READ_ONLY_API").collect();
    assert_eq!(values, [&json!({ "name": "READ_ONLY_API", "value": "no" })]);
}

#[test]
fn the_gateway_runs_inside_the_gate() {
    let command = |change: Value| {
        let mut spec = paper();
        let sidecar = spec["gateway"]["sidecar"].as_object_mut().unwrap();
        sidecar.extend(change.as_object().unwrap().clone());
        let children = build(spec, true);
        let gateway = &find(&children, "StatefulSet", "demo")["spec"]["template"]["spec"]["initContainers"][1];
        let words = gateway["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        words.collect::<Vec<_>>().join(" ")
    };
    let paper = command(json!({}));
    assert!(paper.starts_with("/gate/marketstream-gate run "), "{paper}");
    assert!(paper.contains(" --max-login-attempts 5 ") && paper.contains(" --unattended "), "{paper}");
    assert!(paper.ends_with(" -- /home/ibgateway/scripts/run.sh"), "{paper}");
    let weekly = json!({ "day": "Sunday", "start": "02:00" });
    let live = command(json!({ "tradingMode": "Live", "weeklyLogin": weekly, "command": ["a", "b"] }));
    assert!(live.contains(" --max-login-attempts 2 ") && !live.contains("--unattended"), "{live}");
    assert!(live.ends_with(" --weekly-login Sunday 02:00 -- a b"), "{live}");
    assert!(command(json!({ "maxLoginAttempts": 3 })).contains(" --max-login-attempts 3 "));
}

#[test]
fn the_streamer_may_touch_its_own_marketstream_only() {
    let children = build(paper(), true);
    for rule in find(&children, "Role", "demo-streamer")["rules"].as_array().unwrap() {
        assert_eq!(rule["resourceNames"], json!(["demo"]));
        assert_eq!(rule["apiGroups"], json!(["marketstream.io"]));
    }
}
