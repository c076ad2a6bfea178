//! Settings of the command line, which override those of the file: `--set sources.lines.file.path=other.log`.

use super::tree::{Place, Tree, TreeKey, TreeNode};
use super::yaml;
use crate::job::spec;

/// A setting from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The path of the field: `sources`, `lines`, `file`, `path`.
    pub steps: Vec<String>,
    /// The value, in YAML.
    pub value: String,
    /// The argument as the user wrote it, for messages.
    pub argument: String,
}

impl Override {
    /// Reads `KEY=VALUE`.
    ///
    /// # Errors
    /// There is no `=`, or no key before it.
    pub fn parse(argument: &str) -> Result<Override, String> {
        match argument.split_once('=') {
            Some((key, value)) if !key.is_empty() && !key.split('.').any(str::is_empty) => Ok(Override {
                steps: key.split('.').map(str::to_string).collect(),
                value: value.to_string(),
                argument: format!("--set {argument}"),
            }),
            _ => Err("expected KEY=VALUE, as in sources.lines.file.path=access.log".into()),
        }
    }

    /// Sets the field, and creates the fields around it that do not exist. The value replaces the previous one, except that a
    /// source or a sink keeps the fields that the setting does not name. It has only one connector: the one that is named last.
    pub(super) fn apply(&self, root: &mut TreeNode) -> Result<(), String> {
        let place = Place::Argument(self.argument.as_str().into());
        let mut value = self.parsed(&place)?;
        value.move_to(&place);
        let mut node = root;
        for (depth, step) in self.steps.iter().enumerate() {
            if matches!(node.tree, Tree::Null) {
                node.tree = Tree::Map(Vec::new());
            }
            let Tree::Map(entries) = &mut node.tree else {
                return Err(format!("there are no fields over `{step}`"));
            };
            if depth == 2 {
                self.drop_other_connectors(entries, step);
            }
            node = field(entries, step, &place);
        }
        match (value.tree, &mut node.tree) {
            (Tree::Map(set), Tree::Map(entries)) if self.steps.len() == 2 && !self.connectors().is_empty() => {
                for (key, value) in set {
                    self.drop_other_connectors(entries, &key.name);
                    *field(entries, &key.name, &place) = value;
                }
            }
            (tree, _) => *node = TreeNode { place, tree },
        }
        Ok(())
    }

    fn parsed(&self, place: &Place) -> Result<TreeNode, String> {
        let mut wrong = Vec::new();
        match yaml::parse(&self.value, &mut wrong) {
            Ok(node) if wrong.is_empty() => Ok(node),
            // `--set path=` sets an empty text.
            _ if self.value.trim().is_empty() => Ok(TreeNode { place: place.clone(), tree: Tree::Text(String::new()) }),
            Ok(_) | Err(_) => Err("the value is not valid YAML; quotes make it text".into()),
        }
    }

    /// Returns the names of all connectors, if the setting is of a source or a sink.
    fn connectors(&self) -> Vec<&'static str> {
        match self.steps.first().map(String::as_str) {
            Some("sources") => spec::Source::connector_names().collect(),
            Some("sinks") => spec::Sink::connector_names().collect(),
            _ => Vec::new(),
        }
    }

    /// If `set` is a connector, drops the other connectors of the source or sink with these fields.
    fn drop_other_connectors(&self, entries: &mut Vec<(TreeKey, TreeNode)>, set: &str) {
        let connectors = self.connectors();
        if connectors.contains(&set) {
            entries.retain(|(key, _)| key.name == set || !connectors.contains(&key.name.as_str()));
        }
    }
}

/// Returns the field of this name, which is empty if it is new.
fn field<'a>(entries: &'a mut Vec<(TreeKey, TreeNode)>, name: &str, place: &Place) -> &'a mut TreeNode {
    let found = entries.iter().position(|(k, _)| k.name == name).unwrap_or_else(|| {
        let key = TreeKey { name: name.to_string(), place: place.clone() };
        entries.push((key, TreeNode { place: place.clone(), tree: Tree::Map(Vec::new()) }));
        entries.len() - 1
    });
    &mut entries[found].1
}
