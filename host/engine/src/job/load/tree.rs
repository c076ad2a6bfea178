//! A parsed job file of any language: values with their places.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::job::problem::At;

/// The place of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the file.
    Text(Span),
    /// In this command-line argument.
    Argument(Arc<str>),
}

/// A piece of one line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column in characters, from 1.
    pub(crate) column: usize,
    /// The width in characters, at least 1; 1 for a value of several lines.
    pub(crate) width: usize,
    /// Characters from `column` to the first character of the value's text, if the file has this text letter by letter.
    pub(crate) text_from: Option<usize>,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TreeNode {
    pub(crate) place: Place,
    pub(crate) tree: Tree,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// A text that was one `${...}`: it takes the type that its place requires.
    Filled(String),
    /// A text with `${...}` that could not be filled in, which is a problem already.
    Unknown,
    List(Vec<TreeNode>),
    Map(Vec<(TreeKey, TreeNode)>),
}

/// A field's name and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TreeKey {
    pub(crate) name: String,
    pub(crate) place: Place,
}

impl Tree {
    /// Describes the value, for messages.
    pub(crate) fn describe(&self) -> String {
        let shown = |text: &str| {
            let start: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
            if start.len() < text.len() { format!("`{start}...`") } else { format!("`{start}`") }
        };
        match self {
            Tree::Null => "nothing".into(),
            Tree::Bool(b) => format!("`{b}`"),
            Tree::Number(n) => format!("the number {n}"),
            Tree::Text(text) | Tree::Filled(text) => format!("the text {}", shown(text)),
            Tree::Unknown => "a text".into(),
            Tree::List(_) => "a list".into(),
            Tree::Map(_) => "fields".into(),
        }
    }
}

impl TreeNode {
    /// Returns the value without its places.
    pub(crate) fn value(&self) -> Value {
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Bool(b) => Value::Bool(*b),
            Tree::Number(n) => Value::Number(n.clone()),
            Tree::Text(text) | Tree::Filled(text) => Value::String(text.clone()),
            // Stands for a required text, such as the job's name, until the job is refused.
            Tree::Unknown => Value::String("unknown".into()),
            Tree::List(items) => Value::Array(items.iter().map(TreeNode::value).collect()),
            Tree::Map(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.name.clone(), v.value())).collect::<Map<_, _>>())
            }
        }
    }

    /// Sets the place of this node and of all nodes below it.
    pub(crate) fn move_to(&mut self, place: &Place) {
        self.place = place.clone();
        match &mut self.tree {
            Tree::List(items) => items.iter_mut().for_each(|i| i.move_to(place)),
            Tree::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
                key.place = place.clone();
                value.move_to(place);
            }),
            _ => {}
        }
    }

    /// Returns the field of this name.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut TreeNode> {
        match &mut self.tree {
            Tree::Map(entries) => entries.iter_mut().find(|(k, _)| k.name == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Removes the field of this name.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Tree::Map(entries) = &mut self.tree {
            entries.retain(|(k, _)| k.name != name);
        }
    }
}

/// The places of a job's fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    of: BTreeMap<At, (Option<Place>, Place)>,
}

impl Places {
    /// Creates the places of a node and of all nodes below it.
    pub(crate) fn of(root: &TreeNode) -> Places {
        let mut places = Places::default();
        places.note(At::job(), None, root);
        places
    }

    /// Adds the places of another tree.
    pub(crate) fn extend(&mut self, other: Places) {
        for (at, places) in other.of {
            self.of.entry(at).or_insert(places);
        }
    }

    fn note(&mut self, at: At, key: Option<&Place>, node: &TreeNode) {
        match &node.tree {
            Tree::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.note(at.field(i), None, item);
                }
            }
            Tree::Map(entries) => {
                for (key, value) in entries {
                    self.note(at.field(&key.name), Some(&key.place), value);
                }
            }
            _ => {}
        }
        self.of.insert(at, (key.cloned(), node.place.clone()));
    }

    /// Returns the place of a field's value or, with `on_key`, of its name; if the field does not exist, of the name of the nearest
    /// field around it.
    pub(crate) fn find(&self, at: &At, on_key: bool) -> Option<&Place> {
        if let Some((key, value)) = self.of.get(at) {
            return Some(if on_key { key.as_ref().unwrap_or(value) } else { value });
        }
        self.find(&at.parent()?, true)
    }
}
