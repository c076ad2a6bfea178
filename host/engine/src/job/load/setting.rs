//! Settings of the command line, which go over those of the file: `--set sources.lines.file.path=other.log`.

use super::tree::{Key, Node, Place, Tree};
use super::yaml;
use crate::job::spec;

/// A setting from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The way to the field: `sources`, `lines`, `file`, `path`.
    pub steps: Vec<String>,
    /// A YAML value.
    pub value: String,
    /// How the user wrote it, for messages.
    pub argument: String,
}

impl Override {
    /// Reads `KEY=VALUE`.
    ///
    /// # Errors
    /// There is no `=`, or nothing before it.
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

    /// Sets the field, making those around it where they are not there. A value replaces what was there, except that a source
    /// or a sink keeps what the setting does not name. Of its connectors there is only one: the one that is named.
    pub(super) fn apply(&self, root: &mut Node) -> Result<(), String> {
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
            (Tree::Map(given), Tree::Map(entries)) if self.steps.len() == 2 && !self.connectors().is_empty() => {
                for (key, value) in given {
                    self.drop_other_connectors(entries, &key.name);
                    *field(entries, &key.name, &place) = value;
                }
            }
            (tree, _) => *node = Node { place, tree },
        }
        Ok(())
    }

    fn parsed(&self, place: &Place) -> Result<Node, String> {
        let mut wrong = Vec::new();
        match yaml::parse(&self.value, &mut wrong) {
            Ok(node) if wrong.is_empty() => Ok(node),
            // `--set path=` sets an empty text.
            _ if self.value.trim().is_empty() => Ok(Node { place: place.clone(), tree: Tree::Text(String::new()) }),
            Ok(_) | Err(_) => Err("the value is not valid YAML; quotes make it text".into()),
        }
    }

    /// The connectors of what the setting is about, if that is a source or a sink.
    fn connectors(&self) -> Vec<&'static str> {
        match self.steps.first().map(String::as_str) {
            Some("sources") => spec::Source::connector_names().collect(),
            Some("sinks") => spec::Sink::connector_names().collect(),
            _ => Vec::new(),
        }
    }

    /// Where `set` is a connector, drops the others of the source or sink with these fields.
    fn drop_other_connectors(&self, entries: &mut Vec<(Key, Node)>, set: &str) {
        let connectors = self.connectors();
        if connectors.contains(&set) {
            entries.retain(|(key, _)| key.name == set || !connectors.contains(&key.name.as_str()));
        }
    }
}

/// The field of this name, empty where it was not there.
fn field<'a>(entries: &'a mut Vec<(Key, Node)>, name: &str, place: &Place) -> &'a mut Node {
    let found = entries.iter().position(|(k, _)| k.name == name).unwrap_or_else(|| {
        let key = Key { name: name.to_string(), place: place.clone() };
        entries.push((key, Node { place: place.clone(), tree: Tree::Map(Vec::new()) }));
        entries.len() - 1
    });
    &mut entries[found].1
}
