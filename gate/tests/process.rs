//! The program, around a shell script that plays the gateway.
#![allow(clippy::unwrap_used, reason = "tests only")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

struct Pod {
    dir: TempDir,
}

impl Pod {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the gate around a script.
    fn gate(&self, script: &str, more: &[&str]) -> Child {
        let arguments = ["run", "--max-login-attempts", "2", "--shared"];
        Command::new(env!("CARGO_BIN_EXE_marketstream-gate"))
            .args(arguments)
            .arg(self.path("shared"))
            .arg("--state")
            .arg(self.path("state"))
            .args(more)
            .args(["--", "sh", "-c", script])
            .current_dir(self.dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn login(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.path("shared/login.json")).ok()?).ok()
    }

    fn until_login(&self, state: &str) -> Value {
        until(state, || self.login().filter(|login| login["state"] == state))
    }

    fn starts(&self) -> usize {
        fs::read_to_string(self.path("starts")).unwrap_or_default().lines().count()
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

const FAILS: &str = "echo start >> starts; echo 'IBC: Login failed'; exit 3";

#[test]
fn logins_without_success_close_the_gate_and_a_request_opens_it_once() {
    let pod = Pod::new();
    assert_eq!(pod.gate(FAILS, &[]).wait().unwrap().code(), Some(3), "the kubelet starts it again");
    let mut held = pod.gate(FAILS, &[]);
    let login = pod.until_login("Held");
    assert_eq!(
        (login["message"].as_str(), login["attempts"].as_u64()),
        (Some("2 logins in a row had no success"), Some(2))
    );
    assert_eq!(pod.starts(), 2);
    terminate(&held);
    assert_eq!(held.wait().unwrap().code(), Some(0));

    // Another pod still keeps it down, until a person asks.
    let mut next = pod.gate(FAILS, &[]);
    pod.until_login("Held");
    assert_eq!(pod.starts(), 2);
    fs::write(pod.path("shared/retry-login"), "2026-11-24T12:00:00Z").unwrap();
    assert_eq!(next.wait().unwrap().code(), Some(3));
    assert_eq!(pod.starts(), 3);
    let mut held = pod.gate(FAILS, &[]);
    pod.until_login("Held");
    assert_eq!(pod.starts(), 4, "the request gave two more logins, and is spent");
    terminate(&held);
    held.wait().unwrap();
}

#[test]
fn the_log_is_printed_and_shared_and_a_stop_reaches_the_gateway() {
    let pod = Pod::new();
    let script = "trap 'echo stopping; exit 7' TERM; echo 'Login has completed'; echo up >&2; (sleep 0.01 &) ; \
                  while :; do sleep 0.05; done";
    let mut gate = pod.gate(script, &[]);
    let login = pod.until_login("Completed");
    assert_eq!(login["attempts"], 0);
    terminate(&gate);
    assert_eq!(gate.wait().unwrap().code(), Some(7));
    let mut printed = String::new();
    gate.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let shared = fs::read_to_string(pod.path("shared/gateway.log")).unwrap();
    for line in ["Login has completed", "up", "stopping", "marketstream-gate: the gateway ended with code 7"] {
        assert!(printed.lines().any(|printed| printed == line), "{line:?} is not in {printed:?}");
        assert!(shared.lines().any(|shared| shared == line), "{line:?} is not in {shared:?}");
    }
}

#[test]
fn a_gateway_that_asks_for_the_second_factor_again_and_again_is_stopped() {
    let pod = Pod::new();
    let script = "echo start >> starts; while :; do echo 'Second Factor Authentication initiated'; sleep 0.05; done";
    let mut gate = pod.gate(script, &[]);
    let login = pod.until_login("Held");
    assert_eq!(login["message"], "3 logins in a row had no success");
    assert_eq!(pod.starts(), 1);
    terminate(&gate);
    gate.wait().unwrap();
}

#[test]
fn what_cannot_start_says_why() {
    let pod = Pod::new();
    let output = Command::new(env!("CARGO_BIN_EXE_marketstream-gate"))
        .args(["run", "--max-login-attempts", "2", "--shared"])
        .arg(pod.path("shared"))
        .arg("--state")
        .arg(pod.path("state"))
        .args(["--", "/no/such/gateway"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/no/such/gateway: No such file"), "{said}");
}

#[test]
fn the_command_port_is_switched_on_where_the_image_has_it_off() {
    let pod = Pod::new();
    let template = pod.path("config.ini.tmpl");
    fs::write(&template, "A=1\nCommandServerPort=0\nB=2\n").unwrap();
    let more = ["--ibc-template", template.to_str().unwrap(), "--command-port", "7462"];
    pod.gate("echo 'Login has completed'", &more).wait().unwrap();
    let text = fs::read_to_string(&template).unwrap();
    assert_eq!(text, "A=1\nCommandServerPort=7462\nBindAddress=127.0.0.1\nB=2\n");
}

#[test]
fn install_copies_the_program() {
    let pod = Pod::new();
    let copy = pod.path("gate");
    let gate = Path::new(env!("CARGO_BIN_EXE_marketstream-gate"));
    assert!(Command::new(gate).arg("install").arg(&copy).status().unwrap().success());
    assert!(Command::new(&copy).arg("--version").output().unwrap().status.success());
}

#[test]
fn pre_stop_waits_for_the_streamer_and_then_has_the_login_saved() {
    let (streamer, command) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (streamer_at, command_at) = (streamer.local_addr().unwrap(), command.local_addr().unwrap());
    let mut hook = Command::new(env!("CARGO_BIN_EXE_marketstream-gate"))
        .args(["pre-stop", "--streamer", &streamer_at.to_string(), "--command-port", &command_at.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It looks at the streamer first; nothing may reach the command port before that one is closed.
    drop(streamer.accept().unwrap());
    command.set_nonblocking(true).unwrap();
    assert!(command.accept().is_err(), "PAUSE came while the streamer was open");
    drop(streamer);
    command.set_nonblocking(false).unwrap();
    let (mut asked, _) = command.accept().unwrap();
    let mut line = [0; 6];
    asked.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"PAUSE\n");
    asked.write_all(b"OK\n").unwrap();
    drop((asked, command));
    assert!(hook.wait().unwrap().success());
    let mut said = String::new();
    hook.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "marketstream-gate: PAUSE: OK\n");
}
