//! The gateway's process: started, listened to, ended; and every orphan reaped, since the gate is the container's
//! first process.

use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

/// Longest line that is kept whole, bytes: a process that never ends a line must not fill the memory.
const LINE: u64 = 64 * 1024;

/// What happens to the gateway.
#[derive(Debug)]
pub enum Happening {
    /// It printed a line.
    Line(String),
    /// It ended, with the exit code that a shell would see.
    Ended(i32),
}

/// The gateway's process.
#[derive(Debug, Clone, Copy)]
pub struct Gateway(Pid);

impl Gateway {
    /// Starts it. What happens to it is sent, its end last.
    ///
    /// # Errors
    /// When the command cannot be started.
    pub fn start(command: &[String], happenings: &Sender<Happening>) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("no command"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        let readers = [
            child.stdout.take().map(|out| listen(out, happenings.clone())),
            child.stderr.take().map(|out| listen(out, happenings.clone())),
        ];
        let pid = Pid::from_child(&child);
        let ended = happenings.clone();
        thread::spawn(move || {
            let code = reap(pid);
            // Its last lines come before its end, unless an orphan of it keeps the pipe open.
            for reader in readers.into_iter().flatten() {
                let patience = std::time::Instant::now() + Duration::from_secs(1);
                while !reader.is_finished() && std::time::Instant::now() < patience {
                    thread::sleep(Duration::from_millis(10));
                }
            }
            // The receiver is gone only when the program ends.
            let _ = ended.send(Happening::Ended(code));
        });
        Ok(Self(pid))
    }

    /// Asks it to end, as the kubelet would.
    pub fn terminate(self) {
        // It may be gone already.
        let _ = kill_process(self.0, Signal::TERM);
    }
}

fn listen(output: impl Read + Send + 'static, lines: Sender<Happening>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while matches!(output.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(read) if read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if lines.send(Happening::Line(text)).is_err() {
                return;
            }
        }
    })
}

/// Waits for every child of this process until `pid` ends, and returns its exit code.
fn reap(pid: Pid) -> i32 {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == pid => {
                let signalled = status.terminating_signal().map(|signal| 128 + signal);
                return status.exit_status().or(signalled).unwrap_or(1);
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => {}
            // No child is left: somebody else took its status.
            Err(_) => return 1,
        }
    }
}
