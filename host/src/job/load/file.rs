//! Parses a document, fills in its environment variables and command-line settings, and compares it with the schema.

use std::collections::BTreeSet;

use super::document::{Document, Language};
use super::env::{self, Environment};
use super::tree::{Key, Node, Place, Places, Tree};
use super::{shape, toml, yaml};
use crate::job::problem::{At, Problem};
use crate::job::{json_schema, spec};

/// A setting from the command line: `--set sources.lines.file.path=other.log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The way to the field: `sources`, `lines`, `file`, `path`.
    pub steps: Vec<String>,
    /// A YAML value.
    pub value: String,
    /// How the user wrote it, for messages.
    pub argument: String,
}

/// A job file that has been parsed, and everything that is wrong with its shape.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file.
    pub document: Document,
    /// What could be understood of the job; none where nothing could.
    pub job: Option<spec::Job>,
    /// Sources, operators and sinks that are not in `job` because something in them is wrong.
    pub broken: BTreeSet<String>,
    /// Everything that is wrong so far.
    pub problems: Vec<Problem>,
    pub(super) places: Places,
    /// Places of the first problems: of errors in the syntax, which are at no field, and of settings.
    pub(super) syntax: Vec<Option<Place>>,
}

/// Parses the document. Whatever is wrong with it is in the answer's `problems`.
pub fn load(document: Document, overrides: &[Override], env: Environment<'_>) -> Loaded {
    let mut wrong = Vec::new();
    let parsed = match document.language {
        Language::Toml => toml::parse(&document.text),
        Language::Json => json_syntax(&document.text).and_then(|()| yaml::parse(&document.text, &mut wrong)),
        Language::Yaml => yaml::parse(&document.text, &mut wrong),
    };
    let mut loaded = Loaded {
        document,
        job: None,
        broken: BTreeSet::new(),
        problems: Vec::new(),
        places: Places::default(),
        syntax: Vec::new(),
    };
    let root = match parsed {
        Ok(root) => Some(root),
        Err(error) => {
            wrong.push(error);
            None
        }
    };
    for wrong in wrong {
        loaded.syntax.push(wrong.span.map(Place::Text));
        loaded.problems.push(Problem::error(At::job(), wrong.message).help(wrong.help.unwrap_or_default()));
    }
    if let Some(root) = root {
        loaded.understand(root, overrides, env);
    }
    loaded
}

/// serde_json says what is wrong in the words of JSON, which the YAML parser would not.
fn json_syntax(text: &str) -> Result<(), yaml::Wrong> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop).map_err(|e| {
        let message = e.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let span = super::tree::Span { line: e.line().max(1), column: e.column().max(1), width: 1, text_from: None };
        yaml::Wrong { span: Some(span), message: format!("not valid JSON: {message}"), help: None }
    })
}

impl Loaded {
    fn understand(&mut self, mut root: Node, overrides: &[Override], env: Environment<'_>) {
        let problems = &mut self.problems;
        for change in overrides {
            if let Err(message) = change.apply(&mut root) {
                self.syntax.push(Some(Place::Argument(change.argument.as_str().into())));
                problems.push(Problem::error(At::job(), message));
            }
        }
        let filled_from = problems.len();
        env::fill(&mut root, &At::job(), env, problems);
        let mut broken: Vec<At> = problems[filled_from..].iter().map(|p| p.at.clone()).collect();
        self.places = Places::of(&root);
        broken.extend(shape::compare(&mut root, json_schema::cached(), problems));
        self.places.extend(Places::of(&root));
        self.drop_broken(&mut root, &broken);
        match serde_json::from_value(root.value()) {
            Ok(job) => self.job = Some(job),
            // What the walk over the schema refused may have left too little of a job.
            Err(_) if !self.problems.is_empty() => {}
            Err(e) => self.problems.push(Problem::error(At::job(), format!("cannot be understood: {e}"))),
        }
    }

    /// Takes out what cannot be used, so that the rest can be checked too.
    fn drop_broken(&mut self, root: &mut Node, broken: &[At]) {
        for at in broken {
            match at.steps() {
                [section, name, ..] if ["sources", "operators", "sinks"].contains(&section.as_str()) => {
                    if let Some(section) = root.get_mut(section) {
                        section.remove(name);
                    }
                    self.broken.insert(name.clone());
                }
                [field, ..] if !["job", "sources", "operators", "sinks"].contains(&field.as_str()) => {
                    root.remove(field);
                }
                _ => {}
            }
        }
    }
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

    /// Sets the field, making those around it where they are not there.
    fn apply(&self, root: &mut Node) -> Result<(), String> {
        let place = Place::Argument(self.argument.as_str().into());
        let mut wrong = Vec::new();
        let mut value = match yaml::parse(&self.value, &mut wrong) {
            Ok(node) if wrong.is_empty() => node,
            // `--set path=` sets an empty text.
            _ if self.value.trim().is_empty() => Node { place: place.clone(), tree: Tree::Text(String::new()) },
            Ok(_) | Err(_) => return Err("the value is not valid YAML; quotes make it text".into()),
        };
        value.move_to(&place);
        let mut node = root;
        for step in &self.steps {
            if matches!(node.tree, Tree::Null) {
                node.tree = Tree::Map(Vec::new());
            }
            let Tree::Map(entries) = &mut node.tree else {
                return Err(format!("there are no fields over `{step}`"));
            };
            let found = entries.iter().position(|(k, _)| k.name == *step).unwrap_or_else(|| {
                let key = Key { name: step.clone(), place: place.clone() };
                entries.push((key, Node { place: place.clone(), tree: Tree::Map(Vec::new()) }));
                entries.len() - 1
            });
            node = &mut entries[found].1;
        }
        *node = value;
        Ok(())
    }
}
