//! One API connection: handshake, requests in, frames out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::core::Core;
use super::outbox::{Frames, Outbox};
use super::requests;
use crate::wire::handshake::Dialect;
use crate::wire::{frame, handshake, request};

/// How long the last frames may take to go out when the gateway closes a connection.
const DRAIN: Duration = Duration::from_millis(500);

/// Serves a connection to its end.
pub(super) async fn run(core: Arc<Core>, mut stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let (number, outbox, closing) = core.accept(peer);
    {
        let (reader, mut writer) = stream.split();
        let mut writing = std::pin::pin!(write(&core, &mut writer, &outbox));
        let (reason, drain) = tokio::select! {
            biased;
            () = closing.dead.cancelled() => ("its packets were dropped".to_owned(), false),
            reason = read(&core, reader, number) => (reason, true),
            error = &mut writing => (error, false),
            () = closing.now.cancelled() => ("closed by the gateway".to_owned(), false),
        };
        if closing.dead.is_cancelled() {
            // The socket stays open, and nobody looks at it.
            closing.now.cancelled().await;
        }
        tracing::info!(connection = number, %peer, reason, "API client gone");
        // Closes the outbox: what waits still goes out, then the writer ends.
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

/// Writes what waits. Ends with the outbox or an error, and says which.
async fn write(core: &Core, writer: &mut WriteHalf<'_>, outbox: &Outbox) -> String {
    let mut frames = Frames::default();
    while outbox.take(&mut frames).await {
        if let Err(error) = send(core, writer, &mut frames).await {
            return format!("write failed: {error}");
        }
    }
    "closed by the gateway".to_owned()
}

/// Writes frames, and notes ticks once the socket has taken all of their bytes.
async fn send(core: &Core, writer: &mut WriteHalf<'_>, frames: &mut Frames) -> io::Result<()> {
    let (mut written, mut noted) = (0, 0);
    while written < frames.bytes.len() {
        written += match writer.write(core.paced(&frames.bytes[written..]).await).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            taken => taken,
        };
        let at_us = core.clock.now_us();
        let whole = noted + frames.ends[noted..].partition_point(|end| *end <= written);
        let ticks = &mut frames.ticks[noted..whole];
        for tick in &mut *ticks {
            tick.to.at_us = at_us;
        }
        core.journal.add(ticks);
        core.ticks_sent.fetch_add(ticks.len() as u64, Ordering::Relaxed);
        noted = whole;
    }
    Ok(())
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
        match requests::admit(core, number).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(reason) => return reason,
        }
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
    core.greets().await;
    let version = match handshake::negotiate(&versions) {
        Ok(version) => version,
        Err(error) => {
            if let Some(session) = core.state().sessions.get(&number) {
                session.send(&handshake::refusal(&error));
            }
            return Err(error.to_string());
        }
    };
    let now = jiff::Timestamp::from_microsecond(core.clock.now_us()).map_err(|error| error.to_string())?;
    let now = now.to_zoned(core.config.time_zone.clone());
    let dialect = Dialect::of(version);
    if let Some(session) = core.state().sessions.get_mut(&number) {
        session.dialect = Some(dialect);
        session.send(&handshake::answer(version, &now));
    }
    Ok(dialect)
}
