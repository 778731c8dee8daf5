//! A simulator that somebody else runs: a pod and a Service, for MarketStreams with an external gateway.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, api::PostParams};
use marketstream_crds::names::GATEWAY_PORT_PAPER;
use serde_json::{from_value, json};

use crate::{cluster::Cluster, kill, simulator::Simulator, wait};

const START: Duration = Duration::from_secs(90);

/// A gateway outside any MarketStream.
pub struct Gateway {
    /// Its admin port.
    pub simulator: Simulator,
    /// Address of its Service: the cluster needs no DNS for it.
    pub host: String,
    /// API port.
    pub port: i32,
}

/// Starts a gateway of that name, and waits until it is ready.
///
/// # Errors
/// When it does not start.
pub async fn gateway(cluster: &Cluster, namespace: &str, name: &str) -> Result<Gateway> {
    kill::service_account(cluster, namespace).await?;
    let pod = from_value(json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "gateway",
                "image": cluster.image("ib-gateway-sim"),
                "imagePullPolicy": "IfNotPresent",
                "env": [
                    {"name": "IB_SIM_ALWAYS_OPEN", "value": "true"},
                    {"name": "TRADING_MODE", "value": "paper"},
                    {"name": "TWS_USERID", "value": "outside"},
                    {"name": "TWS_PASSWORD", "value": "not-secret"},
                    {"name": "TWS_SETTINGS_PATH", "value": "/settings"},
                ],
                "readinessProbe": {"tcpSocket": {"port": GATEWAY_PORT_PAPER}, "periodSeconds": 1},
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "settings", "mountPath": "/settings"}],
            }],
            "volumes": [{"name": "settings", "emptyDir": {}}],
        }
    }))?;
    let pods: Api<Pod> = cluster.api(namespace);
    pods.create(&PostParams::default(), &pod).await.context("starting a gateway")?;
    let service = from_value(json!({
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": GATEWAY_PORT_PAPER}]},
    }))?;
    let services: Api<Service> = cluster.api(namespace);
    let service = services.create(&PostParams::default(), &service).await?;
    let host = service.spec.and_then(|spec| spec.cluster_ip).context("the Service has no address")?;
    wait::until(&pods, name, "the gateway is ready", START, ready).await?;
    Ok(Gateway { simulator: Simulator::new(cluster, namespace, name), host, port: GATEWAY_PORT_PAPER.into() })
}

/// Whether a pod is ready.
#[must_use]
pub fn ready(pod: Option<&Pod>) -> bool {
    let conditions = pod.and_then(|pod| pod.status.as_ref()).and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
