//! The journal's side: a state directory, or the admin port of a running simulator.

use std::path::PathBuf;

use axum::http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use crate::journal::archive::Archive;
use crate::journal::settings::SettingsError;
use crate::judge::JournalTick;

/// Port of the admin HTTP server when the address names none.
const ADMIN_PORT: u16 = 4080;

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The state directory is of no use.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file of the state directory cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The state directory.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The address is none.
    #[error("--admin {0}: write for example http://localhost:4080")]
    Address(String),
    /// The admin port does not answer as it should.
    #[error("{address}: {what}")]
    Admin {
        /// Of the admin port.
        address: Uri,
        /// What is wrong.
        what: String,
    },
}

/// Where a journal is.
#[derive(Debug)]
pub enum Journal {
    /// In a state directory.
    Archive(PathBuf, Box<Archive>),
    /// Behind an admin port.
    Admin(Uri),
}

impl Journal {
    /// Opens a state directory.
    ///
    /// # Errors
    /// When it is not one.
    pub fn archive(dir: PathBuf) -> Result<Self, JournalError> {
        let archive = Archive::open(&dir)?;
        Ok(Self::Archive(dir, Box::new(archive)))
    }

    /// Takes the address of an admin port, `http://HOST[:PORT]`.
    ///
    /// # Errors
    /// When it is none.
    pub fn admin(address: &str) -> Result<Self, JournalError> {
        let uri: Option<Uri> = address.parse().ok();
        let uri = uri.filter(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
        uri.map(Self::Admin).ok_or_else(|| JournalError::Address(address.to_owned()))
    }

    /// The ticks of the seconds in `from..to`. Waits for an admin port: not to be called on a thread of the runtime's.
    ///
    /// # Errors
    /// When they cannot be had.
    pub fn ticks(&self, span: (i64, i64)) -> Result<Vec<JournalTick>, JournalError> {
        match self {
            Self::Archive(path, archive) => {
                archive.ticks(span).map_err(|cause| JournalError::Io { path: path.clone(), cause })
            }
            Self::Admin(address) => {
                let fail = |what: String| JournalError::Admin { address: address.clone(), what };
                let path = format!("/journal?from={}&to={}", span.0, span.1);
                let text = Handle::current().block_on(get(address, &path)).map_err(|error| fail(error.to_string()))?;
                let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines.map(|line| serde_json::from_slice(line).map_err(|error| fail(error.to_string()))).collect()
            }
        }
    }
}

/// One HTTP request; the body of its answer.
async fn get(address: &Uri, path: &str) -> anyhow::Result<Bytes> {
    let host = address.host().unwrap_or_default().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, address.port_u16().unwrap_or(ADMIN_PORT))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let authority = address.authority().map_or(host, |authority| authority.as_str());
    let request = Request::get(path).header(header::HOST, authority).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    connection.abort();
    anyhow::ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body).trim());
    Ok(body)
}
