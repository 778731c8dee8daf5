//! The streamer's HTTP port, through a port-forward with the caller's own rights.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use marketstream_crds::names;
use tokio::time::timeout;

use crate::cluster::{Cluster, said};

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
    let mut forward = pods.portforward(&pod, &[names::STREAMER_PORT]).await.map_err(refused).with_context(forwarded)?;
    let Some(stream) = forward.take_stream(names::STREAMER_PORT) else { bail!("{}: no stream", forwarded()) };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let talking = tokio::spawn(connection);
    let request =
        Request::builder().method(method).uri(path).header(header::HOST, &pod).body(Full::<Bytes>::default())?;
    let answer = match sender.send_request(request).await {
        // The port-forward ends where nothing listens.
        Err(error) if error.is_incomplete_message() || error.is_closed() => {
            bail!("the streamer of pod {pod} does not listen: kubectl marketstream status {name} may say why")
        }
        answer => answer.with_context(|| format!("{path} of pod {pod}"))?,
    };
    let status = answer.status();
    let body = answer.into_body().collect().await.with_context(|| format!("{path} of pod {pod}"))?.to_bytes();
    talking.abort();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// A port-forward that was refused. The server names one right of two, or none.
fn refused(error: kube::Error) -> anyhow::Error {
    let forbidden = matches!(&error, kube::Error::Api(status) if status.is_forbidden());
    let said = said(error);
    if forbidden { anyhow!("{said} (it takes get and create on pods/portforward)") } else { said }
}
