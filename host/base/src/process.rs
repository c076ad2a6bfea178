//! What the kernel says of this process, and of others: processor time and memory, from the files of `/proc` (proc(5)). Where they cannot be read, as in a
//! confined process or on another system, there is no figure.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Nanoseconds of a clock tick in `/proc`: `USER_HZ` is 100 on every architecture that Flowgate runs on (time(7)).
const TICK: Duration = Duration::from_millis(10);

/// A thread of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadId(u32);

/// Memory of this process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Pages in memory, the shared ones included.
    pub resident_bytes: u64,
    /// The same, each shared page divided by the number of processes that share it. Summed over processes, it is what they take.
    pub proportional_bytes: u64,
}

/// Returns the calling thread.
pub fn this_thread() -> Option<ThreadId> {
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok().map(ThreadId)
}

/// Returns the processor time of this process, in user and kernel mode, its ended threads included.
pub fn cpu_time() -> Option<Duration> {
    cpu_time_of(&read("/proc/self/stat".as_ref())?)
}

/// Returns the processor time of a thread.
pub fn thread_cpu_time(thread: ThreadId) -> Option<Duration> {
    let folder = Path::new("/proc/self/task").join(thread.0.to_string());
    let nanos = read(&folder.join("schedstat")).and_then(|text| text.split(' ').next()?.parse().ok());
    match nanos {
        Some(nanos) => Some(Duration::from_nanos(nanos)),
        // A kernel without scheduler statistics.
        None => cpu_time_of(&read(&folder.join("stat"))?),
    }
}

/// Returns the resident memory, in bytes. It costs some microseconds.
pub fn resident_bytes() -> Option<u64> {
    kilobytes(&read("/proc/self/status".as_ref())?, "VmRSS:")
}

/// Returns the memory. The kernel walks all pages of the process: it costs milliseconds.
pub fn memory() -> Option<Memory> {
    memory_in("/proc/self".as_ref())
}

/// Returns the processor time of another process, as [`cpu_time`] does; `None` if it has ended.
pub fn cpu_time_of_process(pid: u32) -> Option<Duration> {
    cpu_time_of(&read(&folder_of(pid).join("stat"))?)
}

/// Returns the memory of another process, as [`memory`] does; `None` if it has ended.
pub fn memory_of_process(pid: u32) -> Option<Memory> {
    memory_in(&folder_of(pid))
}

fn folder_of(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

fn memory_in(folder: &Path) -> Option<Memory> {
    let text = read(&folder.join("smaps_rollup"))?;
    Some(Memory { resident_bytes: kilobytes(&text, "Rss:")?, proportional_bytes: kilobytes(&text, "Pss:")? })
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Fields 14 and 15 of `stat`. The second is a name in brackets, which may have blanks and brackets in it.
fn cpu_time_of(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace().skip(11);
    // A field that is no number is of a kernel that this does not know: there is no figure.
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * ticks()?.checked_add(ticks()?)?)
}

fn kilobytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_look_like_fields() {
        let stat = "7 (a) 9 9 9 (b) R 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 100";
        assert_eq!(cpu_time_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_time_of("7 (a) R"), None);
    }

    #[test]
    fn fields_are_in_kilobytes() {
        assert_eq!(kilobytes("Rss:  12 kB\nPss:\t 8 kB\nPss_Anon: 4 kB", "Pss:"), Some(8_192));
        assert_eq!(kilobytes("Rss: 12", "Rss:"), None);
    }

    /// Goal: a thread that works is seen to work. Method: it works until its time has grown.
    #[test]
    #[cfg(target_os = "linux")]
    fn work_takes_processor_time() {
        let me = this_thread().unwrap();
        let (thread, process) = (thread_cpu_time(me).unwrap(), cpu_time().unwrap());
        let mut sum = 0_u64;
        while thread_cpu_time(me).unwrap() < thread + 2 * TICK || cpu_time().unwrap() < process + TICK {
            sum = std::hint::black_box((0..10_000).fold(sum, u64::wrapping_add));
        }
        let memory = memory().unwrap();
        assert!(memory.proportional_bytes > 0 && memory.proportional_bytes <= memory.resident_bytes);
        assert!(resident_bytes().unwrap() > 0);
    }
}
