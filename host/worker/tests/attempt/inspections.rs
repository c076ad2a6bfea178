//! Components that were pushed: described, refused, and looked at by a process that is confined.

use std::fs;
use std::path::Path;
use std::time::Duration;

use flowgate_worker::inspect::{Inspected, Inspection};
use flowgate_worker::spawn::{self, CheckError};
use tempfile::TempDir;

use crate::fixture::{PATIENCE, plugin, program, wait_until};

/// A folder for machine code.
fn compiled() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn inspect(component: &Path, compiled: &TempDir, within: Duration) -> Result<Inspected, CheckError> {
    let inspection = Inspection { component: component.into(), compiled: compiled.path().into() };
    spawn::inspect(&program(), &inspection, within, None)
}

/// A component that runs for ever when it is described.
fn endless() -> Vec<u8> {
    flowgate_hostile::plugin("(func $describe (result i32) (loop $again (br $again)) unreachable)", false)
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn a_plugin_is_described_and_compiled_for_its_tenant() {
    let compiled = compiled();
    let inspected = inspect(&plugin("weblog"), &compiled, PATIENCE).unwrap();
    assert!(inspected.functions.iter().any(|function| function.name == "parse"), "{inspected:?}");
    assert!(inspected.imports.iter().all(|import| import.starts_with("flowgate:plugin/")), "{inspected:?}");
    assert!(fs::read_dir(compiled.path()).unwrap().count() > 0, "the machine code is kept");
}

#[test]
fn what_is_no_plugin_is_refused_with_its_reason() {
    let text = written(b"not a component");
    let error = inspect(text.path(), &compiled(), PATIENCE).unwrap_err();
    assert!(matches!(error, CheckError::Failed(_)), "{error:?}");
    assert!(error.to_string().contains("WebAssembly"), "{error}");
    let gone = inspect(Path::new("/nowhere/p.wasm"), &compiled(), PATIENCE).unwrap_err();
    assert!(gone.to_string().contains("cannot be read"), "{gone}");
}

#[test]
fn a_component_that_takes_too_long_ends_with_the_time_that_there_is() {
    let endless = written(&endless());
    let error = inspect(endless.path(), &compiled(), Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, CheckError::TooLong(_)), "{error:?}");
    // The wall's own limit ends it before the process is killed.
    let error = inspect(endless.path(), &compiled(), PATIENCE).unwrap_err();
    assert!(error.to_string().contains("did not finish within"), "{error}");
}

/// Goal: whoever escapes the sandbox while a component is described meets the second wall. Method: the process, looked at in `/proc` while it
/// runs the component.
#[test]
fn the_process_that_looks_is_confined() {
    let endless = written(&endless());
    let path = endless.path().to_path_buf();
    let compiled = compiled();
    let looks = std::thread::spawn(move || inspect(&path, &compiled, PATIENCE).map(drop).unwrap_err());
    wait_until("no confined process runs the component", || {
        let children = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse::<u32>().ok()?;
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let of = |name: &str| {
                status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_string())
            };
            let is_ours = of("PPid:") == Some(std::process::id().to_string());
            (is_ours && arguments.ends_with(b"worker\0inspect\0")).then(|| (of("Seccomp:"), of("NoNewPrivs:")))
        });
        let mut states = children.collect::<Vec<_>>().into_iter();
        states.find(|state| *state == (Some("2".into()), Some("1".into())))
    });
    let error = looks.join().unwrap();
    assert!(error.to_string().contains("did not finish within"), "{error}");
}
