//! What the kernel knows about a process: memory and CPU time, from /proc.

use std::fs;
use std::time::Duration;

use crate::run::{Context as _, Outcome};

/// A process that is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Process {
    pid: u32,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Resident memory (VmRSS).
    pub(crate) fn resident_kb(self) -> Outcome<f64> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).context(&path)?;
        resident(&status).ok_or(format!("{path} has no VmRSS"))
    }

    /// CPU time of all its threads since its start, user and system. To the nanosecond, where `utime` and `stime` have
    /// hundredths of a second. Threads that have ended are not in it; the programs measured here keep theirs.
    pub(crate) fn cpu(self) -> Outcome<Duration> {
        let folder = format!("/proc/{}/task", self.pid);
        let nanoseconds = fs::read_dir(&folder)
            .context(&folder)?
            // A thread may end between being listed and being read.
            .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
            .filter_map(|schedstat| on_cpu(&schedstat))
            .reduce(|one, other| one + other);
        nanoseconds.map(Duration::from_nanos).ok_or(format!("{folder} names no thread"))
    }
}

fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Nanoseconds on a CPU: the first number of a thread's `schedstat`.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_cpu_time_are_found_in_the_texts_of_the_kernel() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    7340 kB\nThreads:\t2\n"), Some(7340.0));
        assert_eq!(resident("Name:\tx\n"), None);
        assert_eq!(on_cpu("1234567 89 10\n"), Some(1_234_567));
        assert_eq!(on_cpu(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory_and_time() {
        let this = Process::new(std::process::id());
        assert!(this.resident_kb().unwrap() > 100.0);
        assert!(this.cpu().unwrap() > Duration::ZERO);
    }
}
