//! The API port: closed until the login is done and while a fault closes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::connection;
use super::core::{Core, Gates};
use super::full_port;

/// How soon a port that cannot be taken back is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// Opens and closes the port until the simulator stops. `addr` has its final port.
pub(super) async fn run(core: Arc<Core>, addr: SocketAddr) {
    let mut gates = core.gates();
    loop {
        if gates.wait_for(|gates| gates.listen).await.is_err() {
            return;
        }
        let drops = gates.borrow().drops_new;
        let bound = if drops { full_port::bind(addr).await } else { TcpListener::bind(addr).await };
        match bound {
            Ok(listener) => {
                tracing::info!(%addr, drops_packets = drops, "API port open");
                tokio::select! {
                    () = accept(&core, &listener), if !drops => {}
                    () = full_port::keep_full(addr), if drops => {}
                    _ = gates.wait_for(|gates: &Gates| !gates.listen || gates.drops_new != drops) => {
                        tracing::info!(%addr, "API port closed");
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%addr, %error, "cannot open the API port, trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Accepts until an error says that the listener is of no more use.
async fn accept(core: &Arc<Core>, listener: &TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(connection::run(core.clone(), stream, peer));
            }
            // Out of file descriptors, or a client that is gone already: the listener stays good.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
