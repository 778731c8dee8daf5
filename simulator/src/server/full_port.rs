//! A port whose connection attempts are dropped without an answer.
//!
//! The kernel drops attempts while a listener's queue is full. So it is made as short as can be, filled by a connection
//! of ours, and nobody accepts. No privileges are needed, and clients see what a dropped packet looks like: their
//! attempts time out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How long an attempt of ours may take: on the loopback interface, one without an answer has been dropped.
const ANSWER: Duration = Duration::from_millis(200);

/// Takes a port with the shortest queue.
pub(super) async fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(0)
}

/// Fills the queue, and keeps it full for as long as it is polled. A client that comes first is connected, and gets no
/// answer.
pub(super) async fn keep_full(addr: SocketAddr) {
    let addr = reachable(addr);
    let mut fillers = Vec::new();
    loop {
        match tokio::time::timeout(ANSWER, TcpStream::connect(addr)).await {
            Ok(Ok(filler)) => fillers.push(filler),
            // Dropped: it is full.
            Err(_) => tokio::time::sleep(ANSWER).await,
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot fill the port's queue");
                tokio::time::sleep(ANSWER).await;
            }
        }
    }
}

/// An address by which this host reaches what is bound to all of its addresses.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, addr.port())
}
