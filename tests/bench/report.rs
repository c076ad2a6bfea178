//! The files and the output of results; and what all benchmarks share with the program: its allocator.

use std::path::{Path, PathBuf};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Returns the top of the repository.
pub(crate) fn repository() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest)
}

/// Returns the repository's target folder, which has plugins and results.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// Writes `target/bench/NAME.json`.
pub(crate) fn write(name: &str, results: &serde_json::Value) {
    let folder = target_folder().join("bench");
    std::fs::create_dir_all(&folder).expect("target/bench can be made");
    let path = folder.join(name);
    let text = serde_json::to_string_pretty(results).expect("results are JSON");
    std::fs::write(&path, text + "\n").expect("target/bench can be written");
    println!("-> {}", path.display());
}

/// Returns the median.
// Not every benchmark that shares this file asks for it.
#[allow(dead_code)]
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
