//! The streamer's HTTP server on a port of its own, and clients of it.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

pub use eventsource_stream::Event;
use eventsource_stream::{EventStream, Eventsource};
use futures::{SinkExt, StreamExt, stream::BoxStream};
use marketstream_streamer::http;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};
use tokio_util::sync::CancellationToken;

use super::common::{Gateway, Streamer, spec};

/// Generous: on a busy machine a test is slow, not wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway, a streamer that records these contracts, and its server; all streams flow.
pub async fn serving(data: &TempDir, contracts: Value) -> (Gateway, Streamer, Server) {
    let gateway = Gateway::start().await;
    let streamer = Streamer::start(data.path());
    let server = Server::start(&streamer);
    streamer.apply(&spec(contracts, &[gateway.port()]));
    streamer.until_flowing().await;
    (gateway, streamer, server)
}

pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    pub fn start(streamer: &Streamer) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let stop = CancellationToken::new();
        http::serve(address, streamer.view(), stop.clone()).unwrap();
        Self { address, stop }
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Opens a WebSocket, and returns its first message, too.
    pub async fn socket(&self) -> (Socket, Value) {
        let url = format!("ws://{}/v2/ws/stream", self.address);
        let (stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut socket = Socket(stream);
        let connected = socket.next().await;
        assert_eq!(connected["type"], "connected");
        (socket, connected)
    }

    /// HTTP/1.0, so that the answer ends with the connection and needs no decoding.
    pub async fn open(&self, path: &str, header: &str) -> (u16, TcpStream) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: streamer\r\n{header}\r\n").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        (head[9..12].parse().unwrap(), stream)
    }

    pub async fn bytes(&self, path: &str) -> Vec<u8> {
        let (_, mut stream) = self.open(path, "").await;
        let mut body = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut body)).await.unwrap().unwrap();
        body
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let (status, mut stream) = self.open(path, "").await;
        let mut body = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut body)).await.unwrap().unwrap();
        (status, body)
    }

    /// What comes of an answer until it contains this.
    pub async fn text_until(&self, path: &str, end: &str) -> String {
        let (status, mut stream) = self.open(path, "").await;
        assert_eq!(status, 200);
        let mut text = String::new();
        let mut buffer = [0; 4_096];
        while !text.contains(end) {
            let length = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
            assert!(length > 0, "the answer ended: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        text
    }

    /// Value of a metric without labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let prefix = format!("marketstream_streamer_{name} ");
        text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("{text}")).parse().unwrap()
    }

    /// Reads server-sent events as the standard says.
    pub async fn events(&self, path: &str, last_event_id: Option<&str>) -> Events {
        let header = last_event_id.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        let (status, stream) = self.open(path, &header).await;
        assert_eq!(status, 200);
        let bytes = futures::stream::unfold(stream, |mut stream| async move {
            let mut buffer = vec![0; 4_096];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => None,
                Ok(length) => {
                    buffer.truncate(length);
                    Some((Ok::<_, std::convert::Infallible>(buffer), stream))
                }
            }
        });
        Events(bytes.boxed().eventsource())
    }
}

pub struct Events(EventStream<BoxStream<'static, Result<Vec<u8>, std::convert::Infallible>>>);

impl Events {
    pub async fn next(&mut self) -> Event {
        timeout(PATIENCE, self.0.next()).await.unwrap().expect("the stream ended").unwrap()
    }

    /// Whether nothing comes any more.
    pub async fn ended(&mut self) -> bool {
        timeout(PATIENCE, self.0.next()).await.unwrap().is_none()
    }
}

pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn message(&mut self) -> Message {
        timeout(PATIENCE, self.0.next()).await.unwrap().expect("the connection ended").unwrap()
    }

    /// The next text.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next text that is no tick and no change of a state.
    pub async fn answer(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] != "tick" && message["type"] != "info" {
                return message;
            }
        }
    }

    /// How it is closed, whatever comes before.
    pub async fn closed(&mut self) -> (CloseCode, String) {
        loop {
            if let Message::Close(frame) = self.message().await {
                let frame = frame.unwrap();
                return (frame.code, frame.reason.as_str().to_owned());
            }
        }
    }
}
