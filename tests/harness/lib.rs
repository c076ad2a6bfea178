//! The shared parts of the end-to-end tests: the real program as a process, folders with jobs, and the kernel's figures of a
//! process.

mod chance;
mod clock;
mod counter;
mod folder;
mod kernel;
mod lines;
mod process;
mod program;
mod served_node;
mod shell;
mod terminal;
mod wait;

pub use chance::{Chance, seed};
pub use clock::clock_library;
pub use counter::{COUNTED, Counter, counted};
pub use folder::{Appender, Folder};
pub use kernel::{children, cpu_ticks, resident_kib, signal, threads, waits, what_is_left, working_below};
pub use lines::Lines;
pub use process::{Ended, Flowgate, Running};
pub use program::{copy_of_other_version, plugin, program, repository, seconds};
pub use rustix::process::Signal;
pub use served_node::ServedNode;
pub use shell::{in_shell, settings};
pub use terminal::OnTerminal;
pub use wait::{PATIENCE, wait_for, wait_until};
