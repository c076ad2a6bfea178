//! Compilation, by default in a child process with limits: the engine does not count denial of service at compile
//! time as a vulnerability, so what a hostile component can make the compiler take is bounded from outside.
//!
//! The child is this executable with one hidden argument. It reads a line of JSON ([`Order`]) and the component from
//! its standard input and writes one byte (0 = built, 1 = refused) and the artifact or the message to its output.
//!
//! Artifact: length of the manifest (u32, little-endian), the manifest as JSON, the machine code.

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::admission::{Manifest, admit};
use super::engine;
use super::limits::Limits;
use super::message::sanitise;
use crate::error::{Error, Result};
use crate::job::quantity::Bytes;

/// The hidden argument.
pub const CHILD_ARGUMENT: &str = "compile-component";

/// Where components are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileIn {
    /// In a child process with limits: this executable must be `flowgate`, or handle [`CHILD_ARGUMENT`] as it does.
    Child(PathBuf),
    /// In this process: for programs that embed Flowgate and trust their plugins' authors, and for tests.
    ThisProcess,
}

/// A component that was admitted and compiled.
pub(super) struct Artifact {
    pub(super) manifest: Manifest,
    pub(super) machine_code: Vec<u8>,
}

impl Artifact {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let manifest = serde_json::to_vec(&self.manifest).unwrap_or_default();
        let mut bytes = Vec::with_capacity(4 + manifest.len() + self.machine_code.len());
        bytes.extend_from_slice(&(manifest.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&manifest);
        bytes.extend_from_slice(&self.machine_code);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (manifest, machine_code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Artifact { manifest: serde_json::from_slice(manifest).ok()?, machine_code: machine_code.to_vec() })
    }
}

/// Admits and compiles a component. The error says what is wrong with it.
pub(super) fn compile(component: &[u8], limits: &Limits, compile_in: &CompileIn) -> Result<Artifact> {
    match compile_in {
        CompileIn::ThisProcess => build(component, limits).map_err(Error::user),
        CompileIn::Child(exe) => in_child(component, limits, exe),
    }
}

fn build(component: &[u8], limits: &Limits) -> std::result::Result<Artifact, String> {
    let (component, manifest) = admit(component, limits)?;
    let engine = engine::to_compile(limits).map_err(|e| e.message)?;
    let machine_code = engine
        .precompile_component(&component)
        .map_err(|e| format!("does not compile: {}", sanitise(&format!("{e:#}"), 2_000)))?;
    Ok(Artifact { manifest, machine_code })
}

/// An order is one line of a few numbers.
const ORDER_BYTES_MAX: u64 = 4_096;

/// What the parent tells the child, on one line.
#[derive(Serialize, Deserialize)]
struct Order {
    component_bytes: usize,
    component_bytes_max: usize,
    nested_modules_max: usize,
    stack_bytes_max: usize,
    memory_bytes_max: u64,
    cpu_s_max: u64,
}

fn in_child(component: &[u8], limits: &Limits, exe: &Path) -> Result<Artifact> {
    let order = Order {
        component_bytes: component.len(),
        component_bytes_max: limits.component_bytes_max,
        nested_modules_max: limits.nested_modules_max,
        stack_bytes_max: limits.stack_bytes_max,
        memory_bytes_max: limits.compile_memory_bytes_max,
        cpu_s_max: limits.compile_cpu_s_max,
    };
    let mut input = serde_json::to_vec(&order).map_err(|e| Error::internal(e.to_string()))?;
    input.push(b'\n');
    let cannot = |e: &std::io::Error| Error::io(format!("cannot compile with {}", exe.display()), e);
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
    let answer_max = limits.machine_code_bytes_max as u64;
    let (answer, timed_out) = thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                // A child that died early does not read; its status says so.
                let _ = stdin.write_all(&input).and_then(|()| stdin.write_all(component));
            }
        });
        let (sender, receiver) = channel();
        scope.spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.map_or(Ok(0), |stdout| stdout.take(answer_max + 1).read_to_end(&mut answer));
            drop(sender.send(read.map(|_| answer)));
        });
        let answer = receiver.recv_timeout(Duration::from_secs(limits.compile_wall_s_max));
        let timed_out = matches!(answer, Err(RecvTimeoutError::Timeout));
        if timed_out || matches!(&answer, Ok(Ok(bytes)) if bytes.len() as u64 > answer_max) {
            // Fails only where the child is gone already.
            let _ = child.kill();
        }
        (answer.unwrap_or_else(|_| Ok(Vec::new())), timed_out)
    });
    let status = child.wait().map_err(|e| cannot(&e))?;
    if timed_out {
        return Err(Error::user(format!("took longer than {} s to compile", limits.compile_wall_s_max)));
    }
    let answer = answer.map_err(|e| cannot(&e))?;
    if answer.len() as u64 > answer_max {
        return Err(Error::user(format!("compiles to more than {} of machine code", Bytes(answer_max))));
    }
    match answer.split_first() {
        Some((0, artifact)) if status.success() => {
            Artifact::from_bytes(artifact).ok_or_else(|| Error::internal("the compiler gave a broken artifact"))
        }
        Some((1, message)) if status.success() => Err(Error::user(String::from_utf8_lossy(message))),
        _ => Err(ended(status, limits)),
    }
}

/// What a child's end without an answer means.
fn ended(status: ExitStatus, limits: &Limits) -> Error {
    use std::os::unix::process::ExitStatusExt;
    let memory = Bytes(limits.compile_memory_bytes_max);
    match status.signal() {
        // SIGXCPU, and SIGKILL at the hard limit.
        Some(24 | 9) => {
            Error::user(format!("took more than {} s of processor time to compile", limits.compile_cpu_s_max))
        }
        // SIGABRT: memory that could not be had.
        Some(6) => Error::user(format!("took more than {memory} of memory to compile")),
        Some(signal) => Error::user(format!("makes the compiler crash (signal {signal})")),
        None => match status.code() {
            Some(101) => Error::user("makes the compiler crash"),
            code => Error::external(format!("the compiler process ended without an answer (exit code {code:?})")),
        },
    }
}

/// The child's whole life: what `flowgate compile-component` runs.
pub fn child_main() -> ExitCode {
    let answer = match serve(&mut std::io::stdin().lock()) {
        Ok(artifact) => [&[0], artifact.to_bytes().as_slice()].concat(),
        Err(message) => [&[1], message.as_bytes()].concat(),
    };
    match std::io::stdout().lock().write_all(&answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(input: &mut impl BufRead) -> std::result::Result<Artifact, String> {
    let mut line = Vec::new();
    input.take(ORDER_BYTES_MAX).read_until(b'\n', &mut line).map_err(|e| format!("cannot be read: {e}"))?;
    let order: Order = serde_json::from_slice(&line).map_err(|e| e.to_string())?;
    limit_this_process(&order)?;
    let mut component = Vec::with_capacity(order.component_bytes.min(order.component_bytes_max + 1));
    let max = order.component_bytes_max as u64 + 1;
    input.take(max).read_to_end(&mut component).map_err(|e| format!("cannot be read: {e}"))?;
    let limits = Limits {
        component_bytes_max: order.component_bytes_max,
        nested_modules_max: order.nested_modules_max,
        stack_bytes_max: order.stack_bytes_max,
        ..Limits::default()
    };
    build(&component, &limits)
}

/// Set before the first hostile byte is read; a process cannot raise its own limits again.
fn limit_this_process(order: &Order) -> std::result::Result<(), String> {
    let limits = [
        (Resource::As, order.memory_bytes_max),
        (Resource::Cpu, order.cpu_s_max),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, 16),
    ];
    for (resource, max) in limits {
        setrlimit(resource, Rlimit { current: Some(max), maximum: Some(max) })
            .map_err(|e| format!("the compiler process cannot limit itself: {e}"))?;
    }
    Ok(())
}
