//! The whole of `flowgate plugin build`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::cargo::{self, Profile};
use super::toolchain::Toolchain;
use super::{component, home, package, sdk};
use crate::error::{Error, Result};

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The plugin's name.
    pub name: String,
    /// The component's file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: usize,
    /// From start to finish.
    pub took: Duration,
}

/// Compiles the package in `dir` to a component, at `output` or where [`package::read`] says.
///
/// # Errors
///
/// `dir` is no plugin, there is no toolchain for WebAssembly, the plugin does not compile, or it is not a component.
pub fn build(dir: &Path, output: Option<&Path>, profile: Profile) -> Result<Built> {
    let started = Instant::now();
    let package = package::read(dir)?;
    let toolchain = Toolchain::find(&package.dir)?;
    if package.sdk_by_version {
        sdk::provide(&package.dir)?;
    }
    let module = cargo::compile(&package, &toolchain, profile)?;
    let component = component::from_module(module).map_err(|e| e.within(format_args!("package {}", package.name)))?;
    let path = output.map_or(package.output, Path::to_path_buf);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(format!("cannot make {}", folder.display()), &e))?;
    }
    home::write_whole(&path, &component)?;
    Ok(Built { name: package.name, path, bytes: component.len(), took: started.elapsed() })
}
