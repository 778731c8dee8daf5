//! What only the user can fix: it shows in the conditions within seconds, names the field, and harms nothing else.

use anyhow::{Context, Result, ensure};
use k8s_openapi::{
    api::core::v1::{Pod, Service},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::api::{DeleteParams, PostParams};
use marketstream_crds::{MarketStream, conditions::types};
use marketstream_e2e::{
    expect,
    feed::Feed,
    manifest::{self, Manifest},
    scenario::scenario,
    simulator::{SIM, subscribed},
    view::{View, uid},
};
use serde_json::json;

use crate::SIM1_QUOTES;

/// Pods have to start before some of it can be known, several scenarios at once.
const SECONDS: u64 = 60;

/// Waits for Stalled with that reason; the message must have all these parts.
async fn stalled(feed: &Feed, reason: &str, parts: &[&str]) -> Result<MarketStream> {
    let what = format!("Stalled says {reason}");
    let ms = feed.until(&what, SECONDS, |ms| ms.is_for(types::STALLED, reason)).await?;
    let message = ms.condition(types::STALLED).map(|condition| condition.message.clone()).unwrap_or_default();
    for part in parts {
        ensure!(message.contains(part), "the message of {reason} does not have {part:?}: {message}");
    }
    Ok(ms)
}

#[tokio::test]
async fn an_unknown_contract_is_named_and_the_others_flow() -> Result<()> {
    scenario("unknown-contract", async |s| {
        let known = json!({"name": "sim1", "conId": SIM[0], "ticks": ["BidAsk"]});
        let unknown = json!({"name": "typo", "conId": 123, "ticks": ["BidAsk"]});
        let feed = s.apply(&s.sidecar("feed")?.set("/spec/contracts", json!([known, unknown]))).await?;
        stalled(&feed, "ContractNotFound", &["spec.contracts", "typo"]).await?;
        let flowing = |ms: &MarketStream| ms.streamer().is_some_and(|report| report.flowing == 1);
        feed.until("the known contract flows", SECONDS, flowing).await?;
        let pod = feed.pod().await?;

        feed.patch(&json!({"spec": {"contracts": [known]}})).await?;
        let ms = feed.until("all is well", SECONDS, |ms| ms.flows(1) && !ms.is(types::STALLED)).await?;
        ensure!(uid(&feed.pod().await?) == uid(&pod) && ms.rolls() == 0, "{:#?}", ms.status);
        let log = feed.simulator().requests(0).await?;
        let subscriptions = subscribed(&log).into_iter().filter(|stream| *stream == SIM1_QUOTES).count();
        ensure!(subscriptions == 1, "the known contract was left alone: {log:#?}");
        let recording = feed.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::complete(&recording.judge(&feed.simulator(), recording.whole_seconds()?).await?)
    })
    .await
}

#[tokio::test]
async fn bad_neighbours_are_told_why_and_harm_nothing() -> Result<()> {
    scenario("neighbours", async |s| {
        let good = s.apply(&s.sidecar("good")?.contract("sim1", SIM[0], &["BidAsk"])).await?;
        let before = good.flows().await?;
        let pod = good.pod().await?;
        let trace = good.trace();

        // Another MarketStream with the login of the first.
        let twin = s.sidecar("twin")?.contract("sim1", SIM[0], &["BidAsk"]).login(&manifest::login("good"));
        let twin = s.apply_alone(&twin).await?;
        stalled(&twin, "LoginInUse", &["spec.gateway.sidecar.credentialsSecretRef", "good"]).await?;
        let twins_pod = s.cluster.api::<Pod>(&s.namespace).get_opt("twin-0").await?;
        ensure!(twins_pod.is_none(), "a second session of one login was started");

        // The name of a Service that somebody else made: it is not taken over, and nothing is built around it.
        let service =
            json!({"metadata": {"name": "taken"}, "spec": {"ports": [{"port": 1}], "selector": {"app": "x"}}});
        let services = s.cluster.api::<Service>(&s.namespace);
        let theirs = services.create(&PostParams::default(), &serde_json::from_value(service)?).await?;
        let taken = s.apply_alone(&s.sidecar("taken")?.contract("sim1", SIM[0], &["BidAsk"])).await?;
        stalled(&taken, "NameInUse", &["metadata.name", "Service", "taken"]).await?;
        let after = services.get("taken").await?;
        ensure!(after.spec == theirs.spec && after.metadata.labels == theirs.metadata.labels, "{after:#?}");
        let theirs_pod = s.cluster.api::<Pod>(&s.namespace).get_opt("taken-0").await?;
        ensure!(theirs_pod.is_none(), "a pod was started beside a Service that is not its own");

        // A Secret that is not there.
        let nobody = s.apply_alone(&s.sidecar("nobody")?.contract("sim1", SIM[0], &["BidAsk"])).await?;
        stalled(&nobody, "SecretNotFound", &["spec.gateway.sidecar.credentialsSecretRef", "nobody-login"]).await?;

        // An address that answers, and not as a gateway.
        let http = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).context("the pod has no address")?;
        let manifest = Manifest::external(&s.cluster, "http", &http, 8851)?.contract("sim1", SIM[0], &["BidAsk"]);
        stalled(&s.apply_alone(&manifest).await?, "NotAGateway", &["spec.gateway.external", &http]).await?;

        // One that hangs up, as a TLS server does, or a gateway that does not trust this client: nobody can tell.
        let api = s.cluster.api::<Service>("default").get("kubernetes").await?;
        let api = api.spec.and_then(|spec| spec.cluster_ip).context("the API server's Service has no address")?;
        let manifest = Manifest::external(&s.cluster, "tls", &api, 443)?.contract("sim1", SIM[0], &["BidAsk"]);
        let tls = s.apply_alone(&manifest).await?;
        let named = |condition: &Condition| {
            condition.status == "False"
                && ["spec.gateway.external", &api].iter().all(|p| condition.message.contains(*p))
        };
        let told = |ms: &MarketStream| {
            [types::READY, types::CONNECTED].into_iter().all(|type_| ms.condition(type_).is_some_and(named))
        };
        tls.until("Ready and Connected say what is wrong, and where", SECONDS, told).await?;

        // What the user repairs recovers by itself.
        manifest::make_login(&s.cluster, &s.namespace, &manifest::login("nobody")).await?;
        let repaired = nobody.flows().await?;
        ensure!(!repaired.is(types::STALLED), "{:#?}", repaired.condition(types::STALLED));
        manifest::make_login(&s.cluster, &s.namespace, &manifest::login("taken")).await?;
        services.delete("taken", &DeleteParams::default()).await?;
        taken.flows().await?;

        let ms = good.flows().await?;
        ensure!(uid(&good.pod().await?) == uid(&pod), "the pod stays");
        ensure!(trace.actions().is_empty() && ms.history() == before.history(), "{:#?}", ms.status);
        ensure!(!trace.states().iter().any(|ms| ms.is(types::STALLED)), "the older one was stalled");
        let recording = good.recording_after(2, &[SIM1_QUOTES]).await?;
        expect::complete(&recording.judge(&good.simulator(), recording.whole_seconds()?).await?)?;

        // The login changes hands when the pod that has it is gone, and not before.
        good.patch(&json!({"spec": {"suspend": true}})).await?;
        twin.until_pod("the other pod is made", SECONDS, |_| true).await?;
        let older = s.cluster.api::<Pod>(&s.namespace).get_opt(&good.pod_name()).await?;
        ensure!(older.is_none(), "two pods have one login: {older:#?}");
        twin.flows().await.map(drop)
    })
    .await
}
