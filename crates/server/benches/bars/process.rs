//! Child processes: the product's commands, timed, with their peak memory; a server that ends with its owner.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How often a running child's peak memory is read.
const WATCH_INTERVAL: Duration = Duration::from_millis(20);

/// What a command took.
pub struct Cost {
    pub seconds: f64,
    pub peak_mib: f64,
}

/// The product's command line on a data folder, with results as JSON.
pub fn leadscore(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leadscore"));
    command.arg("--data").arg(data).arg("--json").stdin(Stdio::null());
    command
}

/// Runs a command to its end, which must be a good one; its results go to `into`.
pub fn run(command: &mut Command) -> (Cost, serde_json::Value) {
    let started = Instant::now();
    let output = tempfile::NamedTempFile::new().expect("a temporary file");
    let sink = output.reopen().expect("a second handle");
    let mut child = command.stdout(sink).spawn().expect("the command starts");
    let mut peak_kib = 0;
    let status: ExitStatus = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        peak_kib = peak_kib.max(peak_memory_kib(child.id()).unwrap_or(0));
        std::thread::sleep(WATCH_INTERVAL);
    };
    let cost = Cost { seconds: started.elapsed().as_secs_f64(), peak_mib: peak_kib as f64 / 1024.0 };
    let text = std::fs::read_to_string(output.path()).expect("results are text");
    assert!(status.success(), "{command:?} ended with {status}: {text}");
    (cost, serde_json::from_str(&text).unwrap_or(serde_json::Value::Null))
}

/// `VmHWM` of a running process: the most memory that it ever held.
pub fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A server in a process of its own; killed when dropped.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    /// Starts it and waits for the line on standard output that says where it listens: the last word that
    /// begins with `http://`.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let address = loop {
            let line = lines.next().expect("the server says where it listens").expect("text");
            if let Some((_, rest)) = line.split_once("http://") {
                let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c))).unwrap_or(rest.len());
                break rest[..end].to_owned();
            }
        };
        // Goes on reading, so that the server never waits for its reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// The most memory that it held so far.
    pub fn peak_mib(&self) -> f64 {
        peak_memory_kib(self.child.id()).unwrap_or(0) as f64 / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
