//! The program file that a process runs: a worker process may run another one than the node, which was upgraded under it.

use std::fs;
use std::hint::black_box;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// The version of this program behind a mark, so that `strings` finds it in a program file that nobody has to run for it.
const MARKED: &str = concat!("flowgate-program/", env!("CARGO_PKG_VERSION"));

/// A program file, as a process that runs it knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// Device, number and time of the file: those of no other file, even if that has replaced it.
    pub file: String,
}

impl Program {
    /// Returns the program of this process; `None` where the system does not say which one that is.
    pub fn own() -> Option<Program> {
        // The link leads to the file itself, also where another one has its name by now.
        let file = fs::metadata("/proc/self/exe").ok()?;
        // The compiler must not take it apart.
        let (_, version) = black_box(MARKED).split_once('/')?;
        let file = format!("{:x}-{:x}-{}.{:09}", file.dev(), file.ino(), file.mtime(), file.mtime_nsec());
        Some(Program { version: version.into(), file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_program() {
        let own = Program::own().unwrap();
        assert_eq!(own.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(Program::own().unwrap(), own);
        let test = fs::metadata(std::env::current_exe().unwrap()).unwrap();
        assert!(own.file.contains(&format!("-{:x}-", test.ino())), "{}", own.file);
    }
}
