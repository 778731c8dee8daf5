//! What to print when a scenario failed: everything a person would look at first.

use std::fmt::Write;

use k8s_openapi::api::{core::v1::Pod, events::v1::Event};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams, LogParams},
    core::ApiResource,
};
use marketstream_crds::MarketStream;
use serde_json::Value;

use crate::{cluster::Cluster, events};

const LOG_LINES: i64 = 25;

/// MarketStreams, pods with the ends of their logs, and events of a namespace. What cannot be read is said and left
/// out.
pub async fn namespace(cluster: &Cluster, namespace: &str) -> String {
    let mut text = String::new();
    let everything = ListParams::default();
    let kind = ApiResource::erase::<MarketStream>(&());
    // Untyped, so that an object which our types cannot read is shown too.
    let marketstreams: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), namespace, &kind);
    match marketstreams.list(&everything).await {
        Ok(list) => list.iter().for_each(|object| marketstream(&mut text, object)),
        Err(error) => section(&mut text, "MarketStreams", &error.to_string()),
    }
    let pods: Api<Pod> = cluster.api(namespace);
    match pods.list(&everything).await {
        Ok(list) => {
            for item in &list {
                pod(&mut text, &pods, item).await;
            }
        }
        Err(error) => section(&mut text, "pods", &error.to_string()),
    }
    let all: Api<Event> = cluster.api(namespace);
    match all.list(&everything).await {
        Ok(mut list) => {
            list.items.sort_by_key(events::time);
            let lines: Vec<String> = list.iter().map(|event| events::line(event, 200)).collect();
            section(&mut text, "events", &lines.join("\n"));
        }
        Err(error) => section(&mut text, "events", &error.to_string()),
    }
    text
}

fn marketstream(text: &mut String, object: &DynamicObject) {
    let status = object.data.get("status").unwrap_or(&Value::Null);
    let status = serde_json::to_string_pretty(status).unwrap_or_default();
    section(text, &format!("status of MarketStream {}", object.name_any()), &status);
}

async fn pod(text: &mut String, api: &Api<Pod>, pod: &Pod) {
    let name = pod.name_any();
    let Some(status) = &pod.status else { return };
    let mut lines = format!("phase {}", status.phase.as_deref().unwrap_or("?"));
    for container in status.init_container_statuses.iter().chain(&status.container_statuses).flatten() {
        let state = container.state.as_ref().and_then(|state| serde_json::to_string(state).ok()).unwrap_or_default();
        let _ = write!(lines, "\n{}: restarts {}, {state}", container.name, container.restart_count);
    }
    section(text, &format!("pod {name}"), &lines);
    for container in pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers)) {
        let parameters =
            LogParams { container: Some(container.name.clone()), tail_lines: Some(LOG_LINES), ..LogParams::default() };
        if let Ok(log) = api.logs(&name, &parameters).await {
            section(text, &format!("end of the log of {name}/{}", container.name), log.trim_end());
        }
    }
}

fn section(text: &mut String, title: &str, body: &str) {
    let _ = write!(text, "\n--- {title}\n{body}\n");
}
