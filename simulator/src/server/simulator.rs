//! Starting and stopping a simulator.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use super::core::Core;
use super::{life, lines, listener, pump, queries};
use crate::admin;
use crate::config::Config;
use crate::ibc;
use crate::journal::requests::Event;
use crate::market::Stream;
use crate::market::burst::{Burst, BurstError};
use crate::scenario::play::Play;

/// How often sent ticks go from memory to the journal's files.
const FLUSH: Duration = Duration::from_millis(100);

/// How long connections may take to end at a stop.
const GRACE: Duration = Duration::from_millis(300);

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory is of no use.
    #[error("state directory {}: {cause}", path.display())]
    State {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The scenario calls what there is not.
    #[error("scenario, {0}")]
    Scenario(String),
    /// A port cannot be taken.
    #[error("{what} port {addr}: {cause}")]
    Bind {
        /// Which one.
        what: &'static str,
        /// Where.
        addr: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
}

/// A running simulator. Dropping it stops it without flushing the journal, like a crash.
#[derive(Debug)]
pub struct Simulator {
    core: Arc<Core>,
    api_addr: SocketAddr,
    admin_addr: SocketAddr,
    command_addr: Option<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
    _reserved: TcpSocket,
}

/// The API port is closed until the login is done, and while a fault closes it: a socket that is bound and never listens
/// keeps the kernel from giving it to somebody who asks for any port, and refuses connections as a closed port does.
fn reserve(addr: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that the listener may have it.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

impl Simulator {
    /// Takes the ports, restores the state, and begins the login.
    ///
    /// # Errors
    /// When a port or the state directory cannot be used.
    pub async fn start(mut config: Config) -> Result<Self, StartError> {
        let bind = |what, addr| move |cause| StartError::Bind { what, addr, cause };
        let admin = TcpListener::bind(config.admin).await.map_err(bind("admin", config.admin))?;
        let admin_addr = admin.local_addr().map_err(bind("admin", config.admin))?;
        let reserved = reserve(config.api).map_err(bind("API", config.api))?;
        let api_addr = reserved.local_addr().map_err(bind("API", config.api))?;
        let commands = match config.life.command_port {
            Some(addr) => Some(TcpListener::bind(addr).await.map_err(bind("command", addr))?),
            None => None,
        };
        let command_addr = commands.as_ref().and_then(|commands| commands.local_addr().ok());
        let path = config.state_dir.clone();
        let state = |cause| StartError::State { path: path.clone(), cause };
        let scenario = config.scenario.take();
        let play = scenario.map(|scenario| Play::open(&mut config, scenario)).transpose().map_err(state)?;
        let core = Arc::new(Core::open(config).map_err(state)?);
        let mut tasks = vec![
            tokio::spawn(life::run(core.clone())),
            tokio::spawn(listener::run(core.clone(), api_addr)),
            tokio::spawn(pump::run(core.clone())),
            tokio::spawn(lines::run(core.clone())),
            tokio::spawn(queries::run(core.clone())),
            tokio::spawn(flush(core.clone())),
            tokio::spawn(admin::serve(core.clone(), admin)),
        ];
        tasks.extend(commands.map(|commands| tokio::spawn(ibc::serve(core.clone(), commands))));
        if let Some(play) = play {
            play.check(&core).await.map_err(StartError::Scenario)?;
            tasks.push(tokio::spawn(play.run(core.clone())));
        }
        Ok(Self { core, api_addr, admin_addr, command_addr, tasks, _reserved: reserved })
    }

    /// Where API clients connect.
    #[must_use]
    pub fn api_addr(&self) -> SocketAddr {
        self.api_addr
    }

    /// Where the admin HTTP server listens.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Where IBC's commands are taken, if anywhere.
    #[must_use]
    pub fn command_addr(&self) -> Option<SocketAddr> {
        self.command_addr
    }

    /// Returns the exit code when the gateway ends by itself: the process is to end with it, after [`Self::shutdown`].
    pub async fn ended(&self) -> i32 {
        self.core.exit.cancelled().await;
        self.core.exit_code.get().copied().unwrap_or(0)
    }

    /// Adds ticks to a stream, all of them at the end of one second: they go to each client as fast as it takes them.
    ///
    /// # Errors
    /// When there can be no such burst.
    pub fn burst(&self, stream: Stream, ticks: u32) -> Result<Burst, BurstError> {
        self.core.burst(stream, ticks)
    }

    /// Returns when `POST /crash` was called: the process is to exit at once, without [`Self::shutdown`].
    pub async fn crashed(&self) {
        self.core.crash.cancelled().await;
    }

    /// Closes all ports and connections and brings the journal to disk.
    pub async fn shutdown(mut self) {
        self.core.stop.cancel();
        let deadline = tokio::time::Instant::now() + GRACE;
        while !self.core.sessions().is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.core.log(None, None, Event::Stop);
        report(self.core.journal.flush());
        report(self.core.altered.flush());
        for task in self.tasks.drain(..) {
            task.abort();
            // Only an aborted task has let go of its port.
            let _ = task.await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.core.stop.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn flush(core: Arc<Core>) {
    let mut steps = tokio::time::interval(FLUSH);
    loop {
        steps.tick().await;
        report(core.journal.flush());
        report(core.altered.flush());
    }
}

fn report(flushed: io::Result<()>) {
    if let Err(error) = flushed {
        tracing::error!(%error, "journal: cannot write");
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_closed_port_is_kept_from_others_and_open_to_its_listener() {
        let reserved = reserve("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = reserved.local_addr().unwrap();
        // As the kernel does who looks for any free port.
        let other = TcpSocket::new_v4().unwrap();
        assert_eq!(other.bind(addr).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(TcpStream::connect(addr).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let listener = TcpListener::bind(addr).await.unwrap();
        assert!(TcpStream::connect(addr).await.is_ok());
        assert_eq!(reserve(addr).unwrap_err().kind(), ErrorKind::AddrInUse, "it is in use");
        drop(listener);
        assert_eq!(TcpStream::connect(addr).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
