//! The whole of `flowgate plugin build`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::cargo::{self, Profile};
use super::error::BuildError;
use super::package::Package;
use super::toolchain::Toolchain;
use super::{component, foreign, home, print_lint, sdk};
use flowgate_base::error::{Error, Result};

/// What is built, and how.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The folder of the package.
    pub dir: &'a Path,
    /// Where the component goes; `None`: where [`Package::read`] says.
    pub output: Option<&'a Path>,
    /// How it is compiled.
    pub profile: Profile,
    /// Whether an SDK that the package carries is replaced by the one of this program first.
    pub update_sdk: bool,
}

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
    /// What its author should look at all the same, one message each.
    pub warnings: Vec<String>,
}

/// Compiles a package to a component.
///
/// # Errors
///
/// The folder is no plugin, there is no toolchain for WebAssembly, the plugin does not compile, or it is not a component.
pub fn build(order: Order<'_>) -> Result<Built> {
    let started = Instant::now();
    let package = Package::read(order.dir)?;
    let toolchain = Toolchain::find(&package.dir)?;
    let mut warnings = Vec::new();
    let carried = package.dir.join(sdk::FOLDER);
    if package.sdk_by_version {
        sdk::provide(&package.dir)?;
    }
    if order.update_sdk && !package.carries_sdk {
        return Err(BuildError::NotAPlugin(format!(
            "package {} does not carry the SDK: its Cargo.toml has no `flowgate-sdk = {{ path = \"{}\" }}`",
            package.name,
            sdk::FOLDER
        ))
        .into());
    }
    if package.carries_sdk && (order.update_sdk || !carried.exists()) {
        sdk::carry(&package.dir)?;
    } else if package.carries_sdk && !sdk::is_current(&carried) {
        warnings.push(format!(
            "{} is not the SDK of this Flowgate ({}); `flowgate plugin build --update-sdk` replaces it",
            carried.display(),
            env!("CARGO_PKG_VERSION")
        ));
    }
    let module = cargo::compile(&package, &toolchain, order.profile)?;
    foreign::check(&module, &package)?;
    let component = component::from_module(module).map_err(|e| e.within(format_args!("package {}", package.name)))?;
    warnings.extend(print_lint::warning(&package.dir));
    let path = order.output.map_or(package.output, Path::to_path_buf);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(format!("cannot make {}", folder.display()), &e))?;
    }
    home::write_whole(&path, &component)?;
    Ok(Built { name: package.name, path, bytes: component.len(), took: started.elapsed(), warnings })
}
