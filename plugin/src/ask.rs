//! What a person asks of the operator: annotations, since the resource is the only place where they meet.

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use marketstream_crds::{MarketStream, names, stream_key};
use serde_json::json;

use crate::{
    cluster::{Cluster, said},
    show::Report,
};

/// Who writes the annotations.
const MANAGER: &str = "kubectl-marketstream";

/// Asks for a new pod, or for one stream to be subscribed again.
pub(crate) async fn restart(cluster: &Cluster, name: &str, stream: Option<&str>) -> Result<Report> {
    // Read first: a merge patch of a missing object says less.
    let ms = cluster.marketstream(name).await?;
    let now = Timestamp::now();
    let watch = format!("watch it with: kubectl marketstream status {name} -n {}\n", cluster.namespace);
    let Some(stream) = stream else {
        let request = annotate(cluster, name, names::ANNOTATION_RESTART, now.to_string()).await?;
        let json = json!({"asked": "restart", "request": request});
        return Ok(Report { text: format!("asked for a new pod\n{watch}"), json });
    };
    let stream = known(&ms, stream)?;
    let request = annotate(cluster, name, names::ANNOTATION_RESTART_STREAM, format!("{stream} {now}")).await?;
    Ok(Report {
        text: format!("asked for {stream} to be subscribed again\n{watch}"),
        json: json!({"asked": "restart", "stream": stream, "request": request}),
    })
}

/// Opens the login gate.
pub(crate) async fn login(cluster: &Cluster, name: &str) -> Result<Report> {
    let ms = cluster.marketstream(name).await?;
    ensure!(ms.spec.gateway.sidecar.is_some(), "the gateway of {name} is external: log it in where it runs");
    let request = annotate(cluster, name, names::ANNOTATION_RETRY_LOGIN, Timestamp::now().to_string()).await?;
    Ok(Report {
        text: "the gateway may log in again; have the second factor ready, it times out after 180 s\n".to_owned(),
        json: json!({"asked": "login", "request": request}),
    })
}

/// The stream of that name, whatever its case.
fn known(ms: &MarketStream, wanted: &str) -> Result<String> {
    let contracts = ms.spec.contracts.iter();
    let streams = contracts.flat_map(|contract| contract.ticks.iter().map(|tick| stream_key(&contract.name, *tick)));
    let streams: Vec<String> = streams.collect();
    match streams.iter().find(|stream| stream.eq_ignore_ascii_case(wanted)) {
        Some(stream) => Ok(stream.clone()),
        None => bail!("no stream {wanted:?}; there are {}", streams.join(", ")),
    }
}

/// Stamps an annotation; a time in it makes the same wish another request.
async fn annotate(cluster: &Cluster, name: &str, annotation: &str, value: String) -> Result<String> {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patched = cluster.marketstreams().patch(name, &params, &patch).await.map_err(said);
    patched.with_context(|| format!("annotating {name:?}"))?;
    Ok(value)
}
