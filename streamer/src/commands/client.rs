//! Questions to the HTTP port of a running streamer.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use axum::http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// Bound of one question.
const BOUND: Duration = Duration::from_secs(10);

/// Asks, and returns the answer's text.
///
/// # Errors
/// When nobody listens, nothing comes back in ten seconds, or the answer is a refusal: then with its text.
pub async fn ask(address: SocketAddr, method: Method, path: &Uri) -> anyhow::Result<String> {
    timeout(BOUND, exchange(address, method, path))
        .await
        .with_context(|| format!("{address} does not answer within {} s", BOUND.as_secs()))?
}

async fn exchange(address: SocketAddr, method: Method, path: &Uri) -> anyhow::Result<String> {
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("no streamer listens at {address}; is it running, and is --address right?"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    // The connection must be driven while the answer is read; it ends with the sender, or before.
    let (answer, _) = tokio::join!(answer, connection);
    let (status, body) = answer.with_context(|| format!("{address} does not answer as HTTP; is --address right?"))?;
    let text = String::from_utf8_lossy(&body).into_owned();
    // A streamer has all that is asked for here.
    let is_streamer =
        !matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED);
    ensure!(is_streamer, "what answers at {address} is no streamer ({status}); is --address right?");
    ensure!(status.is_success(), "{}", text.trim_end());
    Ok(text)
}
