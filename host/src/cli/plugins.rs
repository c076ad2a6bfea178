//! The plugins that a job is checked against.

use std::path::Path;

use crate::job::check::PluginCatalog;
use crate::job::spec;
use crate::plugin::binding::{Binding, FunctionInfo, OpenRequest};

/// Components, loaded as the check asks for them.
#[derive(Debug, Default)]
pub(crate) struct Plugins {}

impl PluginCatalog for Plugins {
    fn functions(&mut self, _: &Path) -> Result<Vec<FunctionInfo>, String> {
        Err("this build of Flowgate has no plugin engine".into())
    }

    fn open(&mut self, _: &Path, _: &OpenRequest, _: &spec::Limits) -> Result<Binding, Vec<String>> {
        Err(vec!["this build of Flowgate has no plugin engine".into()])
    }
}
