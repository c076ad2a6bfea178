//! The paths of the program and of what was built next to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Returns the program that was built next to the running test.
///
/// # Panics
/// If there is none.
pub fn program() -> PathBuf {
    let program = profile_dir().join("flowgate");
    assert!(program.exists(), "{} is not built: run `make build`, or `cargo build -p flowgate`", program.display());
    program
}

/// Writes a copy of the program that says it is of another version, which it returns: the same code, in another file of another content.
///
/// # Panics
/// If the program does not have its version, or the copy cannot be written.
pub fn copy_of_other_version(to: &Path) -> &'static str {
    let (mark, other) = (concat!("flowgate-program/", env!("CARGO_PKG_VERSION")), "9.9.9");
    let mut program = fs::read(program()).expect("it is readable");
    let places: Vec<usize> =
        memchr::memmem::find_iter(&program, mark).map(|at| at + mark.len() - other.len()).collect();
    assert!(!places.is_empty(), "the program does not have {mark}");
    assert_eq!(env!("CARGO_PKG_VERSION").len(), other.len(), "the other version takes the place of this one");
    for at in places {
        program[at..at + other.len()].copy_from_slice(other.as_bytes());
    }
    fs::write(to, program).expect("the folder can be written");
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("it is ours");
    other
}

/// Returns the component of a plugin that comes with Flowgate. Jobs find it by its name alone; this detects early that it is
/// missing.
///
/// # Panics
/// If it is not built.
pub fn plugin(name: &str) -> PathBuf {
    let component = target_dir().join("plugins").join(format!("{name}.wasm"));
    assert!(component.exists(), "the plugin {name} is not built ({}): run `make plugins`", component.display());
    component
}

/// Returns the top of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a folder of the repository")
}

/// Returns how long a test observes a process before it judges it: FLOWGATE_TEST_SECONDS, or `default`.
///
/// # Panics
/// If the variable is not a number.
pub fn seconds(default: u64) -> Duration {
    let seconds = std::env::var("FLOWGATE_TEST_SECONDS").map_or(default, |s| s.parse().expect("whole seconds"));
    Duration::from_secs(seconds)
}

/// Returns where tests keep compiled plugins, so that they do not touch the user's.
pub(crate) fn home() -> PathBuf {
    target_dir().join("test-home")
}

/// Returns the runtime directory of the tests, so that the sockets of their jobs are not among the user's.
pub(crate) fn runtime() -> PathBuf {
    let folder = home().join("runtime");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

fn profile_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    test.ancestors().nth(2).expect("PROFILE/deps/TEST").into()
}

fn target_dir() -> PathBuf {
    profile_dir().parent().expect("TARGET/PROFILE").into()
}
