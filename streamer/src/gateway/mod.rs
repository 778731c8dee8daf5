//! The gateway beside this process: where its login stands, what a person asks of it, and its command port.
//!
//! The login gate in the gateway's container reads the gateway's log; this reads what the gate makes of it.

mod commands;
mod login;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use marketstream_crds::{CommandPort, names};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use login::Login;

/// How often the login is looked at: its file changes a few times a day, and a person may be waiting.
const LOOK: Duration = Duration::from_secs(1);

/// How often the command port is asked whether it is there. It decides about resets, which are minutes apart.
const ASK: Duration = Duration::from_secs(20);

/// Where the gateway's container is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Directory that the login gate shares with this process; missing when there is no sidecar.
    pub shared: PathBuf,
    /// The command port.
    pub commands: SocketAddr,
}

impl Place {
    /// In the pod.
    #[must_use]
    pub fn in_pod() -> Self {
        let commands = SocketAddr::from((Ipv4Addr::LOCALHOST, names::COMMAND_PORT));
        Self { shared: names::GATEWAY_SHARED_PATH.into(), commands }
    }

    /// Passes a person's request for a login on to the gate, which honours each one once.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn request_login(&self, request: &str) -> io::Result<()> {
        login::request(&self.shared, request)
    }

    /// Has the gateway restart in its place, which keeps its login (IBC's RESTART).
    ///
    /// # Errors
    /// When the command port does not take it.
    pub async fn restart(&self) -> io::Result<String> {
        commands::send(self.commands, "RESTART").await
    }
}

/// What is known of the gateway beside this process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gateway {
    /// Its login, as the gate tells it.
    pub login: Option<Login>,
    /// Whether it answers on its command port; unknown before the first look, and without a gate.
    pub command_port: Option<CommandPort>,
}

/// Keeps `publish` up to date until `stop`.
pub async fn watch(place: Place, publish: watch::Sender<Gateway>, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asked: Option<tokio::time::Instant> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        let login = Login::read(&place.shared);
        let mut known = publish.borrow().clone();
        let due = asked.is_none_or(|asked| asked.elapsed() >= ASK);
        // Without a gate there is no sidecar, and nobody's port is to be tried.
        if login.is_some() && due {
            asked = Some(tokio::time::Instant::now());
            known.command_port = Some(commands::answers(place.commands).await);
        }
        known.login = login;
        publish.send_if_modified(|published| {
            let changed = *published != known;
            if changed {
                *published = known;
            }
            changed
        });
    }
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
