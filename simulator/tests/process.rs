//! The program itself: environment, signals, exit codes.

#![allow(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ib_gateway_sim::journal::sent::RECORD;
use ib_gateway_sim::market::tick::TickType;
use ibapi::prelude::*;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ib-gateway-sim"));
    for name in ["TWS_USERID", "TWS_PASSWORD", "TWS_PASSWORD_FILE", "TWS_SETTINGS_PATH", "TRADING_MODE", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.args(["--listen", "127.0.0.1", "--port", "0", "--admin-port", "0", "--login-delay", "0"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

struct Process {
    child: Child,
    api: SocketAddr,
    admin: SocketAddr,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    seen: Vec<String>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self { child, api: any, admin: any, lines, seen: Vec::new() };
        let started = process.line_with("started");
        let address = |name: &str| started.split_once(name).unwrap().1.split(' ').next().unwrap().parse().unwrap();
        (process.api, process.admin) = (address("api="), address("admin="));
        process
    }

    /// The first line of its output with that text; waits for it.
    fn line_with(&mut self, text: &str) -> String {
        while !self.seen.iter().any(|line| line.contains(text)) {
            self.seen.push(self.lines.next().unwrap().unwrap());
        }
        self.seen.iter().find(|line| line.contains(text)).unwrap().clone()
    }

    /// Exit code, and how long it took.
    fn exit(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        (self.child.wait().unwrap().code(), start.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[tokio::test]
async fn runs_as_the_common_image_does_and_ends_within_a_second() {
    let settings = tempfile::tempdir().unwrap();
    let mut command = command();
    command.env("TWS_USERID", "user").env("TWS_PASSWORD", "secret").env("TWS_SETTINGS_PATH", settings.path());
    command.env("IB_SIM_ALWAYS_OPEN", "true").env("TRADING_MODE", "live");
    command.env("IB_SIM_SECOND_FACTOR", "auto");
    let mut process = Process::start(command);
    process.line_with("API port open");
    let client = Client::builder().address(process.api.to_string()).client_id(1).max_reconnect_attempts(0);
    let client = within("a connection", client.connect()).await.unwrap();
    assert_eq!(client.handshake_managed_accounts(), ["U1234567"]);
    let mut ticks = Ticks::subscribe(&client, SIM1, TickType::BidAsk).await;
    ticks.flows(SIM1).await;
    Command::new("kill").arg(process.child.id().to_string()).status().unwrap();
    let (code, took) = process.exit();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(1), "{took:?}");
    let files = std::fs::read_dir(settings.path().join("sim/journal")).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes > 0 && bytes.is_multiple_of(RECORD as u64), "{bytes}");
}

#[tokio::test]
async fn without_credentials_the_port_stays_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command();
    command.arg("--state-dir").arg(dir.path()).env("TWS_USERID", "user");
    let mut process = Process::start(command);
    assert!(process.line_with("Login failed").contains("TWS_PASSWORD"));
    assert!(TcpStream::connect(process.api).await.is_err());
    let password = dir.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let mut command = self::command();
    command.arg("--state-dir").arg(dir.path());
    command.env("TWS_USERID", "user").env("TWS_PASSWORD_FILE", password);
    Process::start(command).line_with("Login has completed");
}

/// A live gateway with its settings in a directory and a command port.
fn live(settings: &std::path::Path) -> Command {
    let mut command = command();
    command.env("TWS_USERID", "user").env("TWS_PASSWORD", "secret").env("TWS_SETTINGS_PATH", settings);
    command.env("TRADING_MODE", "live").env("IBC_COMMAND_PORT", "0");
    command
}

#[tokio::test]
async fn a_live_login_that_nobody_confirms_exits_with_ibcs_code() {
    let settings = tempfile::tempdir().unwrap();
    let mut command = live(settings.path());
    command.env("IB_SIM_SECOND_FACTOR_TIMEOUT", "0");
    let mut process = Process::start(command);
    process.line_with("autorestart file not found: full authentication will be required");
    process.line_with("Second Factor Authentication initiated");
    process.line_with("IBC returned exit status 87");
    assert_eq!(process.exit().0, Some(87));
    let log = std::fs::read_to_string(settings.path().join("sim/requests.jsonl")).unwrap();
    assert_eq!(log.matches(r#""event":"login_attempt""#).count(), 1, "{log}");
    assert_eq!(log.matches(r#""state":"timed_out""#).count(), 1, "{log}");
}

#[tokio::test]
async fn a_pause_on_the_command_port_spares_the_second_factor() {
    let settings = tempfile::tempdir().unwrap();
    let mut process = Process::start(live(settings.path()));
    process.line_with("Second Factor Authentication initiated");
    http(process.admin, "POST", "/login/confirm", "").await;
    process.line_with("Configuration tasks completed");
    let started = process.line_with("started");
    let port = started.split_once("commands=").unwrap().1.split(' ').next().unwrap().parse::<SocketAddr>().unwrap();
    let mut commands = TcpStream::connect(port).await.unwrap();
    commands.write_all(b"PAUSE\n").await.unwrap();
    let mut answer = String::new();
    // What follows is its end.
    let _ = within("an answer", commands.read_to_string(&mut answer)).await;
    assert_eq!(answer, "OK PAUSE\n");
    assert_eq!(process.exit().0, Some(0));
    let mut next = Process::start(live(settings.path()));
    next.line_with("autorestart file found");
    next.line_with("Login has completed");
    assert!(next.seen.iter().all(|line| !line.contains("Second Factor")), "{:?}", next.seen);
    // A kill leaves nothing to resume.
    next.child.kill().unwrap();
    next.exit();
    Process::start(live(settings.path())).line_with("Second Factor Authentication initiated");
}

#[tokio::test]
async fn a_wrong_password_five_times_locks_the_user_out() {
    let settings = tempfile::tempdir().unwrap();
    for attempt in 1..=5 {
        let mut command = live(settings.path());
        command.env("IB_SIM_PASSWORD", "another");
        let mut process = Process::start(command);
        let line = process.line_with("Login failed");
        assert_eq!(line.contains("Too many failed login attempts"), attempt == 5, "{line}");
        assert!(TcpStream::connect(process.api).await.is_err());
    }
}

#[tokio::test]
async fn a_crash_exits_with_code_1_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command();
    command.arg("--no-login").arg("--state-dir").arg(dir.path());
    let mut process = Process::start(command);
    // The process may be gone before it has answered.
    let mut request = TcpStream::connect(process.admin).await.unwrap();
    request.write_all(b"POST /crash HTTP/1.1\r\nHost: sim\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(process.exit().0, Some(1));
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let nonsense = file("x.ticks", "hello");
    let unknown = file("unknown.yaml", "steps:\n  - at: 1s\n    fault: {kind: sulk}\n");
    let missing = dir.path().join("missing.yaml").to_str().unwrap().to_owned();
    let below_a_file = dir.path().join("x.ticks/state").to_str().unwrap().to_owned();
    file("odd/faults.json", "[]");
    let odd = dir.path().join("odd").to_str().unwrap().to_owned();
    for (arguments, expected) in [
        (["--admin-port", &port], format!("admin port 127.0.0.1:{port}: ")),
        (["--port", &port], format!("API port 127.0.0.1:{port}: ")),
        (["--replay", &nonsense], format!("--replay: {nonsense}, line 1: ")),
        (["--scenario", &unknown], format!("--scenario: {unknown}, line 2: fault.kind: must be one of silence, ")),
        (["--scenario", &missing], format!("--scenario: {missing}: No such file")),
        (["--state-dir", &below_a_file], format!("state directory {below_a_file}: ")),
        (["--state-dir", &odd], format!("state directory {odd}: faults.json: not a list of faults")),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ib-gateway-sim"));
        command.args(["--listen", "127.0.0.1", "--no-login"]);
        for (name, value) in [("--port", "0"), ("--admin-port", "0"), ("--state-dir", dir.path().to_str().unwrap())] {
            if arguments[0] != name {
                command.args([name, value]);
            }
        }
        let output = command.args(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with(&format!("ib-gateway-sim: {expected}")) && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn a_scenario_is_checked_without_a_gateway() {
    let check = |path: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ib-gateway-sim"));
        let output = command.arg("check-scenario").arg(path).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/frozen.yaml");
    assert_eq!(check(&example), (Some(0), format!("{}: sound, 6 events in 1m 25s\n", example.display())));
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, "steps:\n  - at: soon\n    crash: true\n").unwrap();
    let (code, text) = check(&bad);
    assert_eq!(code, Some(1));
    assert!(text.starts_with(&format!("ib-gateway-sim: {}, line 2: at: soon is no duration", bad.display())), "{text}");
}

#[test]
fn the_help_names_every_command_and_variable() {
    let output = Command::new(env!("CARGO_BIN_EXE_ib-gateway-sim")).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for name in ["serve", "check-scenario", "compare", "prepare-btcusd", "IB_SIM_SCENARIO", "TWS_USERID", "IB_SIM_SEED"]
    {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[tokio::test]
async fn the_clock_is_set_at_the_start_and_while_it_runs() {
    let state = tempfile::tempdir().unwrap();
    let mut command = command();
    command.args(["--no-login", "--clock", "2027-03-14T06:30:00Z", "--speed", "0", "--state-dir"]).arg(state.path());
    let process = Process::start(command);
    let clock = async |method: &str, body: &str| -> serde_json::Value {
        let (status, text) = http(process.admin, method, "/clock", body).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(clock("GET", "").await, serde_json::json!({"at": "2027-03-14T06:30:00Z", "speed": 0.0}));
    let set = clock("PUT", r#"{"at":"2027-11-07T05:30:00Z","speed":1000}"#).await;
    assert_eq!(set["speed"], 1000.0);
    within("an hour", async {
        while clock("GET", "").await["at"].as_str().unwrap() < "2027-11-07T06:30:00Z" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let (status, text) = http(process.admin, "PUT", "/clock", r#"{"speed":-1}"#).await;
    assert_eq!((status, text.contains("speed must be 0 to 100000")), (400, true), "{text}");
}
