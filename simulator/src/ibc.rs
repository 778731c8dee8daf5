//! IBC's command port: one command a line, one line of answer.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::server::Core;

/// Longest command, bytes.
const LONGEST: u64 = 256;

/// Takes commands until the simulator stops.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tracing::info!(%peer, "IBC: CommandServer accepted connection");
                tokio::spawn(talk(core.clone(), stream));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for commands");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn talk(core: Arc<Core>, mut stream: TcpStream) {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    while matches!((&mut reader).take(LONGEST).read_line(&mut line).await, Ok(length) if length > 0) {
        if !line.trim().is_empty() {
            let reply = core.command(&line);
            let written = writer.write_all(format!("{}\n", reply.text).as_bytes()).await;
            // Only now: the process may end by it.
            core.live(|_, _| ());
            if written.is_err() || reply.last {
                return;
            }
        }
        line.clear();
    }
}
