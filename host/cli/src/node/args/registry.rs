//! Arguments of the commands about plugins on a node.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use flowgate_api::name::PluginRef;

use super::Shown;
use crate::node::session::Target;

pub(super) const PUSH_EXAMPLES: &str = "\
Examples:
  flowgate plugin push sensors.wasm
  flowgate plugin push target/plugin.wasm --name sensors

The plugin is called after the file. A job file names it as `plugin: sensors`, which is its newest version at the time of the \
submission, or as `plugin: sensors@2`.";

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  flowgate plugin list
  flowgate plugin list sensors --json | jq -r '.[].version'";

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  flowgate plugin show sensors      # the newest version
  flowgate plugin show sensors@2";

pub(super) const DELETE_EXAMPLES: &str = "\
Examples:
  flowgate plugin delete sensors@1

The number of a deleted version is never used again.";

/// Arguments of `flowgate plugin push`.
#[derive(Debug, Args)]
pub(crate) struct PluginPush {
    /// The component.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The name of the plugin [default: that of the file].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How it is shown, and of which node.
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// Arguments of `flowgate plugin list`.
#[derive(Debug, Args)]
pub(crate) struct PluginList {
    /// The plugin whose versions are listed [default: all].
    pub(crate) name: Option<String>,
    /// How it is shown, and of which node.
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// Arguments of `flowgate plugin show`.
#[derive(Debug, Args)]
pub(crate) struct PluginShow {
    /// The plugin: `sensors`, or a version of it, `sensors@2`.
    #[arg(value_parser = PluginRef::parse)]
    pub(crate) plugin: PluginRef,
    /// How it is shown, and of which node.
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// Arguments of `flowgate plugin delete`.
#[derive(Debug, Args)]
pub(crate) struct PluginDelete {
    /// The version, `sensors@2`.
    #[arg(value_parser = PluginRef::parse)]
    pub(crate) plugin: PluginRef,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}
