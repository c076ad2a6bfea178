//! Compilation, by default in a child process with limits: the engine does not count denial of service at compile
//! time as a vulnerability, so what a hostile component can make the compiler take is bounded from outside.
//!
//! Artifact: length of the head (u32, little-endian), the head as JSON (manifest, what was judged), the machine code.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::admission::{Manifest, admit};
use super::engine;
use super::error::LoadError;
use super::limited_child::{self, Ended, Order, Task, Unserved};
use super::limits::Limits;
use flowgate_base::error::{Error, Fault, Result};
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
    /// In this process, not optimised and with information for a debugger of native code: for who looks for a mistake in a plugin. The place
    /// of a trap has files and lines, if the component has them.
    ToDebug,
}

/// A component that was admitted and compiled.
pub(super) struct Artifact {
    pub(super) manifest: Manifest,
    /// The digest of the config schemas that were found right.
    pub(super) schemas_judged: Option<String>,
    pub(super) machine_code: Vec<u8>,
}

impl Artifact {
    /// Encodes it.
    ///
    /// # Errors
    /// The head cannot be written as JSON: our mistake.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let head = serde_json::to_vec(&(&self.manifest, &self.schemas_judged))
            .map_err(|e| Error::internal(format!("the head of an artifact cannot be written: {e}")))?;
        let mut bytes = Vec::with_capacity(4 + head.len() + self.machine_code.len());
        bytes.extend_from_slice(&(head.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&self.machine_code);
        Ok(bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (head, machine_code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let (manifest, schemas_judged) = serde_json::from_slice(head).ok()?;
        Some(Artifact { manifest, schemas_judged, machine_code: machine_code.to_vec() })
    }
}

/// Admits and compiles a component.
///
/// # Errors
/// The component is refused, and would be every time: the user's fault. Or the machine fails: the next time may go better.
pub(super) fn compile(component: &[u8], limits: &Limits, compile_in: &CompileIn) -> Result<Artifact> {
    match compile_in {
        CompileIn::ThisProcess | CompileIn::ToDebug => build(component, limits, compile_in),
        CompileIn::Child(exe) => in_child(component, limits, exe),
    }
}

fn build(component: &[u8], limits: &Limits, compile_in: &CompileIn) -> Result<Artifact> {
    let (component, manifest) = admit(component, limits).map_err(LoadError::NotAdmitted)?;
    let machine_code = engine::to_compile(limits, compile_in)?
        .precompile_component(&component)
        .map_err(|e| LoadError::NotAdmitted(format!("does not compile: {}", one_line(&format!("{e:#}"), 2_000))))?;
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
    pub(super) fn serve(&self, component: &[u8]) -> std::result::Result<Vec<u8>, Unserved> {
        let limits = Limits {
            component_bytes_max: self.component_bytes_max,
            nested_modules_max: self.nested_modules_max,
            stack_bytes_max: self.stack_bytes_max,
            ..Limits::default()
        };
        build(component, &limits, &CompileIn::ThisProcess).and_then(|artifact| artifact.to_bytes()).map_err(|error| {
            match error.fault() {
                Fault::User => Unserved::Refused(error.message),
                Fault::External => Unserved::Hindered(error.message),
                Fault::Internal => Unserved::Broken(error.message),
            }
        })
    }
}

fn in_child(component: &[u8], limits: &Limits, exe: &Path) -> Result<Artifact> {
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
    let too_much = |message: String| Err(LoadError::CompileLimit(message).into());
    let failed = |message: String| Err(LoadError::Machine(message).into());
    match limited_child::run(exe, &order, component, wall, answer_max)? {
        Ended::Answered(artifact) => {
            Artifact::from_bytes(&artifact).ok_or_else(|| Error::internal("the compiler returned a broken artifact"))
        }
        Ended::Refused(message) => Err(LoadError::NotAdmitted(message).into()),
        Ended::ProcessorTime => {
            too_much(format!("took more than {} s of processor time to compile", limits.compile_cpu_s_max))
        }
        Ended::Memory => {
            too_much(format!("took more than {} of memory to compile", Bytes(limits.compile_memory_bytes_max)))
        }
        Ended::TooLarge => too_much(format!("compiles to more than {} of machine code", Bytes(answer_max))),
        Ended::Crashed(how) => too_much(format!("makes the compiler crash ({how})")),
        // Another time the machine may be less busy.
        Ended::WallTime => failed(format!("took longer than {} s to compile", limits.compile_wall_s_max)),
        Ended::Killed => failed("the process that compiles was killed, perhaps for lack of memory".into()),
        Ended::Silent(code) => {
            failed(format!("the process that compiles ended without an answer (exit code {code:?})"))
        }
    }
}
