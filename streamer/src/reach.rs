//! `test-connection`: how far a gateway lets a client, port by port. It stops before a session begins, so it takes no
//! client ID and disturbs nobody.

use std::{fmt, time::Duration};

use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::session::endpoints::Endpoint;

/// What a client says first: the prefix, and a frame with the server versions that it speaks. It is what the client
/// library of this program says.
const GREETING: &[u8] = b"API\0\0\0\0\x09v213..226";

/// Longest answer that can be a gateway's: version, time and zone are some 40 bytes.
const LONGEST_ANSWER: usize = 512;

/// How far a port lets a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Reach {
    /// The host has no address.
    NoAddress {
        /// What the system says.
        reason: String,
    },
    /// The system knows no way there, or may not go it.
    Unreachable {
        /// What the system says.
        reason: String,
    },
    /// Nobody listens.
    Refused,
    /// Nothing came back: no answer to the connection, or a firewall.
    TimedOut,
    /// It accepts, and does not answer the handshake: a gateway that is not logged in, or hangs.
    NoHandshake,
    /// It closes at once: a gateway that does not trust this address, or something else.
    Closed,
    /// It answers, and not as a gateway does.
    NotAGateway,
    /// It is a gateway.
    Gateway {
        /// Server version of the API.
        server_version: i32,
        /// Its date, time and zone.
        time: String,
    },
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress { reason } => write!(f, "no address: {reason}"),
            Self::Unreachable { reason } => write!(f, "cannot be reached: {reason}"),
            Self::Refused => write!(f, "refused: nobody listens"),
            Self::TimedOut => write!(f, "timed out: nothing comes back"),
            Self::NoHandshake => write!(f, "accepts and does not answer: not logged in, or hanging"),
            Self::Closed => write!(f, "accepts and closes: this address may not be trusted"),
            Self::NotAGateway => write!(f, "answers, and not as a gateway"),
            Self::Gateway { server_version, time } => write!(f, "a gateway: server version {server_version}, {time}"),
        }
    }
}

/// Tries one port, each step within `bound`.
pub async fn test(endpoint: &Endpoint, bound: Duration) -> Reach {
    let mut stream = match timeout(bound, TcpStream::connect((endpoint.host.as_str(), endpoint.port))).await {
        Err(_) => return Reach::TimedOut,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Reach::Refused,
        Ok(Err(error)) if error.raw_os_error().is_none() => return Reach::NoAddress { reason: error.to_string() },
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::TimedOut => return Reach::TimedOut,
        Ok(Err(error)) => return Reach::Unreachable { reason: error.to_string() },
        Ok(Ok(stream)) => stream,
    };
    if stream.write_all(GREETING).await.is_err() {
        return Reach::Closed;
    }
    match timeout(bound, answer(&mut stream)).await {
        Err(_) => Reach::NoHandshake,
        Ok(Err(_)) => Reach::Closed,
        Ok(Ok(bytes)) => read(&bytes),
    }
}

/// The first frame, or as much as comes of anything else.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    stream.read_exact(&mut bytes).await?;
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    if length <= LONGEST_ANSWER {
        bytes.resize(4 + length, 0);
        stream.read_exact(&mut bytes[4..]).await?;
    }
    Ok(bytes)
}

/// A gateway's first frame has a length, then two fields of text that end in NUL: version, and date with time and zone.
fn read(bytes: &[u8]) -> Reach {
    let body = bytes.get(4..).unwrap_or_default();
    let text = std::str::from_utf8(body).unwrap_or_default();
    let fields: Vec<&str> = text.split_terminator('\0').collect();
    match fields.as_slice() {
        [version, time] if !time.contains(char::is_control) => match version.parse() {
            Ok(server_version) => Reach::Gateway { server_version, time: (*time).to_owned() },
            Err(_) => Reach::NotAGateway,
        },
        _ => Reach::NotAGateway,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use ib_gateway_sim::{Config, Simulator};
    use marketstream_fuzz::{Memory, fuzz};
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    fn local(port: u16) -> Endpoint {
        Endpoint { host: "127.0.0.1".to_owned(), port }
    }

    /// A server that sends this and closes, or with nothing to send stays silent.
    async fn server(says: Option<&'static [u8]>) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = local(listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut greeting = [0; GREETING.len()];
            stream.read_exact(&mut greeting).await.unwrap();
            match says {
                Some(bytes) => stream.write_all(bytes).await.unwrap(),
                None => std::future::pending().await,
            }
        });
        endpoint
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_gateway_is_told_from_everything_else() {
        let state = tempfile::tempdir().unwrap();
        let simulator = Simulator::start(Config::local(state.path())).await.unwrap();
        let gateway = local(simulator.api_addr().port());
        // The port opens a moment after the start.
        let mut reached = test(&gateway, BOUND).await;
        for _ in 0..1_000 {
            if reached != Reach::Refused {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            reached = test(&gateway, BOUND).await;
        }
        let Reach::Gateway { server_version, time } = reached else { panic!("{reached:?}") };
        assert_eq!(server_version, 226);
        assert!(time.contains(' '), "{time}");
        simulator.shutdown().await;
        assert_eq!(test(&gateway, BOUND).await, Reach::Refused);

        assert_eq!(test(&server(Some(b"")).await, BOUND).await, Reach::Closed);
        assert_eq!(test(&server(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await, BOUND).await, Reach::NotAGateway);
        assert_eq!(test(&server(None).await, Duration::from_millis(50)).await, Reach::NoHandshake);
        let nowhere = Endpoint { host: "no-such-host.invalid".to_owned(), port: 1 };
        assert!(matches!(test(&nowhere, BOUND).await, Reach::NoAddress { .. } | Reach::TimedOut));
    }

    #[tokio::test]
    async fn a_port_from_which_nothing_comes_back_is_told_from_one_that_refuses() {
        // Nobody accepts, and no more connections may wait: the system drops what asks for one.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(connection) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            waiting.push(connection.unwrap());
            assert!(waiting.len() < 100, "the queue of {address} does not fill");
        }
        assert_eq!(test(&local(address.port()), Duration::from_millis(300)).await, Reach::TimedOut);
        // A broadcast address takes no connection.
        let nowhere = Endpoint { host: "255.255.255.255".to_owned(), port: 1 };
        assert!(matches!(test(&nowhere, BOUND).await, Reach::Unreachable { .. }));
    }

    #[test]
    fn fuzzed_answers_are_a_gateway_s_or_not() {
        let fields = b"226\x0020261124 12:00:00 Europe/Oslo\0";
        let gateway = [(fields.len() as u32).to_be_bytes().as_slice(), fields].concat();
        assert!(matches!(read(&gateway), Reach::Gateway { server_version: 226, .. }), "{:?}", read(&gateway));
        let corpus = [gateway, b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), b"\0\0\x02\0".to_vec(), Vec::new()];
        let memory = Memory { base: 4 << 10, per_byte: 4 };
        fuzz("answers of a gateway", memory, &corpus, |mut bytes| {
            let Some(Ok(answer)) = answer(&mut bytes).now_or_never() else { return };
            assert!(answer.len() <= 4 + LONGEST_ANSWER);
            if let Reach::Gateway { time, .. } = read(&answer) {
                assert!(time.len() <= LONGEST_ANSWER && !time.contains(char::is_control));
            }
        });
    }

    #[test]
    fn anything_but_two_fields_is_no_gateway() {
        for bytes in [&b""[..], b"\0\0\0\0", b"\0\0\0\x04226\0", b"\0\0\0\x06x\0y\0", b"\0\0\0\x06\xff\xff\0\xff\0\0"] {
            assert_eq!(read(bytes), Reach::NotAGateway, "{bytes:?}");
        }
    }
}
