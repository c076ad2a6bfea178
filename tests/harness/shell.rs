//! Commands in a shell, as a user types them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::{home, program, runtime};

/// Variables of the user that would change what commands do.
pub(crate) const OF_THE_USER: [&str; 4] =
    ["FLOWGATE_NODE", "FLOWGATE_TOKEN", "FLOWGATE_TENANT", "FLOWGATE_PLUGIN_PATH"];

/// Runs commands in one shell, with the program in the path and settings of its own. Returns what each part printed.
///
/// # Panics
/// If a command fails.
#[track_caller]
pub fn in_shell(folder: &Path, commands: &[String]) -> Vec<String> {
    let printed = |at: usize| folder.join(format!("printed-{at}"));
    let parts = commands.iter().enumerate().map(|(at, text)| format!("exec > {}\n{text}\n", printed(at).display()));
    let script: String = parts.collect();
    let programs = program().parent().expect("a program is in a folder").to_path_buf();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).current_dir(folder).stdin(Stdio::null()).env("PATH", path);
    shell.env("XDG_CONFIG_HOME", settings(folder)).env("FLOWGATE_HOME", home()).env("XDG_RUNTIME_DIR", runtime());
    for name in OF_THE_USER {
        shell.env_remove(name);
    }
    let ended = shell.output().expect("there is a shell");
    let printed: Vec<String> =
        (0..commands.len()).map(|at| fs::read_to_string(printed(at)).unwrap_or_default()).collect();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}\n{said}\n{}", ended.status, printed.join("\n"));
    printed
}

/// Where commands in this folder keep a login.
pub fn settings(folder: &Path) -> PathBuf {
    folder.join("settings")
}
