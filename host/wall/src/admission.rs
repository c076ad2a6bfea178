//! Admission: what a component is, judged by its structure before the compiler sees it.
//!
//! Runs where the compiler runs, in the limited child: all that parses hostile bytes is there.

use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload};

use super::contract::{IMPORTS, VERSIONS};
use super::limits::Limits;
use flowgate_base::quantity::Bytes;
use flowgate_base::shown::one_line;

const PACKAGE: &str = "flowgate:plugin/";

/// What is known of a component that was admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the contract.
    pub contract: String,
    /// Names of what it imports, as in the component.
    pub imports: Vec<String>,
    /// Names of what it exports, as in the component.
    pub exports: Vec<String>,
}

/// Judges a component, or a core module that carries its component type, which is made a component. The error says
/// what is wrong and what would be right.
pub(super) fn admit(bytes: &[u8], limits: &Limits) -> Result<(Vec<u8>, Manifest), String> {
    if bytes.len() > limits.component_bytes_max {
        return Err(too_large(bytes.len() as u64, limits));
    }
    let component = match encoding(bytes)? {
        Encoding::Component => bytes.to_vec(),
        Encoding::Module => componentize(bytes)?,
    };
    let manifest = manifest(&component, limits)?;
    Ok((component, manifest))
}

/// The message about a file of this size.
pub(super) fn too_large(bytes: u64, limits: &Limits) -> String {
    let max = limits.component_bytes_max as u64;
    format!("has {bytes} bytes; a plugin has at most {}", Bytes(max))
}

fn encoding(bytes: &[u8]) -> Result<Encoding, String> {
    if !bytes.starts_with(b"\0asm") {
        return Err("is not WebAssembly: it does not begin with `\\0asm`".into());
    }
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Ok(encoding),
        Some(Err(e)) => Err(broken(&e)),
        _ => Err("is not WebAssembly: it ends after its first bytes".into()),
    }
}

fn broken(error: &wasmparser::BinaryReaderError) -> String {
    format!("is broken WebAssembly: {} at byte {}", one_line(error.message(), 500), error.offset())
}

/// Makes a component of a core module that says in a custom section what component it is.
fn componentize(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut has_type = false;
    let mut refused = None;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|e| broken(&e))? {
            Payload::CustomSection(section) => has_type |= section.name().starts_with("component-type"),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|e| broken(&e))?;
                    let name = format!("{}.{}", import.module, import.name);
                    if import.module.starts_with("wasi") {
                        refused = refused.or_else(|| Some(wasi_refused(&name)));
                    } else if import.module.starts_with("__wbindgen") {
                        refused = refused.or_else(|| Some(javascript_refused(&name)));
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    if !has_type {
        return Err(
            "is a core module without a `component-type` section, so nothing says which functions it has; build \
                    it with `flowgate plugin build`, or make a component of it with `wasm-tools component new`"
                .into(),
        );
    }
    let encode = || wit_component::ComponentEncoder::default().validate(true).module(module)?.encode();
    encode().map_err(|e| format!("is a core module that does not fit its `component-type` section: {}", chain(&e)))
}

/// An error and its causes in one line.
fn chain(error: &impl std::fmt::Display) -> String {
    one_line(&format!("{error:#}"), 2_000)
}

fn wasi_refused(import: &str) -> String {
    format!(
        "imports `{}`, but there is no WASI in the sandbox: build for wasm32-unknown-unknown, or put a module into the \
         component that answers its WASI imports",
        one_line(import, 200)
    )
}

fn javascript_refused(import: &str) -> String {
    format!(
        "imports `{}`, but there is no JavaScript in the sandbox: a dependency has brought wasm-bindgen; `flowgate plugin \
         build` names the dependency and what to change",
        one_line(import, 200)
    )
}

/// Walks the component's outermost level; counts everything inside.
fn manifest(component: &[u8], limits: &Limits) -> Result<Manifest, String> {
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    let mut nested = 0_usize;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|e| broken(&e))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                nested += 1;
                depth += 1;
                if nested > limits.nested_modules_max {
                    return Err(format!("nests more than {} modules and components", limits.nested_modules_max));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(|e| broken(&e))?.name.name.to_string());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(|e| broken(&e))?.name.name.to_string());
                }
            }
            _ => {}
        }
    }
    judge_imports(&imports)?;
    let contract = judge_exports(&exports)?;
    Ok(Manifest { contract, imports, exports })
}

/// `log` and `0.1.0` of `flowgate:plugin/log@0.1.0`.
fn of_contract(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PACKAGE)?.split_once('@')
}

fn unknown_version(version: &str) -> String {
    let known = VERSIONS.join(", ");
    let version = one_line(version, 50);
    format!("was built for version {version} of the plugin contract; this host knows {known}")
}

fn judge_imports(imports: &[String]) -> Result<(), String> {
    for name in imports {
        if name.starts_with("wasi:") {
            return Err(wasi_refused(name));
        }
        match of_contract(name) {
            None => {
                return Err(format!(
                    "imports `{}`, which no host of plugins has; a plugin may import {} of `flowgate:plugin`",
                    one_line(name, 200),
                    IMPORTS.join(", ")
                ));
            }
            Some((_, version)) if !VERSIONS.contains(&version) => return Err(unknown_version(version)),
            Some((interface, version)) if !IMPORTS.contains(&interface) => {
                return Err(format!(
                    "imports `{}`, which version {version} of the plugin contract does not have; it has {}",
                    one_line(name, 200),
                    IMPORTS.join(", ")
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn judge_exports(exports: &[String]) -> Result<String, String> {
    let mut versions: Vec<&str> = exports
        .iter()
        .filter_map(|name| of_contract(name))
        .filter(|(interface, _)| *interface == "operator")
        .map(|(_, version)| version)
        .collect();
    versions.sort_unstable();
    match versions.iter().find(|version| VERSIONS.contains(version)) {
        Some(version) => Ok((*version).to_string()),
        None => match versions.first() {
            Some(version) => Err(unknown_version(version)),
            None => Err(format!(
                "does not export `flowgate:plugin/operator@{}`, by which a plugin says which functions it has",
                VERSIONS.first().unwrap_or(&"")
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(wat: &str) -> String {
        admit(&wat::parse_str(wat).unwrap(), &Limits::default()).unwrap_err()
    }

    #[test]
    fn an_empty_file_and_a_cut_one() {
        let limits = Limits::default();
        assert!(admit(b"", &limits).unwrap_err().contains("is not WebAssembly"));
        assert!(admit(b"\0asm\x0d", &limits).unwrap_err().contains("WebAssembly"));
        let mut cut = wat::parse_str("(component (core module))").unwrap();
        cut.pop();
        assert!(admit(&cut, &limits).unwrap_err().contains("is broken WebAssembly"));
    }

    #[test]
    fn wasi_is_named_with_the_way_out() {
        let message = error(r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#);
        assert!(message.contains("`wasi:cli/environment@0.2.0`") && message.contains("wasm32-unknown-unknown"));
        let message = error(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#);
        assert!(message.contains("`wasi_snapshot_preview1.fd_write`"), "{message}");
    }

    #[test]
    fn javascript_is_named_with_the_way_out() {
        let message = error(r#"(module (import "__wbindgen_placeholder__" "__wbindgen_describe" (func)))"#);
        assert!(message.contains("`__wbindgen_placeholder__.__wbindgen_describe`"), "{message}");
        assert!(message.contains("wasm-bindgen") && message.contains("flowgate plugin build"), "{message}");
    }

    #[test]
    fn a_core_module_without_a_type() {
        assert!(error("(module)").contains("`component-type` section"));
    }

    #[test]
    fn another_version_of_the_contract_names_both() {
        let message = error(r#"(component (import "flowgate:plugin/log@0.9.0" (instance)))"#);
        assert!(message.contains("0.9.0") && message.contains("0.1.0"), "{message}");
        let message = error(r#"(component (instance $i) (export "flowgate:plugin/operator@7.0.0" (instance $i)))"#);
        assert!(message.contains("7.0.0") && message.contains("0.1.0"), "{message}");
    }

    #[test]
    fn imports_inside_a_nested_component_do_not_count() {
        let wat = r#"(component
            (component (import "wasi:io/streams@0.2.0" (instance)))
            (instance $i) (export "flowgate:plugin/operator@0.1.0" (instance $i)))"#;
        let (_, manifest) = admit(&wat::parse_str(wat).unwrap(), &Limits::default()).unwrap();
        assert_eq!(manifest.contract, "0.1.0");
        assert!(manifest.imports.is_empty());
    }

    #[test]
    fn nesting_is_bounded() {
        let limits = Limits { nested_modules_max: 3, ..Limits::default() };
        let wat = "(component (core module) (core module) (component (core module)))";
        assert!(admit(&wat::parse_str(wat).unwrap(), &limits).unwrap_err().contains("nests more than 3"));
    }
}
