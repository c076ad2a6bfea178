//! The wall clock of one process, set to another time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A library whose clock is some seconds away from the machine's, as its environment says.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(clock, time);
    const char *seconds = getenv("SET_CLOCK_BY");
    if (clock == CLOCK_REALTIME && seconds) time->tv_sec += atol(seconds);
    return result;
}
"#;

/// Builds, in a folder, the library that sets the clock of a process. The process has it as `LD_PRELOAD`, and the seconds as
/// `SET_CLOCK_BY`; its children have another environment.
///
/// # Panics
/// If there is no C compiler.
pub fn clock_library(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, LIBRARY).expect("the folder can be written");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").status();
    assert!(compiled.is_ok_and(|status| status.success()), "a C compiler is needed");
    library
}
