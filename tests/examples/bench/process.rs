//! A server as a child process: started on a folder, asked until it answers, looked at from outside by what the kernel knows of it,
//! and stopped in good order.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use http_body_util::Full;
use tokio::process::{Child, Command};

use crate::client::{Request, Result, ask_once};

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions whether it answers, so start-up is known to about as much.
const BETWEEN: Duration = Duration::from_millis(2);
/// In which the kernel counts the time of processes: `USER_HZ`, which is 100 wherever Linux runs on the processors that
/// we build for.
const TICKS_PER_SECOND: f64 = 100.0;
/// Of the log of a server that did not start so much is shown.
const SHOWN_BYTES: usize = 2_000;

/// A server that runs. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How long it took until it answered.
    pub(crate) start_up: Duration,
}

impl Process {
    /// Starts a command that listens on this address, its output going to a file, and waits until it answers at a path.
    pub(crate) async fn start(mut command: Command, address: SocketAddr, path: &str, log: &Path) -> Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).kill_on_drop(true);
        let began = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("{:?}: {error}", command.as_std().get_program()))?;
        let question: Request = http::Request::get(path).header("host", address.to_string()).body(Full::default())?;
        while ask_once(address, &question).await.is_err() {
            let ended = child.try_wait()?;
            if ended.is_some() || began.elapsed() > PATIENCE {
                let state = ended.map_or_else(|| "does not answer".to_owned(), |status| format!("ended: {status}"));
                return Err(format!("{:?} {state}\n{}", command.as_std().get_program(), end_of(log)).into());
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(Self { child, address, start_up: began.elapsed() })
    }

    /// The seconds of CPU that it used so far, in all its threads, to a hundredth.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let text = std::fs::read_to_string(self.file("stat")?)?;
        ticks(&text).map(|ticks| ticks as f64 / TICKS_PER_SECOND).ok_or_else(|| "/proc tells no time of CPU".into())
    }

    /// The memory that it has, in megabytes.
    pub(crate) fn memory_megabytes(&self) -> Result<f64> {
        let text = std::fs::read_to_string(self.file("status")?)?;
        resident(&text).map(|kilobytes| kilobytes as f64 / 1_000.0).ok_or_else(|| "/proc tells no memory".into())
    }

    fn file(&self, name: &str) -> Result<PathBuf> {
        let id = self.child.id().ok_or("the server has ended")?;
        Ok(PathBuf::from(format!("/proc/{id}/{name}")))
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.child.id().ok_or("the server has ended by itself")?.to_string();
        Command::new("kill").args(["-TERM", &id]).status().await?;
        if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// An address at which nobody listens.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn end_of(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(SHOWN_BYTES)..]).into_owned()
}

/// The ticks of a process in its own code and in the kernel, of what `/proc/PID/stat` says. Its second word is the name of the
/// program in brackets, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut words = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?)
}

/// The resident memory in kilobytes, of what `/proc/PID/status` says.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    // It says kB and means 1,024 bytes.
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1_024 / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 5 0 250 50 0 0 20 0 9 0 100 1000000 200";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(resident("Name:\tx\nVmRSS:\t  125000 kB\nThreads:\t3\n"), Some(128_000));
        assert_eq!((ticks("42 (a"), resident("")), (None, None));
    }

    #[test]
    fn it_is_told_of_this_process_too() {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap();
        assert!(ticks(&read("stat")).is_some());
        assert!(resident(&read("status")).unwrap() > 100);
    }
}
