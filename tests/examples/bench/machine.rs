//! What was measured on: figures mean nothing without it. And whether the machine had something else to do.

use std::io::{Seek, Write};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::client::Result;
use crate::statistics::Measure;

/// More than this of running work before anything was started is a busy machine.
const BUSY: f64 = 0.3;
/// Writes of the probe of the disk.
const WRITES: usize = 200;

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// How many threads run at once.
    pub(crate) cores: usize,
    /// The model of the processor.
    pub(crate) model: String,
    /// Memory in megabytes.
    pub(crate) memory_megabytes: u64,
    /// The version of Linux.
    pub(crate) linux: String,
    /// The file system of the data folders.
    pub(crate) file_system: String,
    /// What a write of 4 KB costs until it is on the disk, in milliseconds: the median of some.
    pub(crate) sync_ms: f64,
    /// How much work was running in the minute before.
    pub(crate) load_before: f64,
}

impl Machine {
    /// Looks at it, and writes a little to the folder.
    pub(crate) fn look(folder: &Path) -> Result<Self> {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            model: member(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
            memory_megabytes: memory(&read("/proc/meminfo")).unwrap_or_default(),
            linux: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/self/mounts"), &folder.canonicalize()?),
            sync_ms: sync(folder)?,
            load_before: load(&read("/proc/loadavg")).unwrap_or_default(),
        })
    }

    /// In a line.
    pub(crate) fn line(&self) -> String {
        let Self { cores, model, memory_megabytes, linux, file_system, sync_ms, .. } = self;
        let gigabytes = *memory_megabytes as f64 / 1_000.0;
        format!(
            "{cores} cores of {model}, {gigabytes:.0} GB, Linux {linux}, {file_system}, 4 KB on the disk after {sync_ms:.2} ms"
        )
    }

    /// What makes its figures doubtful.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.load_before > BUSY {
            let load = self.load_before;
            doubts.push(format!(
                "The machine had other work (load {load:.2} before the run): these figures are no measurement."
            ));
        }
        if matches!(self.file_system.as_str(), "tmpfs" | "ramfs") {
            doubts.push("The data folders are in memory: no write was durable.".to_owned());
        }
        doubts
    }
}

/// What a line `name : value` says.
fn member(text: &str, name: &str) -> Option<String> {
    let of_line = |line: &str| {
        let (known, value) = line.split_once(':')?;
        (known.trim() == name).then(|| value.trim().to_owned())
    };
    text.lines().find_map(of_line)
}

fn memory(meminfo: &str) -> Option<u64> {
    let kibibytes: u64 = member(meminfo, "MemTotal")?.split(' ').next()?.parse().ok()?;
    Some(kibibytes * 1_024 / 1_000_000)
}

fn load(loadavg: &str) -> Option<f64> {
    loadavg.split(' ').next()?.parse().ok()
}

/// The kind of the file system that is mounted closest above a folder.
fn file_system(mounts: &str, folder: &Path) -> String {
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        folder.starts_with(place).then(|| (place.len(), kind.to_owned()))
    };
    // Of two at one place the later one lies above the other.
    mounts
        .lines()
        .filter_map(mount)
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind)
}

fn sync(folder: &Path) -> Result<f64> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for number in 0..WRITES {
        let began = Instant::now();
        file.seek(std::io::SeekFrom::Start(number as u64 * 4_096))?;
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(Measure::of("ms", times).map_or(0.0, |measure| measure.median))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_of_the_machine_is_read() {
        assert_eq!(member("processor\t: 0\nmodel name\t: A: B @ 2 GHz\n", "model name").unwrap(), "A: B @ 2 GHz");
        assert_eq!(memory("MemTotal:       24000000 kB\nMemFree: 1 kB\n"), Some(24_576));
        assert_eq!(load("0.52 0.40 0.30 1/200 4711\n"), Some(0.52));
    }

    #[test]
    fn the_closest_mount_counts() {
        let mounts = "a / ext4 rw 0 0\nb /data tmpfs rw 0 0\nc /data/deep xfs rw 0 0\nd /data-2 btrfs rw 0 0\n";
        for (folder, kind) in [("/home", "ext4"), ("/data/x", "tmpfs"), ("/data/deep/y", "xfs"), ("/data-2", "btrfs")] {
            assert_eq!(file_system(mounts, Path::new(folder)), kind, "{folder}");
        }
    }

    #[test]
    fn a_busy_machine_and_a_disk_in_memory_are_told() {
        let quiet = Machine {
            cores: 2,
            model: "one".to_owned(),
            memory_megabytes: 8_000,
            linux: "6".to_owned(),
            file_system: "ext4".to_owned(),
            sync_ms: 0.5,
            load_before: 0.1,
        };
        assert!(quiet.doubts().is_empty());
        let busy = Machine { load_before: 2.0, file_system: "tmpfs".to_owned(), ..quiet };
        assert_eq!(busy.doubts().len(), 2);
    }
}
