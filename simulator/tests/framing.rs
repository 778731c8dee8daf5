//! What no client of good manners sends: handshakes, frames and messages that are wrong, in both dialects.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use ib_gateway_sim::wire::frame;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection of bytes.
struct Bytes(TcpStream);

impl Bytes {
    async fn connect(gateway: &Gateway) -> Self {
        loop {
            match TcpStream::connect(gateway.sim.api_addr()).await {
                Ok(stream) => {
                    stream.set_nodelay(true).unwrap();
                    return Self(stream);
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
    }

    /// A connection after its handshake.
    async fn greeted(gateway: &Gateway, versions: &str) -> Self {
        let mut bytes = Self::connect(gateway).await;
        bytes.greet(versions).await;
        bytes.frame().await.unwrap();
        bytes
    }

    async fn greet(&mut self, versions: &str) {
        self.send(b"API\0").await;
        self.send_frame(versions.as_bytes()).await;
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn send_frame(&mut self, body: &[u8]) {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, body);
        self.send(&bytes).await;
    }

    /// A message of the text dialect, with `|` for NUL.
    async fn send_text(&mut self, fields: &str) {
        self.send_frame(fields.replace('|', "\0").as_bytes()).await;
    }

    /// The next frame; `None` when the gateway closed the connection.
    async fn frame(&mut self) -> Option<Vec<u8>> {
        // A close with unread bytes is a reset.
        within("a frame or the close", frame::read(&mut self.0, 1)).await.unwrap_or(None)
    }

    /// The first frame from now on that has these bytes.
    async fn frame_with(&mut self, part: &[u8]) -> Vec<u8> {
        loop {
            let frame = self.frame().await.expect("the connection goes on");
            if frame.windows(part.len()).any(|window| window == part) {
                return frame;
            }
        }
    }

    /// Frames until the gateway closes, as text.
    async fn last_words(&mut self) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(String::from_utf8_lossy(&frame).replace('\0', "|"));
        }
        frames
    }
}

/// Why the gateway closed the connection that ended last.
async fn reason(gateway: &Gateway) -> String {
    let log = gateway.requests().await;
    let end = log.iter().rev().find(|line| line["event"] == "disconnect").unwrap();
    end["reason"].as_str().unwrap().to_owned()
}

/// Client id 7 starts its session.
const START: &[u8] = &[0, 0, 1, 0x0f, 8, 7];
/// Asks for the time, and its answer begins so.
const TIME: &[u8] = &[0, 0, 0, 0xf9];

#[tokio::test]
async fn a_stranger_hears_nothing() {
    let gateway = Gateway::start().await;
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"API\0\x7f\xff\xff\xff", b"API\0\0\0\0\0"] {
        let mut stranger = Bytes::connect(&gateway).await;
        stranger.send(bytes).await;
        assert_eq!(stranger.last_words().await, [""; 0], "{bytes:?}");
    }
    assert_eq!(reason(&gateway).await, "bad frame length 0");
}

#[tokio::test]
async fn versions_are_settled_or_refused() {
    let gateway = Gateway::start().await;
    for (versions, settled) in [
        ("v100..226", "226"),
        ("v213..215 +PACEAPI", "215"),
        ("v230..240", "226"),
        ("v157..178", "178"),
        ("v100..190", "178"),
        ("v100..160", "160"),
    ] {
        let mut client = Bytes::connect(&gateway).await;
        client.greet(versions).await;
        let greeting = String::from_utf8(client.frame().await.unwrap()).unwrap();
        let fields: Vec<_> = greeting.split('\0').collect();
        assert_eq!((fields[0], fields.len(), fields[2]), (settled, 3, ""), "{versions}: {greeting:?}");
        assert!(fields[1].ends_with(" UTC") && fields[1].len() == "20261030 12:00:00 UTC".len(), "{greeting:?}");
    }
    for (versions, cause) in [
        ("v100..156", "the client speaks server versions 100 to 156"),
        ("v180..212", "the client speaks server versions 180 to 212"),
        ("hello", "malformed version frame"),
    ] {
        let mut client = Bytes::connect(&gateway).await;
        client.greet(versions).await;
        let words = client.last_words().await;
        assert!(words.len() == 1 && words[0].starts_with("4|2|-1|506|Unsupported version: "), "{versions}: {words:?}");
        assert!(words[0].contains(cause), "{versions}: {words:?}");
        assert!(reason(&gateway).await.starts_with(cause));
    }
}

#[tokio::test]
async fn messages_that_cannot_be_read_get_an_error_and_the_session_goes_on() {
    let gateway = Gateway::start().await;
    let mut client = Bytes::greeted(&gateway, "v213..226").await;
    client.send_frame(START).await;
    // An unknown message, one of the text dialect, and one that is not protobuf.
    for (body, cause) in [
        ([0, 0, 0x0b, 0xb8].as_slice(), "Error reading request. unknown message id 3000"),
        (b"\0\0\0\x31\x31\0", "Error reading request. message id 49 is of the text dialect"),
        (&[0, 0, 1, 0x29, 0xff], "Error reading request. undecodable body of message 297"),
    ] {
        client.send_frame(body).await;
        client.frame_with(cause.as_bytes()).await;
    }
    client.send_frame(TIME).await;
    client.frame_with(TIME).await;

    let mut client = Bytes::greeted(&gateway, "v157..178").await;
    client.send_text("71|2|8||").await;
    for (fields, cause) in [
        ("105|", "320|Error reading request. unknown message id 105|"),
        ("97|x|", "320|Error reading request. undecodable body of message 97|"),
        ("nonsense", "320|Error reading request. unknown message id 0|"),
    ] {
        client.send_text(fields).await;
        client.frame_with(cause.replace('|', "\0").as_bytes()).await;
    }
    client.send_text("49|1|").await;
    client.frame_with(b"49\x001\0").await;
}

#[tokio::test]
async fn lengths_out_of_range_end_the_connection() {
    let gateway = Gateway::start().await;
    for (versions, length) in
        [("v213..226", 0_u32), ("v213..226", 3), ("v213..226", 0x0100_0000), ("v213..226", u32::MAX), ("v157..178", 1)]
    {
        let mut client = Bytes::greeted(&gateway, versions).await;
        client.send(&[&length.to_be_bytes()[..], b"abc"].concat()).await;
        assert_eq!(client.last_words().await, [""; 0]);
        assert_eq!(reason(&gateway).await, format!("bad frame length {length}"));
    }
}

#[tokio::test]
async fn frames_come_in_pieces_and_may_never_be_whole() {
    let gateway = Gateway::start().await;
    let mut client = Bytes::connect(&gateway).await;
    let mut session = b"API\0".to_vec();
    for body in [b"v213..226".as_slice(), START, TIME] {
        frame::write(&mut session, body);
    }
    for byte in session {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    client.frame_with(TIME).await;
    // Half a frame, then the end.
    client.send(&[0, 0, 0, 9, 0, 0]).await;
    client.0.shutdown().await.unwrap();
    let mut rest = Vec::new();
    within("the close", client.0.read_to_end(&mut rest)).await.unwrap();
    assert!(reason(&gateway).await.starts_with("socket: "));
}

#[tokio::test]
async fn nothing_counts_before_the_start_and_the_start_once() {
    let gateway = Gateway::start().await;
    let mut client = Bytes::greeted(&gateway, "v213..226").await;
    client.send_frame(TIME).await;
    client.send_frame(START).await;
    client.send_frame(&[0, 0, 1, 0x0f, 8, 9]).await;
    // The accounts come first: the time was not told.
    assert!(client.frame().await.unwrap().starts_with(&[0, 0, 0, 215]));
    client.send_frame(TIME).await;
    client.frame_with(TIME).await;
    assert_eq!(gateway.json("GET", "/sessions", "").await[0]["client_id"], 7);
}
