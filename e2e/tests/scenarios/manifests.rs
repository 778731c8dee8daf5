//! Manifests that the API server must refuse, with a message that says what to change.

use anyhow::{Context, Result, ensure};
use marketstream_e2e::{
    manifest::{Manifest, apply, dry_run},
    scenario::{Scenario, scenario},
    simulator::SIM,
};
use serde_json::{Value, json};

/// What is wrong, where, the value there (none: the field is absent), and what the server's message must have.
type Case = (&'static str, &'static str, Option<Value>, &'static [&'static str]);

fn valid(s: &Scenario) -> Result<Manifest> {
    Ok(s.sidecar("feed")?.contract("sim1", SIM[0], &["BidAsk"]).set("/spec/suspend", json!(true)))
}

fn spoil(manifest: Manifest, pointer: &str, value: Option<Value>) -> Manifest {
    match value {
        Some(value) => manifest.set(pointer, value),
        None => manifest.remove(pointer),
    }
}

/// Every case must be refused; all that are not are named at once.
async fn refused(s: &Scenario, cases: Vec<Case>) -> Result<()> {
    let mut problems = Vec::new();
    for (what, pointer, value, parts) in cases {
        let manifest = spoil(valid(s)?, pointer, value);
        match dry_run(&s.cluster, &s.namespace, manifest.value()).await {
            Ok(()) => problems.push(format!("{what}: accepted")),
            Err(kube::Error::Api(status)) => {
                let lacks = parts.iter().filter(|part| !status.message.contains(**part));
                problems.extend(lacks.map(|part| format!("{what}: {part:?} is not in: {}", status.message)));
            }
            Err(error) => return Err(error).context(what),
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

fn contracts(count: i32, ticks: &[&str]) -> Value {
    let contract = |number| json!({"name": format!("c{number}"), "conId": number, "ticks": ticks});
    (1..=count).map(contract).collect()
}

/// A future that rolls, with other fields; null takes one away.
fn rolling(changes: Value) -> Value {
    let mut contract = json!({
        "name": "mnq", "symbol": "MNQ", "secType": "FUT", "exchange": "CME", "ticks": ["Last"], "roll": {"rule": "IBFront"},
    });
    if let (Value::Object(contract), Value::Object(changes)) = (&mut contract, changes) {
        contract.extend(changes);
        contract.retain(|_, value| !value.is_null());
    }
    contract
}

fn long_name() -> Value {
    json!("x".repeat(53))
}

#[tokio::test]
async fn a_manifest_that_cannot_work_is_refused_with_advice() -> Result<()> {
    const ALL: &[&str] = &["Last", "AllLast", "BidAsk", "MidPoint"];
    const ROLL: &str = "/spec/contracts/0/roll";
    const CHOOSES: &[&str] = &["roll chooses the expiry: remove conId, lastTradeDate and localSymbol, or remove roll"];
    scenario("invalid", async |s| {
        dry_run(&s.cluster, &s.namespace, valid(s)?.value()).await.context("the valid manifest")?;
        let rolls = valid(s)?.set("/spec/contracts/0", rolling(json!({})));
        dry_run(&s.cluster, &s.namespace, rolls.value()).await.context("a valid future that rolls")?;
        let both = json!({"host": "gateway.example", "ports": [4002]});
        let two = json!([{"name": "a", "conId": 7, "ticks": ["Last"]}, {"name": "b", "conId": 7, "ticks": ["BidAsk"]}]);
        let twice = json!([{"name": "a", "conId": 7, "ticks": ["Last"]}, {"name": "a", "conId": 8, "ticks": ["Last"]}]);
        let by_nothing = json!([{"name": "a", "ticks": ["Last"]}]);
        let by_symbol = json!([{"name": "a", "symbol": "MNQ", "ticks": ["Last"]}]);
        let window = json!([{"start": "24:00", "duration": "1h", "timeZone": "UTC"}]);
        let cases: Vec<Case> = vec![
            ("a long name", "/metadata/name", Some(long_name()), &["metadata.name: use at most 52 characters"]),
            // Contracts.
            ("no contracts", "/spec/contracts", None, &["spec.contracts", "Required value"]),
            ("an empty list of contracts", "/spec/contracts", Some(json!([])), &["spec.contracts", "at least 1"]),
            ("one conId twice", "/spec/contracts", Some(two), &["same conId; list all tick types in one entry"]),
            ("one name twice", "/spec/contracts", Some(twice), &["name=\"a\"", "duplicate"]),
            ("101 contracts", "/spec/contracts", Some(contracts(101, &["Last"])), &["spec.contracts", "at most 100"]),
            ("104 streams", "/spec/contracts", Some(contracts(26, ALL)), &["at most 100 streams", "split it"]),
            ("no conId, no symbol", "/spec/contracts", Some(by_nothing), &["give conId, or symbol and secType"]),
            ("a symbol alone", "/spec/contracts", Some(by_symbol), &["symbol needs secType, such as FUT"]),
            ("a name in capitals", "/spec/contracts/0/name", Some(json!("MNQ")), &["contracts[0].name", "match"]),
            ("conId 0", "/spec/contracts/0/conId", Some(json!(0)), &["contracts[0].conId", "to 1"]),
            ("no tick types", "/spec/contracts/0/ticks", Some(json!([])), &["contracts[0].ticks", "at least 1"]),
            ("an unknown tick type", "/spec/contracts/0/ticks", Some(json!(["Quotes"])), &["ticks[0]", "\"BidAsk\""]),
            ("a tick type twice", "/spec/contracts/0/ticks", Some(json!(["Last", "Last"])), &["ticks", "duplicate"]),
            ("an unknown secType", "/spec/contracts/0/secType", Some(json!("FUTURE")), &["secType", "\"FUT\""]),
            ("a bad expiry", "/spec/contracts/0/lastTradeDate", Some(json!("Dec 26")), &["lastTradeDate", "match"]),
            ("days", "/spec/contracts/0/staleAfter", Some(json!("1d")), &["contracts[0].staleAfter", "(ms|s|m|h)"]),
            ("a huge priority", "/spec/contracts/0/priority", Some(json!(5000)), &["priority", "to 1000"]),
            ("unknown hours", "/spec/contracts/0/hours", Some(json!("Never")), &["hours", "\"Liquid\""]),
            // Futures that roll.
            ("an unknown rule", ROLL, Some(json!({"rule": "Front"})), &["roll.rule", "\"IBFront\""]),
            ("no rule", ROLL, Some(json!({"overlap": "5m"})), &["roll.rule", "Required value"]),
            ("no days", ROLL, Some(json!({"rule": "DaysBeforeExpiry"})), &["roll.days belongs to the rule DaysBefore"]),
            ("days of a front", ROLL, Some(json!({"rule": "IBFront", "days": 8})), &["roll.days belongs to the rule"]),
            ("days of a volume", ROLL, Some(json!({"rule": "Volume", "days": 8})), &["roll.days belongs to the rule"]),
            ("181 days", ROLL, Some(json!({"rule": "DaysBeforeExpiry", "days": 181})), &["roll.days", "to 180"]),
            ("-1 days", ROLL, Some(json!({"rule": "DaysBeforeExpiry", "days": -1})), &["roll.days", "to 0"]),
            ("a day", ROLL, Some(json!({"rule": "Volume", "overlap": "25h"})), &["roll.overlap is at most 24h"]),
            ("no unit", ROLL, Some(json!({"rule": "Volume", "overlap": "600"})), &["roll.overlap", "(ms|s|m|h)"]),
            ("a roll of a conId", ROLL, Some(json!({"rule": "Volume"})), &["roll needs symbol and secType FUT"]),
            (
                "a roll of a stock",
                "/spec/contracts/0",
                Some(rolling(json!({"secType": "STK"}))),
                &["roll needs symbol and secType FUT"],
            ),
            ("a roll without secType", "/spec/contracts/0", Some(rolling(json!({"secType": null}))), &["secType FUT"]),
            ("a roll of one expiry", "/spec/contracts/0", Some(rolling(json!({"lastTradeDate": "202612"}))), CHOOSES),
            ("a roll of one symbol", "/spec/contracts/0", Some(rolling(json!({"localSymbol": "MNQZ6"}))), CHOOSES),
            ("a roll with a conId", "/spec/contracts/0", Some(rolling(json!({"conId": 7}))), CHOOSES),
            (
                "a continuous future",
                "/spec/contracts/0",
                Some(json!({"name": "mnq", "symbol": "MNQ", "secType": "CONTFUT", "ticks": ["Last"]})),
                &["a continuous future cannot be recorded: write secType FUT and roll: {rule: IBFront}"],
            ),
            // Gateway.
            ("no gateway", "/spec/gateway", None, &["spec.gateway", "Required value"]),
            ("an empty gateway", "/spec/gateway/sidecar", None, &["exactly one of sidecar and external"]),
            ("two gateways", "/spec/gateway/external", Some(both), &["exactly one of sidecar and external"]),
            ("no image", "/spec/gateway/sidecar/image", None, &["spec.gateway.sidecar.image", "Required value"]),
            ("an empty image", "/spec/gateway/sidecar/image", Some(json!("")), &["sidecar.image", "at least 1"]),
            (
                "no login",
                "/spec/gateway/sidecar/credentialsSecretRef",
                None,
                &["credentialsSecretRef", "Required value"],
            ),
            ("no mode", "/spec/gateway/sidecar/tradingMode", None, &["sidecar.tradingMode", "Required value"]),
            (
                "an unknown mode",
                "/spec/gateway/sidecar/tradingMode",
                Some(json!("paper")),
                &["tradingMode", "\"Paper\""],
            ),
            ("24 hours", "/spec/gateway/sidecar/autoRestartTime", Some(json!("23:59")), &["autoRestartTime", "AM|PM"]),
            ("many logins", "/spec/gateway/sidecar/maxLoginAttempts", Some(json!(99)), &["maxLoginAttempts", "to 10"]),
            (
                "an unknown policy",
                "/spec/gateway/sidecar/competingSession",
                Some(json!("Fight")),
                &["competingSession", "\"Yield\""],
            ),
            (
                "a bad day",
                "/spec/gateway/sidecar/weeklyLogin",
                Some(json!({"day": "Mon", "start": "10:00"})),
                &["weeklyLogin.day", "\"Monday\""],
            ),
            (
                "no quantity",
                "/spec/gateway/sidecar/settings/size",
                Some(json!("much")),
                &["spec.gateway.sidecar.settings.size: write a quantity such as 1Gi"],
            ),
            (
                "client ID 0",
                "/spec/gateway/clientId",
                Some(json!({"base": 0})),
                &["spec.gateway.clientId.base", "to 1"],
            ),
            (
                "an empty pool",
                "/spec/gateway/clientId",
                Some(json!({"pool": 0})),
                &["spec.gateway.clientId.pool", "to 1"],
            ),
            (
                "a bare number",
                "/spec/gateway/probeInterval",
                Some(json!("5")),
                &["gateway.probeInterval", "(ms|s|m|h)"],
            ),
            ("ISO 8601", "/spec/gateway/connectTimeout", Some(json!("PT5S")), &["connectTimeout", "(ms|s|m|h)"]),
            // Limits and the ladder.
            ("no lines", "/spec/limits/tickByTick", Some(json!(0)), &["spec.limits.tickByTick", "to 1"]),
            ("an unknown overflow", "/spec/limits/overflow", Some(json!("Drop")), &["limits.overflow", "\"Refuse\""]),
            (
                "stale after the warning",
                "/spec/recovery/staleAfter",
                Some(json!("9s")),
                &["spec.recovery: staleAfter must not be longer than warnAfter"],
            ),
            (
                "a warning after level 2",
                "/spec/recovery/warnAfter",
                Some(json!("16s")),
                &["spec.recovery: warnAfter must be shorter than restartStreamsAfter"],
            ),
            (
                "level 2 after level 3",
                "/spec/recovery/restartStreamsAfter",
                Some(json!("32000ms")),
                &["spec.recovery: restartStreamsAfter must be shorter than resetConnectionAfter"],
            ),
            (
                "level 3 after level 4",
                "/spec/recovery/resetConnectionAfter",
                Some(json!("0.5h")),
                &["spec.recovery: resetConnectionAfter must be shorter than criticalAfter"],
            ),
            (
                "a hasty heartbeat",
                "/spec/recovery/monitorInterval",
                Some(json!("999ms")),
                &["spec.recovery.monitorInterval: at least 1s"],
            ),
            ("an unknown reset", "/spec/recovery/reset", Some(json!("Restart")), &["recovery.reset", "\"RollPod\""]),
            ("a misspelt field", "/spec/recovery/stale_after", Some(json!("3s")), &["spec.recovery.stale_after"]),
            // The rest.
            ("24:00", "/spec/maintenanceWindows", Some(window), &["maintenanceWindows[0].start", "match"]),
            ("61 requests", "/spec/backfill/requestsPer10Minutes", Some(json!(61)), &["requestsPer10Minutes", "to 60"]),
            (
                "no size",
                "/spec/storage/size",
                Some(json!("ten")),
                &["spec.storage.size: write a quantity such as 10Gi"],
            ),
            (
                "an archive that is no bucket",
                "/spec/storage/archive",
                Some(json!({"url": "https://bucket", "secretName": "keys"})),
                &["spec.storage.archive.url", "s3://"],
            ),
            ("no days", "/spec/storage/retentionDays", Some(json!(0)), &["spec.storage.retentionDays", "to 1"]),
            ("an unknown policy", "/spec/update/policy", Some(json!("Never")), &["update.policy", "\"Immediate\""]),
            ("a bad disruption", "/spec/disruption", Some(json!("Never")), &["spec.disruption", "\"Allow\""]),
        ];
        refused(s, cases).await?;

        let external = |host: &str, port| Manifest::external(&s.cluster, "feed", host, port);
        for (host, port, parts) in [
            ("two words", 4002, ["spec.gateway.external.host", "match"]),
            ("gateway", 0, ["spec.gateway.external.ports[0]", "to 1"]),
            ("gateway", 65536, ["spec.gateway.external.ports[0]", "to 65535"]),
        ] {
            let manifest = external(host, port)?.contract("sim1", SIM[0], &["BidAsk"]);
            let error =
                dry_run(&s.cluster, &s.namespace, manifest.value()).await.err().context("accepted")?.to_string();
            ensure!(parts.iter().all(|part| error.contains(part)), "{parts:?} in {error}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_cannot_change_is_refused_with_the_reason() -> Result<()> {
    scenario("immutable", async |s| {
        apply(&s.cluster, &s.namespace, valid(s)?.value()).await?;
        refused(
            s,
            vec![
                (
                    "another trading mode",
                    "/spec/gateway/sidecar/tradingMode",
                    Some(json!("Live")),
                    &["spec.gateway.sidecar.tradingMode cannot change", "create another MarketStream"],
                ),
                (
                    "a smaller settings volume",
                    "/spec/gateway/sidecar/settings/size",
                    Some(json!("9Mi")),
                    &["spec.gateway.sidecar.settings.size: a volume can only grow"],
                ),
                (
                    "another class of the settings volume",
                    "/spec/gateway/sidecar/settings/storageClassName",
                    Some(json!("fast")),
                    &["spec.gateway.sidecar.settings.storageClassName cannot change"],
                ),
                (
                    "a smaller data volume",
                    "/spec/storage/size",
                    Some(json!("99Mi")),
                    &["spec.storage.size: a volume can only grow"],
                ),
                (
                    "another class of the data volume",
                    "/spec/storage/storageClassName",
                    Some(json!("fast")),
                    &["spec.storage.storageClassName cannot change"],
                ),
            ],
        )
        .await?;
        let external = Manifest::external(&s.cluster, "feed", "gateway.example", 4002)?
            .contract("sim1", SIM[0], &["BidAsk"])
            .set("/spec/suspend", json!(true));
        let error = dry_run(&s.cluster, &s.namespace, external.value()).await.err().context("accepted")?.to_string();
        ensure!(error.contains("spec.gateway: the kind of gateway cannot change"), "{error}");

        let grown = valid(s)?.set("/spec/storage/size", json!("200Mi")).contract("sim2", SIM[1], &["Last"]);
        dry_run(&s.cluster, &s.namespace, grown.value()).await.context("a larger volume and another contract")
    })
    .await
}
