//! Work on what a plugin brings, in a child process whose memory and time are limited from outside: compiling, and judging
//! schemas. What it can make a compiler or a validator take is not known beforehand. The child has no files, sockets or
//! processes: what breaks a compiler has nowhere to go.
//!
//! The child is this executable with one hidden argument. It reads a line of JSON ([`Order`]) and the input from its standard
//! input, and writes one byte (0 = answered; otherwise why not, as [`Unserved`] has it) and the answer or the message to its
//! standard output.

use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::compile::CompileTask;
use super::error::LoadError;
use super::judge::JudgeTask;
use flowgate_base::error::{Error, Result};
use flowgate_confine::Confinement;

/// The hidden argument.
pub const CHILD_ARGUMENT: &str = "limited-child";

/// An order is one line of a few numbers.
const ORDER_BYTES_MAX: u64 = 4_096;

const ANSWERED: u8 = 0;
const REFUSED: u8 = 1;
const HINDERED: u8 = 2;
const BROKEN: u8 = 3;

/// Why a child has no answer.
#[derive(Debug)]
pub(super) enum Unserved {
    /// The input is at fault.
    Refused(String),
    /// The system does not let the child read or limit itself.
    Hindered(String),
    /// A mistake in Flowgate.
    Broken(String),
}

/// What the parent orders, on one line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) task: Task,
    /// Bytes of the input, which follows the line.
    pub(super) input_bytes: usize,
    /// Address space of the child.
    pub(super) memory_bytes_max: u64,
    /// Processor time of the child.
    pub(super) cpu_s_max: u64,
}

/// What a child does.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    Compile(CompileTask),
    Judge(JudgeTask),
}

impl Task {
    fn serve(&self, input: &[u8]) -> std::result::Result<Vec<u8>, Unserved> {
        match self {
            Task::Compile(task) => task.serve(input),
            Task::Judge(task) => task.serve(input),
        }
    }
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Answered(Vec<u8>),
    /// It says what is wrong with the input.
    Refused(String),
    ProcessorTime,
    WallTime,
    Memory,
    /// The answer is larger than it may be.
    TooLarge,
    /// By its own doing.
    Crashed(String),
    /// By somebody else's.
    Killed,
    /// With this exit code and no answer.
    Silent(Option<i32>),
}

/// Has a child do what the order says.
///
/// # Errors
/// The child cannot be started or read from, or the system hinders it: the outside world's fault. Or the child has found a
/// mistake in Flowgate.
pub(super) fn run(exe: &Path, order: &Order, input: &[u8], wall: Duration, answer_bytes_max: u64) -> Result<Ended> {
    let mut line = serde_json::to_vec(order).map_err(|e| Error::internal(e.to_string()))?;
    line.push(b'\n');
    let cannot = |e: &std::io::Error| Error::io(format!("cannot run {} as a limited child", exe.display()), e);
    // Few threads: each takes address space, of which the child has little. Files that this process has open are
    // closed in the child: Rust's library opens all of them so.
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(4));
    let mut child = Command::new(exe)
        .arg(CHILD_ARGUMENT)
        .env_clear()
        .env("RAYON_NUM_THREADS", threads.to_string())
        // The allocator takes memory as it needs it: what it would reserve ahead counts as taken.
        .env("MIMALLOC_ARENA_RESERVE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| cannot(&e))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (answer, timed_out) = thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // A child that died early does not read; its status says so.
                let _ = stdin.write_all(&line).and_then(|()| stdin.write_all(input));
            }
        });
        let (sender, receiver) = channel();
        scope.spawn(move || {
            let mut answer = Vec::new();
            // The first byte is not the answer's.
            let read = stdout.map_or(Ok(0), |stdout| stdout.take(answer_bytes_max + 2).read_to_end(&mut answer));
            drop(sender.send(read.map(|_| answer)));
        });
        let answer = receiver.recv_timeout(wall);
        let timed_out = matches!(answer, Err(RecvTimeoutError::Timeout));
        if timed_out || matches!(&answer, Ok(Ok(bytes)) if bytes.len() as u64 > answer_bytes_max + 1) {
            // Fails only where the child is gone already.
            let _ = child.kill();
        }
        (answer.unwrap_or_else(|_| Ok(Vec::new())), timed_out)
    });
    let status = child.wait().map_err(|e| cannot(&e))?;
    if timed_out {
        return Ok(Ended::WallTime);
    }
    let answer = answer.map_err(|e| cannot(&e))?;
    if answer.len() as u64 > answer_bytes_max + 1 {
        return Ok(Ended::TooLarge);
    }
    Ok(match answer.split_first() {
        Some((&ANSWERED, answer)) if status.success() => Ended::Answered(answer.to_vec()),
        Some((&kind @ REFUSED..=BROKEN, message)) if status.success() => {
            let message = String::from_utf8_lossy(message).into_owned();
            match kind {
                REFUSED => Ended::Refused(message),
                HINDERED => return Err(LoadError::Machine(message).into()),
                _ => return Err(Error::internal(message)),
            }
        }
        _ => ended(status),
    })
}

/// What a child's end without an answer means.
fn ended(status: ExitStatus) -> Ended {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(SIGXCPU), _) => Ended::ProcessorTime,
        // The allocator aborts where memory cannot be had.
        (Some(SIGABRT), _) => Ended::Memory,
        (Some(SIGKILL), _) => Ended::Killed,
        (Some(signal), _) => Ended::Crashed(format!("signal {signal}")),
        (None, Some(PANICKED)) => Ended::Crashed("panic".into()),
        (None, code) => Ended::Silent(code),
    }
}

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;
/// The exit code of a Rust program whose main thread panics.
const PANICKED: i32 = 101;

/// The child's whole life: what `flowgate limited-child` runs.
pub fn child_main() -> ExitCode {
    let (kind, answer) = match serve(&mut std::io::stdin().lock()) {
        Ok(answer) => (ANSWERED, answer),
        Err(Unserved::Refused(message)) => (REFUSED, message.into_bytes()),
        Err(Unserved::Hindered(message)) => (HINDERED, message.into_bytes()),
        Err(Unserved::Broken(message)) => (BROKEN, message.into_bytes()),
    };
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(&[kind]).and_then(|()| stdout.write_all(&answer)).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(input: &mut impl BufRead) -> std::result::Result<Vec<u8>, Unserved> {
    let unread = |e: std::io::Error| Unserved::Hindered(format!("the limited process cannot read its input: {e}"));
    let mut line = Vec::new();
    input.take(ORDER_BYTES_MAX).read_until(b'\n', &mut line).map_err(unread)?;
    let order: Order = serde_json::from_slice(&line)
        .map_err(|e| Unserved::Broken(format!("the order of a limited process is broken: {e}")))?;
    limit_this_process(&order).map_err(Unserved::Hindered)?;
    let mut given = Vec::new();
    input.take(order.input_bytes as u64).read_to_end(&mut given).map_err(unread)?;
    order.task.serve(&given)
}

/// Set before the first hostile byte is read; a process cannot raise its own limits again.
fn limit_this_process(order: &Order) -> std::result::Result<(), String> {
    let cannot = |e: rustix::io::Errno| format!("the limited process cannot limit itself: {e}");
    // Where its parent is gone, nobody wants the answer.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).map_err(cannot)?;
    // The signal of the lower limit says that it was processor time; that of the higher one could be anybody's.
    let cpu = (Resource::Cpu, order.cpu_s_max, order.cpu_s_max.saturating_add(1));
    let same = |(resource, max)| (resource, max, max);
    let others =
        [(Resource::As, order.memory_bytes_max), (Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, 16)];
    for (resource, current, maximum) in others.map(same).into_iter().chain([cpu]) {
        setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) }).map_err(cannot)?;
    }
    // No files, sockets, processes or machine code; its executable and libraries are loaded already. What an old kernel does not
    // know is not worth a word to the author of a plugin: the node says it at its start.
    let confined = flowgate_confine::apply(&Confinement::default());
    confined.map(drop).map_err(|e| format!("the limited process cannot confine itself: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is not the plugin's fault is not called a refusal, which would be remembered. Method: an order that is none.
    #[test]
    fn a_broken_order_is_our_mistake() {
        let answer = serve(&mut &b"no order\n"[..]);
        assert!(matches!(&answer, Err(Unserved::Broken(message)) if message.contains("order")), "{answer:?}");
    }
}
