//! `pre-stop`: the kubelet runs it in the gateway's container before it sends SIGTERM.
//!
//! All preStop hooks of a pod start together at its deletion; only SIGTERM is ordered. So the hook itself waits for the
//! streamer, and then has IBC save the login (PAUSE), without which a live account needs a person at the next start.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::cli::PreStop;

/// Longest wait for the streamer: it flushes within seconds.
const STREAMER: Duration = Duration::from_secs(20);

/// Longest wait for the gateway's exit after PAUSE; the pod's own grace goes on.
const GATEWAY: Duration = Duration::from_secs(60);

const CONNECT: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(250);

/// Waits for the streamer, asks the gateway to save its login, and waits for its end. A gateway without a command port
/// is not waited for.
pub fn pre_stop(settings: &PreStop) {
    wait_closed(settings.streamer, STREAMER);
    match pause(settings.command_port) {
        Ok(answer) => {
            println!("marketstream-gate: PAUSE: {}", answer.trim_end());
            wait_closed(settings.command_port, GATEWAY);
        }
        Err(error) => println!("marketstream-gate: no PAUSE: {error}"),
    }
}

fn pause(port: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&port, CONNECT)?;
    stream.set_read_timeout(Some(CONNECT))?;
    stream.write_all(b"PAUSE\n")?;
    let mut answer = [0; 256];
    // An answer is a courtesy: some versions of IBC just close.
    let length = stream.read(&mut answer).unwrap_or(0);
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn wait_closed(port: SocketAddr, limit: Duration) {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline && TcpStream::connect_timeout(&port, CONNECT).is_ok() {
        thread::sleep(LOOK);
    }
}
