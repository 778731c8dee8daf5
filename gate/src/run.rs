//! `run`: the gateway's life in its container.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::Context;
use jiff::{Timestamp, tz::TimeZone};
use signal_hook::{consts::TERM_SIGNALS, iterator::Signals};

use crate::{
    child::{Gateway, Happening},
    cli::Run,
    markers::{self, LoginState},
    policy::{Record, Rules},
    record::RecordFile,
    report::{Login, Shared},
};

/// How often a closed gate looks whether it may open.
const LOOK: Duration = Duration::from_secs(1);

/// The line of IBC's settings that switches its command port off.
const PORT_OFF: &str = "CommandServerPort=0";

/// Copies this program, so that a container of another image can run it.
///
/// # Errors
/// When it cannot be read or written.
pub fn install(to: &Path) -> anyhow::Result<()> {
    let from = std::env::current_exe().context("where this program is")?;
    let partial = to.with_extension("partial");
    fs::copy(&from, &partial).with_context(|| format!("copying to {}", partial.display()))?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))?;
    fs::rename(&partial, to).with_context(|| format!("renaming to {}", to.display()))
}

/// What wakes the gate.
enum Wake {
    Gateway(Happening),
    Terminate,
}

/// Runs the gateway until it ends or the container is stopped, and returns the exit code. While the gate is closed
/// nothing runs, and only a stop ends it.
///
/// # Errors
/// When a directory cannot be used or the command cannot be started.
pub fn run(settings: &Run) -> anyhow::Result<u8> {
    let gate = Gate {
        settings,
        rules: Rules { max_attempts: settings.max_login_attempts, unattended: settings.unattended },
        file: RecordFile::open(settings.state.clone()).context("--state")?,
        shared: Shared::open(settings.shared.clone()).context("--shared")?,
    };
    gate.command_port()?;
    let wakes = terminations()?;
    let mut record = gate.file.read();
    loop {
        if !gate.wait_open(&mut record, &wakes)? {
            return Ok(0);
        }
        let (code, stopped) = gate.live(&mut record, &wakes)?;
        if stopped || record.held.is_none() {
            // The kubelet starts it again, with its own growing pauses.
            return Ok(u8::try_from(code).unwrap_or(1));
        }
    }
}

/// Signals that end the container, in a channel of their own.
fn terminations() -> anyhow::Result<Receiver<()>> {
    let (sender, receiver) = channel();
    let mut signals = Signals::new(TERM_SIGNALS).context("signal handler")?;
    thread::spawn(move || {
        for _ in &mut signals {
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

struct Gate<'a> {
    settings: &'a Run,
    rules: Rules,
    file: RecordFile,
    shared: Shared,
}

impl Gate<'_> {
    /// Switches IBC's command port on where the image's own settings have it off.
    fn command_port(&self) -> anyhow::Result<()> {
        let (Some(template), Some(port)) = (&self.settings.ibc_template, self.settings.command_port) else {
            return Ok(());
        };
        let text = match fs::read_to_string(template) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).context("--ibc-template"),
        };
        // Only this pod may talk to it: it asks for no password.
        let on = format!("CommandServerPort={port}\nBindAddress=127.0.0.1");
        fs::write(template, text.replace(PORT_OFF, &on)).context("--ibc-template")
    }

    /// Waits until the gateway may start. Returns false when the container is stopped instead.
    fn wait_open(&self, record: &mut Record, terminations: &Receiver<()>) -> anyhow::Result<bool> {
        let mut told = false;
        loop {
            let now = Timestamp::now();
            let held = record.held.clone();
            if record.opens(&self.shared.request(), self.slot(record, now), now.as_millisecond()) {
                if held.is_some() {
                    self.file.write(record).context("--state")?;
                }
                return Ok(true);
            }
            if let Some(hold) = held.filter(|_| !told) {
                let how = "ask for a login with the annotation marketstream.io/retry-login or wait for weeklyLogin";
                self.say(&format!("login gate closed: {}; {how}", hold.why));
                self.login(LoginState::Held, hold.since_ms, &hold.why, record);
                told = true;
            }
            match terminations.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return Ok(false),
            }
        }
    }

    fn slot(&self, record: &Record, now: Timestamp) -> bool {
        let since = record.held.as_ref().and_then(|hold| Timestamp::from_millisecond(hold.since_ms).ok());
        let slot = self.settings.weekly_login.zip(since);
        slot.is_some_and(|(slot, since)| slot.began(since, now, &TimeZone::system()))
    }

    /// One life of the gateway: its exit code, and whether the container was stopped.
    fn live(&self, record: &mut Record, terminations: &Receiver<()>) -> anyhow::Result<(i32, bool)> {
        let mut life = record.start();
        // Written before the login begins: a crash in it must not be forgotten.
        self.file.write(record).context("--state")?;
        self.login(LoginState::Started, now_ms(), "the gateway starts", record);
        let (happenings, heard) = channel();
        let gateway = Gateway::start(&self.settings.command, &happenings)?;
        let mut stopped = false;
        loop {
            match next(&heard, terminations) {
                Wake::Terminate => {
                    stopped = true;
                    gateway.terminate();
                }
                Wake::Gateway(Happening::Line(line)) => {
                    println!("{line}");
                    self.shared.log(&line);
                    let Some(state) = markers::read(&line) else { continue };
                    let too_many = record.hear(&mut life, state, self.rules);
                    self.file.write(record).context("--state")?;
                    self.login(state, now_ms(), &line, record);
                    if too_many {
                        self.say("stopping the gateway: another login would risk a lock-out");
                        gateway.terminate();
                    }
                }
                Wake::Gateway(Happening::Ended(code)) => {
                    self.say(&format!("the gateway ended with code {code}"));
                    if !stopped {
                        record.end(life, code, self.rules, now_ms());
                    }
                    self.file.write(record).context("--state")?;
                    return Ok((code, stopped));
                }
            }
        }
    }

    fn login(&self, state: LoginState, at_ms: i64, message: &str, record: &Record) {
        self.shared.login(&Login { state, at_ms, message: message.to_owned(), attempts: record.attempts });
    }

    fn say(&self, text: &str) {
        let line = format!("marketstream-gate: {text}");
        println!("{line}");
        self.shared.log(&line);
    }
}

/// The next thing that happens. Signals are looked for often enough that a stop is not noticeably late.
fn next(heard: &Receiver<Happening>, terminations: &Receiver<()>) -> Wake {
    loop {
        if terminations.try_recv().is_ok() {
            return Wake::Terminate;
        }
        match heard.recv_timeout(Duration::from_millis(50)) {
            Ok(happening) => return Wake::Gateway(happening),
            Err(RecvTimeoutError::Timeout) => {}
            // The reaper always says how it ended; without it there is nothing to wait for.
            Err(RecvTimeoutError::Disconnected) => return Wake::Gateway(Happening::Ended(1)),
        }
    }
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
