//! Compilation, by default in a child process with limits: the engine does not count denial of service at compile
//! time as a vulnerability, so what a hostile component can make the compiler take is bounded from outside.
//!
//! Artifact: length of the head (u32, little-endian), the head as JSON (manifest, what was judged), the machine code.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::admission::{Manifest, admit};
use super::engine;
use super::limited_child::{self, Ended, Order, Task};
use super::limits::Limits;
use flowgate_base::error::Error;
use flowgate_base::quantity::Bytes;
use flowgate_base::shown::one_line;

/// Where components are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompileIn {
    /// In a child process with limits: this executable must be `flowgate`, or handle
    /// [`CHILD_ARGUMENT`](super::CHILD_ARGUMENT) as it does.
    Child(PathBuf),
    /// In this process: for programs that embed Flowgate and trust their plugins' authors, and for tests.
    ThisProcess,
}

/// A component that was admitted and compiled.
pub(super) struct Artifact {
    pub(super) manifest: Manifest,
    /// The digest of the config schemas that were found right.
    pub(super) schemas_judged: Option<String>,
    pub(super) machine_code: Vec<u8>,
}

impl Artifact {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let head = serde_json::to_vec(&(&self.manifest, &self.schemas_judged)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(4 + head.len() + self.machine_code.len());
        bytes.extend_from_slice(&(head.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&self.machine_code);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (head, machine_code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let (manifest, schemas_judged) = serde_json::from_slice(head).ok()?;
        Some(Artifact { manifest, schemas_judged, machine_code: machine_code.to_vec() })
    }
}

/// Why a component has no machine code.
pub(super) enum NotCompiled {
    /// It is at fault, and would be every time.
    Refused(String),
    /// Something else is; the next time may go better.
    Failed(Error),
}

impl From<NotCompiled> for Error {
    fn from(not: NotCompiled) -> Self {
        match not {
            NotCompiled::Refused(message) => Error::new(&crate::code::USER, message),
            NotCompiled::Failed(error) => error,
        }
    }
}

/// Admits and compiles a component. The error says what is wrong with it.
pub(super) fn compile(
    component: &[u8],
    limits: &Limits,
    compile_in: &CompileIn,
) -> std::result::Result<Artifact, NotCompiled> {
    match compile_in {
        CompileIn::ThisProcess => build(component, limits).map_err(NotCompiled::Refused),
        CompileIn::Child(exe) => in_child(component, limits, exe),
    }
}

fn build(component: &[u8], limits: &Limits) -> std::result::Result<Artifact, String> {
    let (component, manifest) = admit(component, limits)?;
    let engine = engine::to_compile(limits).map_err(|e| e.message)?;
    let machine_code = engine
        .precompile_component(&component)
        .map_err(|e| format!("does not compile: {}", one_line(&format!("{e:#}"), 2_000)))?;
    Ok(Artifact { manifest, schemas_judged: None, machine_code })
}

/// What the child needs to know to compile.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CompileTask {
    component_bytes_max: usize,
    nested_modules_max: usize,
    stack_bytes_max: usize,
}

impl CompileTask {
    /// The child's side: the artifact, or what is wrong with the component.
    pub(super) fn serve(&self, component: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let limits = Limits {
            component_bytes_max: self.component_bytes_max,
            nested_modules_max: self.nested_modules_max,
            stack_bytes_max: self.stack_bytes_max,
            ..Limits::default()
        };
        build(component, &limits).map(|artifact| artifact.to_bytes())
    }
}

fn in_child(component: &[u8], limits: &Limits, exe: &Path) -> std::result::Result<Artifact, NotCompiled> {
    let order = Order {
        task: Task::Compile(CompileTask {
            component_bytes_max: limits.component_bytes_max,
            nested_modules_max: limits.nested_modules_max,
            stack_bytes_max: limits.stack_bytes_max,
        }),
        input_bytes: component.len(),
        memory_bytes_max: limits.compile_memory_bytes_max,
        cpu_s_max: limits.compile_cpu_s_max,
    };
    let wall = Duration::from_secs(limits.compile_wall_s_max);
    let answer_max = limits.machine_code_bytes_max as u64;
    let refused = |message: String| Err(NotCompiled::Refused(message));
    let failed = |error: Error| Err(NotCompiled::Failed(error));
    match limited_child::run(exe, &order, component, wall, answer_max).map_err(NotCompiled::Failed)? {
        Ended::Answered(artifact) => Artifact::from_bytes(&artifact)
            .ok_or_else(|| NotCompiled::Failed(Error::internal("the compiler gave a broken artifact"))),
        Ended::Refused(message) => refused(message),
        Ended::ProcessorTime => {
            refused(format!("took more than {} s of processor time to compile", limits.compile_cpu_s_max))
        }
        Ended::Memory => {
            refused(format!("took more than {} of memory to compile", Bytes(limits.compile_memory_bytes_max)))
        }
        Ended::TooLarge => refused(format!("compiles to more than {} of machine code", Bytes(answer_max))),
        Ended::Crashed(how) => refused(format!("makes the compiler crash ({how})")),
        // Another time the machine may be less busy.
        Ended::WallTime => failed(Error::new(
            &crate::code::USER,
            format!("took longer than {} s to compile", limits.compile_wall_s_max),
        )),
        Ended::Killed => failed(Error::new(
            &crate::code::EXTERNAL,
            "the process that compiles was killed, perhaps for lack of memory",
        )),
        Ended::Silent(code) => failed(Error::new(
            &crate::code::EXTERNAL,
            format!("the process that compiles ended without an answer (exit code {code:?})"),
        )),
    }
}
