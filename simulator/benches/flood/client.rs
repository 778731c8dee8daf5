//! A client that does as little as one can: it subscribes, and walks over the frames that come.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ib_gateway_sim::market::Stream;
use ib_gateway_sim::wire::{frame, pb};
use prost::Message;

/// Bytes read at once.
const READ: usize = 1024 * 1024;

/// Longest wait for the port to open, and for anything to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// First bytes of the body of a tick: its message id.
pub(crate) const TICK: [u8; 4] = 299_i32.to_be_bytes();

const START_API: i32 = 271;
const TICK_BY_TICK: i32 = 297;

pub(crate) struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// What is in the buffer and no whole frame yet.
    filled: usize,
}

impl Client {
    /// Takes over a connection.
    pub(crate) fn on(socket: TcpStream) -> Self {
        Self { socket, buffer: vec![0; READ], filled: 0 }
    }

    /// Connects and subscribes to the streams.
    pub(crate) fn subscribe(addr: SocketAddr, streams: &[Stream]) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut socket = loop {
            match TcpStream::connect(addr) {
                Ok(socket) => break socket,
                Err(error) if begun.elapsed() > PATIENCE => return Err(error).context("API port"),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(b"API\0")?;
        socket.write_all(&framed(b"v213..226"))?;
        let mut client = Self::on(socket);
        client.read(|_| {})?;
        client.send(START_API, &pb::StartApiRequest { client_id: Some(1), optional_capabilities: None })?;
        for (stream, req_id) in streams.iter().zip(1..) {
            let contract =
                pb::Contract { con_id: Some(stream.con_id), exchange: Some("PAXOS".to_owned()), ..Default::default() };
            let request = pb::TickByTickRequest {
                req_id: Some(req_id),
                contract: Some(contract),
                tick_type: Some(stream.tick.name().to_owned()),
                ..Default::default()
            };
            client.send(TICK_BY_TICK, &request)?;
        }
        Ok(client)
    }

    fn send(&mut self, id: i32, message: &impl Message) -> anyhow::Result<()> {
        let body = [&id.to_be_bytes()[..], &message.encode_to_vec()].concat();
        Ok(self.socket.write_all(&framed(&body))?)
    }

    /// Waits for bytes and hands out the bodies of the whole frames among them. Returns how many bytes came.
    pub(crate) fn read(&mut self, mut each: impl FnMut(&[u8])) -> anyhow::Result<usize> {
        let came = self.socket.read(&mut self.buffer[self.filled..]).context("waiting for ticks")?;
        if came == 0 {
            bail!("the gateway closed the connection");
        }
        let mut rest = &self.buffer[..self.filled + came];
        while let Some((length, after)) = rest.split_first_chunk::<4>()
            && let Some((body, next)) = after.split_at_checked(u32::from_be_bytes(*length) as usize)
        {
            each(body);
            rest = next;
        }
        let left = rest.len();
        let end = self.filled + came;
        self.buffer.copy_within(end - left..end, 0);
        self.filled = left;
        Ok(came)
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::write(&mut out, body);
    out
}
