//! Logs of the pod's containers.

use anyhow::{Context, Result};
use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};
use marketstream_crds::names;

use crate::{
    cli::Logs,
    cluster::{Cluster, said},
};

/// Prints a log, to its end or until interrupted.
pub(crate) async fn print(cluster: &Cluster, logs: &Logs) -> Result<()> {
    let name = &logs.name.name;
    cluster.marketstream(name).await?;
    let container = if logs.gateway { names::GATEWAY_CONTAINER } else { names::STREAMER_CONTAINER };
    let params = LogParams {
        container: Some(container.to_owned()),
        follow: logs.follow,
        tail_lines: logs.tail,
        previous: logs.previous,
        ..LogParams::default()
    };
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let pod = names::pod(name);
    let stream = pods.log_stream(&pod, &params).await.map_err(said);
    let mut lines = stream.with_context(|| format!("the log of container {container} of pod {pod}"))?.lines();
    while let Some(line) = lines.try_next().await? {
        println!("{line}");
    }
    Ok(())
}
