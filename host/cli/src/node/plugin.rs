//! `flowgate plugin push`, `list`, `show` and `delete`: the registry of a node.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flowgate_api::name::PluginRef;
use flowgate_api::plugin::PluginVersion;
use flowgate_base::error::{Error, Result};

use super::args::{PluginDelete, PluginList, PluginPush, PluginShow};
use super::{json, limits, listing, plugin_text};
use crate::error::CommandError;
use crate::{columns, terminal};
use flowgate_worker::figures;

pub(super) fn push(args: &PluginPush) -> Result<()> {
    let session = args.shown.target.session()?;
    let name = args.name.clone().map_or_else(|| name_of(&args.file), Ok)?;
    let component = component(&args.file)?;
    let path = session.path(&["plugins", &name])?;
    let pushed = session.client.push::<PluginVersion>(&path, component)?;
    if args.shown.json {
        return json::print(&pushed.value);
    }
    if !pushed.is_new {
        terminal::message("note: this component is the newest version already; nothing was added\n");
    }
    terminal::print(&plugin_text::of(&pushed.value))
}

/// Returns the name of a plugin by the name of its file.
fn name_of(file: &Path) -> Result<String> {
    let Some(stem) = file.file_stem() else {
        return Err(
            CommandError::Arguments(format!("{} has no name; name the plugin with --name", file.display())).into()
        );
    };
    let stem = &*stem.to_string_lossy();
    match flowgate_api::name::check("plugin", stem) {
        Ok(()) => Ok(stem.into()),
        Err(rule) => {
            Err(CommandError::Arguments(format!("{rule}; `{stem}` is none, so name the plugin with --name")).into())
        }
    }
}

fn component(path: &Path) -> Result<Vec<u8>> {
    let shown = path.display();
    let failed = |e: &std::io::Error| {
        CommandError::Arguments(Error::io(format_args!("cannot read the component {shown}"), e).message)
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| failed(&e))?;
    file.take(limits::COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    if bytes.len() as u64 > limits::COMPONENT_BYTES_MAX {
        let message = format!("{shown} has more than {}", figures::bytes(limits::COMPONENT_BYTES_MAX));
        return Err(CommandError::Arguments(message).into());
    }
    if !bytes.starts_with(b"\0asm") {
        let message = format!("{shown} is no WebAssembly component; `flowgate plugin build` makes one");
        return Err(CommandError::Arguments(message).into());
    }
    Ok(bytes)
}

pub(super) fn list(args: &PluginList) -> Result<()> {
    let session = args.shown.target.session()?;
    let path = match &args.name {
        Some(name) => session.path(&["plugins", name])?,
        None => session.path(&["plugins"])?,
    };
    let plugins: Vec<PluginVersion> = session.client.list(&path, limits::ENTRIES_MAX)?;
    let row = |plugin: &PluginVersion| {
        let functions: Vec<&str> = plugin.functions.iter().map(|function| function.name.as_str()).collect();
        vec![
            format!("{}@{}", plugin.name, plugin.version),
            functions.join(", "),
            figures::bytes(plugin.size_bytes),
            listing::time(plugin.pushed_ms),
            plugin.pushed_by.clone(),
            plugin.digest.get(..12).unwrap_or(&plugin.digest).into(),
        ]
    };
    let head = ["plugin", "functions", "size", "pushed", "by", "digest"];
    let none = "there are no plugins; `flowgate plugin push FILE.wasm` adds one";
    listing::print(&plugins, args.shown.json, none, |cells| {
        columns::table(&head, &plugins.iter().map(row).collect::<Vec<_>>(), cells)
    })
}

pub(super) fn show(args: &PluginShow) -> Result<()> {
    let session = args.shown.target.session()?;
    let plugin: PluginVersion = match args.plugin.version {
        Some(version) => session.client.get(&session.path(&["plugins", &args.plugin.name, &version.to_string()])?)?,
        None => {
            // They come by number; there is one, or the node says that there is no such plugin.
            let all = session.client.list(&session.path(&["plugins", &args.plugin.name])?, limits::ENTRIES_MAX)?;
            all.into_iter().next_back().ok_or_else(|| Error::internal("a plugin has no version"))?
        }
    };
    if args.shown.json { json::print(&plugin) } else { terminal::print(&plugin_text::of(&plugin)) }
}

pub(super) fn delete(args: &PluginDelete) -> Result<()> {
    let PluginRef { name, version: Some(version) } = &args.plugin else {
        let message = format!("say which version, as in {}@1: versions are deleted one by one", args.plugin.name);
        return Err(CommandError::Arguments(message).into());
    };
    let session = args.target.session()?;
    session.client.delete(&session.path(&["plugins", name, &version.to_string()])?)?;
    terminal::print(&format!("deleted {name}@{version}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_called_after_its_file() {
        assert_eq!(name_of(Path::new("target/sensors.wasm")), Ok("sensors".into()));
        assert!(name_of(Path::new("my plugin.wasm")).unwrap_err().message.contains("--name"));
    }

    #[test]
    fn only_components_are_sent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        std::fs::write(&file, "text").unwrap();
        assert!(component(&file).unwrap_err().message.contains("is no WebAssembly component"));
        std::fs::write(&file, b"\0asm\x0d\0\x01\0").unwrap();
        assert_eq!(component(&file).unwrap().len(), 8);
        assert!(component(folder.path()).is_err());
    }
}
