//! One API connection: handshake, requests in, frames out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::core::Core;
use super::requests;
use super::sessions::Out;
use crate::journal::sent::Sent;
use crate::wire::handshake::Dialect;
use crate::wire::{frame, handshake, request};

/// Most frames that go into one write.
const BATCH: usize = 256;

/// How long the last frames may take to go out when the gateway closes a connection.
const DRAIN: Duration = Duration::from_millis(500);

/// Serves a connection to its end.
pub(super) async fn run(core: Arc<Core>, mut stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let (number, mut queue, closing) = core.accept(peer);
    {
        let (reader, mut writer) = stream.split();
        let mut writing = std::pin::pin!(write(&core, &mut writer, &mut queue));
        let (reason, drain) = tokio::select! {
            reason = read(&core, reader, number) => (reason, true),
            error = &mut writing => (error, false),
            () = closing.now.cancelled() => ("closed by the gateway".to_owned(), false),
        };
        tracing::info!(connection = number, %peer, reason, "API client gone");
        // Drops the queue's sender: what is queued still goes out, then the writer ends.
        core.drop_session(number, reason);
        if drain {
            // A client that does not read its last frames in time does without them.
            let _ = tokio::time::timeout(DRAIN, writing).await;
        }
    }
    if closing.reset.load(Ordering::Relaxed)
        && let Err(error) = stream.set_zero_linger()
    {
        tracing::debug!(%error, "cannot reset the connection");
    }
}

/// Writes what is queued, and notes ticks once the socket has taken them. Ends with the queue or an error.
async fn write(core: &Core, writer: &mut WriteHalf<'_>, queue: &mut mpsc::Receiver<Out>) -> String {
    let mut frames = Vec::with_capacity(BATCH);
    let mut bytes = Vec::new();
    while queue.recv_many(&mut frames, BATCH).await > 0 {
        bytes.clear();
        for out in &frames {
            frame::write(&mut bytes, &out.body);
        }
        if let Err(error) = writer.write_all(&bytes).await {
            return format!("write failed: {error}");
        }
        let now = core.clock.now_us();
        let sent: Vec<Sent> = frames
            .drain(..)
            .filter_map(|out| out.tick)
            .map(|mut sent| {
                sent.to.at_us = now;
                sent
            })
            .collect();
        core.ticks_sent.fetch_add(sent.len() as u64, Ordering::Relaxed);
        core.journal.add(&sent);
    }
    "closed by the gateway".to_owned()
}

/// Reads requests until the connection is to end, and says why.
async fn read(core: &Core, reader: ReadHalf<'_>, number: u32) -> String {
    let mut reader = BufReader::new(reader);
    let dialect = match greet(core, &mut reader, number).await {
        Ok(dialect) => dialect,
        Err(reason) => return reason,
    };
    loop {
        let body = match frame::read(&mut reader, dialect.min_body()).await {
            Ok(Some(body)) => body,
            Ok(None) => return "closed by the client".to_owned(),
            Err(error) => return error.to_string(),
        };
        core.thawed().await;
        if let Err(reason) = requests::handle(core, number, request::decode(dialect, &body)) {
            return reason;
        }
    }
}

async fn greet(core: &Core, reader: &mut BufReader<ReadHalf<'_>>, number: u32) -> Result<Dialect, String> {
    let mut prefix = [0; 4];
    reader.read_exact(&mut prefix).await.map_err(|error| format!("socket: {error}"))?;
    if prefix != *handshake::PREFIX {
        return Err(handshake::HandshakeError::Prefix.to_string());
    }
    let versions = frame::read(reader, 1).await.map_err(|error| error.to_string())?;
    let versions = versions.ok_or_else(|| "closed by the client".to_owned())?;
    core.thawed().await;
    let version = handshake::negotiate(&versions).map_err(|error| error.to_string())?;
    let now = jiff::Timestamp::from_microsecond(core.clock.now_us()).map_err(|error| error.to_string())?;
    let now = now.to_zoned(core.config.time_zone.clone());
    let dialect = Dialect::of(version);
    if let Some(session) = core.state().sessions.get_mut(&number) {
        session.dialect = Some(dialect);
        session.send(handshake::answer(version, &now), None);
    }
    Ok(dialect)
}
