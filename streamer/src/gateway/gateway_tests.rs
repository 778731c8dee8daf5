#![allow(clippy::unwrap_used, reason = "tests only")]

use std::path::Path;

use marketstream_crds::LoginState;
use marketstream_gate::{markers, report};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn gate_says(shared: &Path, state: markers::LoginState) {
    let login = report::Login { state, at_ms: 1_795_470_333_000, message: "a line".into(), attempts: 1 };
    report::Shared::open(shared.to_owned()).unwrap().login(&login);
}

#[test]
fn every_state_of_the_gate_has_its_name_in_the_resource() {
    use markers::LoginState as Gate;
    let dir = tempfile::tempdir().unwrap();
    for (said, read) in [
        (Gate::Started, LoginState::Started),
        (Gate::Completed, LoginState::Completed),
        (Gate::FullAuthentication, LoginState::FullAuthentication),
        (Gate::SecondFactor, LoginState::SecondFactor),
        (Gate::Failed, LoginState::Failed),
        (Gate::TooManyAttempts, LoginState::TooManyAttempts),
        (Gate::ExistingSession, LoginState::ExistingSession),
        (Gate::Held, LoginState::Held),
    ] {
        gate_says(dir.path(), said);
        let login = Login::read(dir.path()).unwrap();
        assert_eq!((login.state, login.at.as_millisecond()), (read, 1_795_470_333_000));
    }
    std::fs::write(dir.path().join(report::LOGIN), "{").unwrap();
    assert_eq!(Login::read(dir.path()), None);
}

#[test]
fn a_request_reaches_the_gate() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { shared: dir.path().to_owned(), ..Place::in_pod() };
    place.request_login("monday").unwrap();
    place.request_login("monday").unwrap();
    assert_eq!(report::Shared::open(dir.path().to_owned()).unwrap().request(), "monday");
    let nowhere = Place { shared: dir.path().join("no"), ..place };
    assert!(nowhere.request_login("x").is_err());
}

#[tokio::test]
async fn login_and_command_port_are_published() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place { shared: dir.path().to_owned(), commands: listener.local_addr().unwrap() };
    let (publish, mut facts) = tokio::sync::watch::channel(Gateway::default());
    let stop = CancellationToken::new();
    let watching = tokio::spawn(watch(place, publish, stop.clone()));
    gate_says(dir.path(), markers::LoginState::SecondFactor);
    let known = |known: &Gateway| known.command_port == Some(CommandPort::Up) && known.login.is_some();
    tokio::time::timeout(PATIENCE, facts.wait_for(known)).await.unwrap().unwrap();
    stop.cancel();
    watching.await.unwrap();
}

#[tokio::test]
async fn a_restart_is_one_line_and_a_missing_port_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place { shared: "/nowhere".into(), commands: listener.local_addr().unwrap() };
    let ibc = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut line = [0; 8];
        stream.read_exact(&mut line).await.unwrap();
        stream.write_all(b"OK RESTART\n").await.unwrap();
        line
    });
    assert_eq!(place.restart().await.unwrap(), "OK RESTART");
    assert_eq!(&ibc.await.unwrap(), b"RESTART\n");
    assert!(place.restart().await.is_err(), "nobody listens any more");
}
