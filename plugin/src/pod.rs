//! The streamer's HTTP port, through a port-forward with the caller's own rights.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, client::UpgradeConnectionError};
use marketstream_crds::names;
use tokio::time::timeout;

use crate::cluster::Cluster;

/// A test of several ports takes the longest, at five seconds a step.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks the streamer and returns its answer, whatever its status.
pub(crate) async fn ask(cluster: &Cluster, name: &str, method: Method, path: &str) -> Result<(StatusCode, String)> {
    cluster.marketstream(name).await?;
    let answer = timeout(LIMIT, forwarded(cluster, name, method, path)).await;
    answer.with_context(|| format!("{path}: no answer within {LIMIT:?}"))?
}

async fn forwarded(cluster: &Cluster, name: &str, method: Method, path: &str) -> Result<(StatusCode, String)> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let pod = names::pod(name);
    let forwarded = || format!("a port-forward to pod {pod}");
    let mut forward = match pods.portforward(&pod, &[names::STREAMER_PORT]).await {
        Ok(forward) => forward,
        Err(error) => return Err(meant(error)).with_context(forwarded),
    };
    let Some(stream) = forward.take_stream(names::STREAMER_PORT) else { bail!("{}: no stream", forwarded()) };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let talking = tokio::spawn(connection);
    let request =
        Request::builder().method(method).uri(path).header(header::HOST, &pod).body(Full::<Bytes>::default())?;
    let answer = sender.send_request(request).await.with_context(|| format!("{path} of pod {pod}"))?;
    let status = answer.status();
    let body = answer.into_body().collect().await.with_context(|| format!("{path} of pod {pod}"))?.to_bytes();
    talking.abort();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// What a refusal of a port-forward means: it comes without the server's words.
fn meant(error: kube::Error) -> anyhow::Error {
    let kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) = error else {
        return error.into();
    };
    match status {
        StatusCode::NOT_FOUND => anyhow!("there is no such pod"),
        StatusCode::FORBIDDEN => anyhow!("you may not: it takes get and create on pods/portforward"),
        StatusCode::BAD_REQUEST => anyhow!("the pod does not run"),
        other => anyhow!("the API server answers {other}"),
    }
}
