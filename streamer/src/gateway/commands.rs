//! IBC's command server: one line of text in, one or two out, no password; it listens on loopback.

use std::{io, net::SocketAddr, time::Duration};

use marketstream_crds::CommandPort;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Bound of a connection and of an answer: both ends are in one pod.
const BOUND: Duration = Duration::from_secs(2);

/// Longest answer that is read, bytes.
const ANSWER: u64 = 1024;

async fn connect(port: SocketAddr) -> io::Result<TcpStream> {
    timeout(BOUND, TcpStream::connect(port)).await?
}

/// Whether somebody listens.
pub(super) async fn answers(port: SocketAddr) -> CommandPort {
    if connect(port).await.is_ok() { CommandPort::Up } else { CommandPort::Down }
}

/// Sends a command and returns what is answered within the bound; some versions answer nothing.
pub(super) async fn send(port: SocketAddr, command: &str) -> io::Result<String> {
    let mut stream = connect(port).await?;
    stream.write_all(format!("{command}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    // The end of the bound or of the connection: what came until then is the answer.
    let _ = timeout(BOUND, (&mut stream).take(ANSWER).read_to_end(&mut answer)).await;
    Ok(String::from_utf8_lossy(&answer).trim().to_owned())
}
