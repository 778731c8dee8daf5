//! The program without Kubernetes, as a person starts it: a manifest file, a simulated gateway, and the HTTP port.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use common::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The ladder in seconds: what it does is the same, only sooner.
const POLICY: &str = "settle: 500ms\nverifyRestart: 500ms\nverifyReconnect: 500ms\nverifyRestored: 500ms\nretryPause: 1h\nretryPauseMax: 1h\n";

struct Process {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
}

impl Process {
    fn start(manifest: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
        fs::write(folder.path().join("stream.yaml"), manifest.to_string()).unwrap();
        // The listener is closed before the program binds the port.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Self::spawn(&folder, address);
        Self { child, folder, address }
    }

    fn spawn(folder: &TempDir, address: SocketAddr) -> Child {
        let mut log = fs::OpenOptions::new();
        let log = log.create(true).append(true).open(folder.path().join("log")).unwrap();
        let mut command = program();
        command.arg("--manifest").arg(folder.path().join("stream.yaml"));
        command.arg("--policy").arg(folder.path().join("policy.yaml"));
        command.arg("--data-dir").arg(folder.path().join("data"));
        command.args(["--listen", &address.to_string()]).stderr(Stdio::from(log)).spawn().unwrap()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn write(&self, manifest: &Value) {
        fs::write(self.folder.path().join("stream.yaml"), manifest.to_string()).unwrap();
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    async fn status(&self) -> Option<Value> {
        let (_, body) = ask(self.address, "/v1/status").await?;
        serde_json::from_str(&body).ok()
    }

    /// Waits for a status, and returns it.
    async fn until(&mut self, what: &str, mut condition: impl FnMut(&Value) -> bool) -> Value {
        let mut last = None;
        for _ in 0..600 {
            last = self.status().await.or(last);
            if let Some(status) = last.as_ref().filter(|status| condition(status)) {
                return status.clone();
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.log());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{what} did not happen; the status is {last:#?}\n{}", self.log());
    }

    async fn until_flowing(&mut self, streams: u64) -> Value {
        self.until("all streams flow", |status| status["streamer"]["flowing"] == streams).await
    }

    async fn ready(&self) -> (u16, String) {
        ask(self.address, "/readyz").await.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_marketstream-streamer"));
    command.env_clear();
    command
}

fn manifest(gateway: &Gateway, contracts: Value) -> Value {
    let mut spec = serde_json::to_value(spec(contracts, &[gateway.port()])).unwrap();
    spec["gateway"]["connectTimeout"] = "1s".into();
    spec["gateway"]["probeInterval"] = "1s".into();
    spec["recovery"] = json!({
        "staleAfter": "1s", "zombieTimeout": "1s", "openGrace": "0s", "monitorInterval": "1s",
        "warnAfter": "1s", "restartStreamsAfter": "2s", "resetConnectionAfter": "4s", "criticalAfter": "7s",
    });
    json!({
        "apiVersion": "marketstream.io/v1alpha1", "kind": "MarketStream", "metadata": {"name": "desk"}, "spec": spec,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ladder_is_climbed_and_survives_a_restart() {
    let gateway = Gateway::start().await;
    let mut process = Process::start(&manifest(&gateway, json!([sim1(&["Last", "BidAsk"])])));
    let status = process.until_flowing(2).await;
    assert_eq!((&status["recovery"]["level"], &status["recovery"]["own"]), (&json!(0), &json!(true)));
    assert_eq!(process.ready().await, (200, "ok\n".to_owned()));

    gateway.begin(json!({"kind": "silence", "scope": {"all": true}, "cure": "Never"})).await;
    let mut levels = vec![];
    let status = process
        .until("level 4", |status| {
            levels.push(status["recovery"]["level"].as_u64().unwrap());
            levels.last() == Some(&4)
        })
        .await;
    levels.dedup();
    assert_eq!(levels, [0, 1, 2, 3, 4]);
    let rungs = &status["recovery"]["incidents"][0]["rungs"];
    let actions: Vec<&Value> = rungs.as_array().unwrap().iter().map(|rung| &rung["action"]).collect();
    assert_eq!(actions, [&Value::Null, &json!("RestartStreams"), &json!("Reconnect"), &Value::Null]);
    // The gateway saw both: another subscription, and another client ID.
    let ids: Vec<i64> =
        gateway.requests("connect").await.iter().filter_map(|line| line["client_id"].as_i64()).collect();
    assert_eq!(ids, [851, 852]);
    let (code, reason) = process.ready().await;
    assert!(code == 503 && reason.contains("level 4: Zombie: a person is needed"), "{code} {reason}");

    // Another process knows where the one before stood, and does not climb again.
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    process.child = Process::spawn(&process.folder, process.address);
    let status = process.until("the new process knows", |status| status["recovery"]["level"] == 4).await;
    assert_eq!(status["recovery"]["incidents"][0]["rungs"].as_array().unwrap().len(), 4);
    assert_eq!(process.ready().await.0, 503);

    gateway.end_faults().await;
    let closed = |status: &Value| status["recovery"]["level"] == 0 && status["recovery"]["history"][0]["level"] == 4;
    process.until("the incident closes", closed).await;
    assert_eq!(process.ready().await, (200, "ok\n".to_owned()));
    let log = process.log();
    for level in 1..=4 {
        assert_eq!(log.matches(&format!("Level {level}: all streams")).count(), 1, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_streamer_does_not_touch_the_data_of_the_first() {
    let gateway = Gateway::start().await;
    let mut process = Process::start(&manifest(&gateway, json!([sim1(&["BidAsk"])])));
    process.until_flowing(1).await;
    let (folder, data) = (process.folder.path(), process.data());
    let mut second = program();
    second.arg("--manifest").arg(folder.join("stream.yaml")).arg("--data-dir").arg(&data);
    let refused = second.args(["--listen", "127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    for part in [data.display().to_string(), format!("process {} on ", process.child.id()), "--data-dir".to_owned()] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    assert_eq!(gateway.requests("connect").await.len(), 1);
    // The kernel frees it, however the first one ends.
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    process.child = Process::spawn(&process.folder, process.address);
    process.until_flowing(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_manifest_is_taken_or_refused_while_the_old_one_records_on() {
    let gateway = Gateway::start().await;
    let mut process = Process::start(&manifest(&gateway, json!([sim1(&["BidAsk"])])));
    process.until_flowing(1).await;
    let from = now_s() + 1;

    let mut bad = manifest(&gateway, json!([sim1(&["BidAsk"])]));
    bad["spec"]["contracts"][0]["ticks"] = json!(["Quotes"]);
    process.write(&bad);
    process.signal("HUP");
    let refused = process.until("the refusal", |status| status["recovery"]["refused"].is_string()).await;
    let why = refused["recovery"]["refused"].as_str().unwrap().to_owned();
    assert!(why.contains("stream.yaml: spec.contracts[0].ticks[0]: \"Quotes\" must be one of Last"), "{why}");
    assert_eq!(refused["streamer"]["flowing"], 1);

    // By the change of the file alone.
    let both = json!([sim1(&["BidAsk"]), {"name": "sim2", "conId": SIM2, "ticks": ["Last"]}]);
    process.write(&manifest(&gateway, both));
    let status = process.until_flowing(2).await;
    assert_eq!(status["recovery"]["refused"], Value::Null);
    assert_eq!(status["streamer"]["streams"][0]["restarts"], 0);
    let to = from + 4;
    until("later ticks are stored", async || {
        stored(&process.data()).iter().any(|tick| tick.con_id == SIM1 && tick.time_s > to)
    })
    .await;
    let verdict = gateway.judge(&process.data(), from, to).await;
    let quotes = verdict.streams.iter().find(|stream| stream.con_id == SIM1).unwrap();
    assert!(quotes.counts.stored > 0 && quotes.counts.missing_of_generated == 0, "{verdict:#?}");

    let address = process.address.to_string();
    // A stream of trades may rest for a moment.
    let mut page = String::new();
    until("the page of two streams that flow", async || {
        page = says(program().args(["status", "--address", &address]));
        page.starts_with("desk: Healthy, level 0, 2/2 streams flow\n")
    })
    .await;
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    assert!(page.contains("sim1/BidAsk   Flowing   Open"), "{page}");
    let json = says(program().args(["status", "-o", "json", "--address", &address]));
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["streamer"]["total"], 2);
    let list = says(program().args(["files", "--newer", "5m", "--data-dir"]).arg(process.data()));
    assert!(list.contains(&format!("{SIM1}_bid_ask_")) && list.contains(&format!("{SIM2}_last_")), "{list}");
    // A range before anything was recorded.
    let (from, to) = ((from - 120).to_string(), (from - 60).to_string());
    let range = ["backfill", "sim1", "--wait", "--address", &address, "--from", &from, "--to", &to];
    let settled = says(program().args(range));
    assert!(settled.starts_with("sim1/BidAsk: Approximate, ") && !settled.contains(" 0 ticks"), "{settled}");
    let range = ["backfill", "sim9", "--address", &address, "--from", &from, "--to", &to];
    assert!(fails(program().args(range)).contains("the manifest has no contract named sim9"));

    process.signal("TERM");
    until("it ends in order", async || process.child.try_wait().unwrap().is_some()).await;
    assert!(process.child.wait().unwrap().success());
    assert!(process.log().contains("all ticks are on the disk"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_in_order_although_the_gateway_hangs() {
    let gateway = Gateway::start().await;
    let mut process = Process::start(&manifest(&gateway, json!([sim1(&["Last", "BidAsk"])])));
    process.until_flowing(2).await;
    let from = now_s() + 1;
    until("seconds were recorded", async || now_s() > from + 2).await;
    gateway.begin(json!({"kind": "hang"})).await;
    let hung = now_s();
    process.signal("TERM");
    // Long before a pod's grace period, 120 s, is over.
    until("it ends in order", async || process.child.try_wait().unwrap().is_some()).await;
    assert!(process.child.wait().unwrap().success());
    assert!(process.log().contains("all ticks are on the disk"));
    let verdict = gateway.judge(&process.data(), from, hung).await;
    assert!(verdict.total.stored > 0 && verdict.lossless(), "{verdict:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seed_s_variables_are_enough() {
    let (gateway, data) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let mut command = program();
    command.env("IB_STREAM_HOST", "localhost").env("IB_STREAM_PORTS", format!("1,{}", gateway.port()));
    command.env("IB_STREAM_CLIENT_ID", "77").env("IB_STREAM_ENABLE_BACKGROUND_STREAMING", "true");
    command.env("IB_STREAM_TRACKED_CONTRACTS", format!("{SIM1}:SIM1:bid_ask:24"));
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    until("ticks are stored", async || stored(data.path()).iter().any(|tick| tick.con_id == SIM1)).await;
    assert_eq!(gateway.requests("connect").await[0]["client_id"], 77);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn says(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn fails(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!status.success(), "{stderr}");
    stderr
}

#[test]
fn what_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream.yaml");
    let run = |text: &str| {
        fs::write(&file, text).unwrap();
        fails(program().arg("--manifest").arg(&file).arg("--data-dir").arg(folder.path()))
    };
    assert!(
        run("contracts: []\ngateway: {external: {host: gw}}\n").contains("spec.contracts: it must have at least 1")
    );
    assert!(run("kind: Pod\n").contains("kind: \"Pod\" must be MarketStream"));
    fs::remove_file(&file).unwrap();
    let missing = fails(program().arg("--manifest").arg(&file).arg("--data-dir").arg(folder.path()));
    assert!(missing.contains("cannot be read") && missing.contains("stream.yaml"), "{missing}");
    let nothing = fails(program().arg("--data-dir").arg(folder.path()));
    assert!(nothing.contains("MARKETSTREAM_NAME is not set") && nothing.contains("--manifest FILE"), "{nothing}");
    for command in ["files", "ticks", "seal"] {
        let none = fails(program().arg(command).arg("--data-dir").arg(folder.path().join("none")));
        assert!(none.contains("--data-dir ") && none.contains("No such file"), "{command}: {none}");
        assert!(!folder.path().join("none").exists(), "{command}");
    }
    // A file stands where the data should go.
    fs::write(&file, "contracts: [{name: a, conId: 1, ticks: [Last]}]\ngateway: {external: {host: gw}}\n").unwrap();
    let no_folder = fails(program().arg("--manifest").arg(&file).arg("--data-dir").arg(&file));
    assert!(no_folder.contains("stream.yaml cannot be made"), "{no_folder}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = program();
    command.arg("--manifest").arg(&file).arg("--data-dir").arg(folder.path().join("data")).args(["--listen", &address]);
    let no_port = fails(command.env("RUST_LOG", "=,="));
    assert!(no_port.contains(&format!("cannot listen on {address} (--listen): Address already in use")), "{no_port}");
    assert!(no_port.contains("RUST_LOG is passed over"), "{no_port}");
    let variable = fails(program().env("IB_STREAM_TRACKED_CONTRACTS", "MNQ"));
    assert!(variable.contains("IB_STREAM_TRACKED_CONTRACTS: \"MNQ\""), "{variable}");
}

#[test]
fn nobody_there_is_said_in_words() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let why = fails(program().args(["status", "--address", &address]));
    assert!(why.contains(&format!("no streamer listens at {address}")), "{why}");
    // Something else answers: in HTTP, and not.
    for (says, named) in [
        ("HTTP/1.0 404 Not Found\r\n\r\n", "is no streamer (404 Not Found); is --address right?"),
        ("HTTP/1.0 200 OK\r\n\r\n{}", "is no streamer; is --address right?"),
        ("220 mail\r\n", "does not answer as HTTP; is --address right?"),
    ] {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap().to_string();
        let answers = std::thread::spawn(move || {
            let (mut stream, _) = other.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            stream.write_all(says.as_bytes()).unwrap();
        });
        let why = fails(program().args(["status", "--address", &address]));
        assert!(why.contains(&address) && why.contains(named), "{why}");
        answers.join().unwrap();
    }
    let port = address.rsplit(':').next().unwrap();
    let why = fails(program().args(["test-connection", "--ports", port]));
    assert!(why.contains("no gateway answers at 127.0.0.1"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_says_of_each_port_how_far_it_lets_a_client() {
    let gateway = Gateway::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let refuses = port(&TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [refuses, port(&silent), port(&other), gateway.port()];
    std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let list = ports.map(|port| port.to_string()).join(",");
    let said = says(program().args(["test-connection", "--host", "127.0.0.1", "--timeout", "1", "--ports", &list]));
    let words = [
        "refused: nobody listens",
        "accepts and does not answer: not logged in, or hanging",
        "answers, and not as a gateway",
        "a gateway: server version 226, ",
    ];
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), ports.len(), "{said}");
    for ((line, port), word) in lines.iter().zip(ports).zip(words) {
        assert!(line.starts_with(&format!("127.0.0.1:{port}  {word}")), "{line}");
    }
    assert_eq!(gateway.requests("connect").await.len(), 0, "it takes no client ID");
}

#[test]
fn the_systemd_unit_is_valid_and_starts_this_program() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/marketstream-streamer@.service");
    let installed = "/usr/local/bin/marketstream-streamer";
    let unit = fs::read_to_string(unit).unwrap().replace(installed, env!("CARGO_BIN_EXE_marketstream-streamer"));
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let arguments: Vec<String> = start.split(' ').skip(1).map(|word| word.replace("%i", "no-such")).collect();
    assert!(fails(program().args(arguments)).contains("/etc/marketstream/no-such.yaml cannot be read"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("marketstream-streamer@demo.service");
    fs::write(&file, unit).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&file).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => eprintln!("systemd-analyze is not here"),
        verified => {
            let Output { status, stderr, .. } = verified.unwrap();
            let stderr = String::from_utf8(stderr).unwrap();
            assert!(status.success() && !stderr.contains("demo.service"), "{stderr}");
        }
    }
}
