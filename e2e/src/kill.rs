//! SIGKILL for a container's main process, from outside the container: inside, the kernel protects process 1.

use std::{fs, io, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{from_value, json};

use crate::{cluster::Cluster, view, wait};

const START: Duration = Duration::from_secs(90);

/// Kills every process in the container's control group. Runs as root in the node's process namespace.
///
/// # Errors
/// When there is no such process, or it cannot be killed.
pub fn container(id: &str) -> Result<()> {
    ensure!(id.len() >= 12 && id.chars().all(|c| c.is_ascii_alphanumeric()), "{id:?} is not a container's identifier");
    let mut killed = 0;
    for entry in fs::read_dir("/proc").context("reading /proc")? {
        let entry = entry?;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let groups = match fs::read_to_string(entry.path().join("cgroup")) {
            Ok(groups) => groups,
            // The process ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(3) => continue,
            Err(error) => return Err(error).with_context(|| format!("reading the control group of process {number}")),
        };
        if groups.contains(id) {
            let pid = Pid::from_raw(number).context("a process number of 0")?;
            kill_process(pid, Signal::KILL).with_context(|| format!("killing process {number}"))?;
            println!("killed process {number}");
            killed += 1;
        }
    }
    ensure!(killed > 0, "no process is in a control group of container {id}");
    Ok(())
}

/// Has a container of a pod killed, by a pod on the same node in a namespace of its own that allows that.
///
/// # Errors
/// When the container does not run, or the killer cannot.
pub async fn in_pod(cluster: &Cluster, pod: &Pod, container: &str) -> Result<()> {
    let id = view::container_status(pod, container).and_then(|status| status.container_id.clone());
    let id = id.with_context(|| format!("{container} has no container identifier"))?;
    let id = id.split("://").last().unwrap_or_default().to_owned();
    let namespace = privileged_namespace(cluster, "e2e-kill-").await?;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let result = run(cluster, &namespace, node, &id).await;
    namespaces.delete(&namespace, &DeleteParams::default()).await?;
    result
}

/// Makes a namespace for pods that look at the node itself; returns its name.
///
/// # Errors
/// When the API server refuses it.
pub async fn privileged_namespace(cluster: &Cluster, prefix: &str) -> Result<String> {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace = from_value(json!({
        "metadata": {
            "generateName": prefix,
            "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
        }
    }))?;
    Ok(namespaces.create(&PostParams::default(), &namespace).await?.name_any())
}

async fn run(cluster: &Cluster, namespace: &str, node: Option<String>, id: &str) -> Result<()> {
    let pods: Api<Pod> = cluster.api(namespace);
    let name = "killer";
    let killer = from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "hostPID": true,
            "nodeName": node,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": name,
                "image": cluster.image("e2e"),
                "imagePullPolicy": "IfNotPresent",
                "args": ["kill", "--container-id", id],
                "securityContext": {"runAsUser": 0, "runAsGroup": 0},
            }],
        }
    }))?;
    service_account(cluster, namespace).await?;
    pods.create(&PostParams::default(), &killer).await.context("starting the killer")?;
    let over = |pod: Option<&Pod>| matches!(phase(pod), Some("Succeeded" | "Failed"));
    let pod = wait::until(&pods, name, "the killer is done", START, over).await?;
    if phase(pod.as_ref()) != Some("Succeeded") {
        bail!("the killer failed: {}", pods.logs(name, &kube::api::LogParams::default()).await.unwrap_or_default());
    }
    Ok(())
}

/// Waits for the default service account: without it, the API server refuses pods in a new namespace.
///
/// # Errors
/// When it does not appear.
pub async fn service_account(cluster: &Cluster, namespace: &str) -> Result<()> {
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = cluster.api(namespace);
    wait::until(&accounts, "default", "the namespace has its service account", START, |found| found.is_some()).await?;
    Ok(())
}

fn phase(pod: Option<&Pod>) -> Option<&str> {
    pod?.status.as_ref()?.phase.as_deref()
}
