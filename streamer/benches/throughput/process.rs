//! Processes that are measured: what they take of CPU and memory, by what Linux says of them.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use anyhow::Context;
use serde::Serialize;

/// The core of what is measured, and the one of everything else.
const CORES: [&str; 2] = ["1", "0"];

const KIB_PER_MIB: f64 = 1024.0;

/// Longest wait for a word of a process.
const PATIENCE: Duration = Duration::from_secs(120);

/// Memory of a process, MiB, by its `/proc/PID/status`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// What is resident (`VmRSS`): the sum of the next two.
    pub resident: f64,
    /// What it has for itself (`RssAnon`): heap, stacks, and what it changed of the program's data.
    pub own: f64,
    /// Pages of the program and its libraries, mapped from their files (`RssFile`): shared with every process of the same
    /// files, and taken back by the kernel when memory is short.
    pub program: f64,
    /// The most that was ever resident (`VmHWM`).
    pub peak: f64,
}

/// A process that ends with this value, and the lines that it says.
pub struct Process(Child, Receiver<String>);

impl Process {
    /// Starts a program on the core that is kept for it.
    pub fn start(program: &Path, prepare: impl FnOnce(&mut Command)) -> anyhow::Result<Self> {
        let mut command = if two_cores() {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", CORES[0]]).arg(program);
            command
        } else {
            Command::new(program)
        };
        prepare(&mut command);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let (sender, lines) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            // It ends with the process.
            thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                lines.map_while(|line| sender.send(line).ok()).for_each(drop);
            });
        }
        Ok(Self(child, lines))
    }

    /// This program, in another role. It says on its standard output how far it is.
    pub fn role(arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start(&std::env::current_exe()?, |command| {
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        })
    }

    /// Waits until it says something.
    pub fn says(&self, wanted: &str) -> anyhow::Result<()> {
        let line =
            self.1.recv_timeout(PATIENCE).with_context(|| format!("{wanted:?} was to come, and nothing came"))?;
        anyhow::ensure!(line == wanted, "{wanted:?} was to come, and {line:?} came");
        Ok(())
    }

    /// CPU time so far, seconds, by the name of the thread.
    pub fn cpu_s(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut threads = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let task = task?.path();
            let name = std::fs::read_to_string(task.join("comm"))?.trim_end().to_owned();
            let text = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos: f64 = text.split_whitespace().next().unwrap_or_default().parse()?;
            *threads.entry(name).or_default() += nanos / 1e9;
        }
        Ok(threads)
    }

    /// Its memory now.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let mib = |name: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
            let kib: f64 = line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").parse()?;
            Ok(kib / KIB_PER_MIB)
        };
        Ok(Memory { resident: mib("VmRSS")?, own: mib("RssAnon")?, program: mib("RssFile")?, peak: mib("VmHWM")? })
    }

    /// Asks it to end in order, and waits until it has.
    pub fn end(mut self) -> anyhow::Result<()> {
        drop(self.0.stdin.take());
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, or the bench gives up on it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has the kernel read a program anew when it is started, as it does on a node. Of a file that was just written it keeps
/// larger pieces in memory, and maps them whole: then 1 to 2 MiB more of the program are resident.
pub fn read_from_disk(program: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::open(program)?;
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

/// Keeps everything that is not measured off the core of what is.
pub fn leave_a_core() -> anyhow::Result<()> {
    if two_cores() {
        let this = std::process::id().to_string();
        Command::new("taskset")
            .args(["--all-tasks", "--pid", "--cpu-list", CORES[1], &this])
            .stdout(Stdio::null())
            .status()?;
    } else {
        println!("no taskset, or a single core: the simulator competes with what is measured");
    }
    Ok(())
}

/// How many threads wanted to run, on average over the last minute.
pub fn load_average() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

fn two_cores() -> bool {
    let taskset = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    taskset.is_ok_and(|status| status.success())
        && std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.matches("processor\t").count() > 1)
}
