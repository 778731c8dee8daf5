//! One round of attempts to reach the gateway.

use std::time::Duration;

use ibapi::{Client, RateLimiter, subscriptions::NoticeStream};
use marketstream_crds::SocketState;
use tokio::{net::TcpStream, time::timeout};

use super::{endpoints::Endpoint, failure::Failure};
use crate::pacing::REQUESTS_PER_SECOND;

/// Frames that one subscription may have waiting; what comes on top is lost, and told as lag. All run on one thread, where
/// the runtime's budget of 128 operations keeps the library from handing on more frames than that before every
/// subscription has its turn; it takes some three operations for each, so that at full speed 64 slots lose nothing and 32
/// do (measured). A pause of the thread holds the library up, too, and then the socket's buffers hold what comes. The
/// library takes the memory at once, about 130 bytes a slot.
const CAPACITY: usize = 128;

/// A session that is up.
pub struct Connection {
    /// The client.
    pub client: Client,
    /// Its notices, the handshake's included.
    pub notices: NoticeStream,
    /// Where it is.
    pub endpoint: Endpoint,
}

/// Tries every endpoint once, each within `bound`, and says so in the log if it is `announced`. The most telling failure is returned, with its endpoint.
///
/// # Errors
/// When none of them leads to a session.
pub async fn round(
    endpoints: Vec<Endpoint>,
    client_id: i32,
    bound: Duration,
    fields: &'static str,
    announced: bool,
) -> Result<Connection, (Failure, Option<Endpoint>)> {
    let mut worst: Option<(Failure, Endpoint)> = None;
    for endpoint in endpoints {
        if announced {
            tracing::info!("Attempting to connect to {endpoint} with client ID {client_id}");
        }
        match attempt(&endpoint, client_id, bound, fields).await {
            Ok((client, notices)) => return Ok(Connection { client, notices, endpoint }),
            Err(failure) => {
                let in_use = failure.state == SocketState::ClientIdInUse;
                if worst.as_ref().is_none_or(|(known, _)| failure.weight() > known.weight()) {
                    worst = Some((failure, endpoint));
                }
                // The gateway is found; other ports would be asked with an ID that is known to be refused.
                if in_use {
                    break;
                }
            }
        }
    }
    Err(match worst {
        Some((failure, endpoint)) => (failure, Some(endpoint)),
        None => {
            (Failure { state: SocketState::Refused, message: format!("no gateway is configured: set {fields}") }, None)
        }
    })
}

async fn attempt(
    endpoint: &Endpoint,
    client_id: i32,
    bound: Duration,
    fields: &str,
) -> Result<(Client, NoticeStream), Failure> {
    let builder = Client::builder()
        .address(endpoint.to_string())
        .client_id(client_id)
        .max_reconnect_attempts(0)
        .channel_capacity(CAPACITY)
        .rate_limiter(RateLimiter::per_second(REQUESTS_PER_SECOND));
    // The library bounds neither the connection nor the handshake (measured): a silent gateway would hold us for ever.
    match timeout(bound, builder.connect_with_notice_stream()).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(error)) => Err(Failure::of_connect(&error, endpoint, fields)),
        // Did the port take the connection at all?
        Err(_) => match timeout(bound, TcpStream::connect(endpoint.to_string())).await {
            Ok(Ok(_)) => Err(Failure::no_handshake(endpoint, fields)),
            Ok(Err(_)) | Err(_) => Err(Failure::unreachable(endpoint, fields)),
        },
    }
}
