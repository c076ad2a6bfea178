//! Parses a document, fills in its environment variables and command-line settings, and compares it with the schema.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::document::{Document, Language};
use super::env::{self, Environment, Variables};
use super::setting::Override;
use super::tree::{Place, Places, TreeNode};
use super::{shape, toml, yaml};
use crate::code::JOB_PROBLEMS;
use crate::job::problem::{At, Problem};
use crate::job::{json_schema, spec};
use flowgate_base::error::{Error, Result};

/// A job file that has been parsed, and all problems of its shape.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file.
    pub document: Document,
    /// The part of the job that could be read; `None` if none could.
    pub job: Option<spec::Job>,
    /// Sources, operators and sinks that are not in `job` because of a problem in them.
    pub broken: BTreeSet<String>,
    /// All problems so far.
    pub problems: Vec<Problem>,
    pub(super) places: Places,
    /// The places of the first problems: of syntax errors, which are at no field, and of settings.
    pub(super) syntax: Vec<Option<Place>>,
}

/// Parses the document, which may refer to an environment. Its problems are in the `problems` of the result.
pub fn load(document: Document, overrides: &[Override], env: Environment<'_>) -> Loaded {
    load_with(document, overrides, &Variables::of(env))
}

/// Parses the document, which may refer to variables. Its problems are in the `problems` of the result.
pub fn load_with(document: Document, overrides: &[Override], env: &Variables<'_>) -> Loaded {
    let (mut loaded, root) = Loaded::parse(document);
    if let Some(root) = root {
        loaded.read(root, overrides, env);
    }
    loaded
}

/// Returns the document with the settings in it, as JSON: for somebody else who loads it. Variables stay as they are.
///
/// # Errors
/// The document cannot be parsed, or a setting does not fit it.
pub fn overridden(document: Document, overrides: &[Override]) -> Result<Document> {
    let loaded = load(document, &[], &|_| Some(String::new()));
    let mut wrong = Vec::new();
    let mut root = match parse(&loaded.document, &mut wrong) {
        Ok(root) if wrong.is_empty() => root,
        _ => return Err(Error::new(&JOB_PROBLEMS, loaded.report(&[], false))),
    };
    for change in overrides {
        change
            .apply(&mut root)
            .map_err(|message| Error::new(&JOB_PROBLEMS, format!("{}: error: {message}\n", change.argument)))?;
    }
    let text = serde_json::to_string_pretty(&root.value()).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Document { text, language: Language::Json, ..loaded.document })
}

fn parse(document: &Document, wrong: &mut Vec<yaml::Wrong>) -> std::result::Result<TreeNode, yaml::Wrong> {
    match document.language {
        Language::Toml => toml::parse(&document.text),
        Language::Json => json_syntax(&document.text).and_then(|()| yaml::parse(&document.text, wrong)),
        Language::Yaml => yaml::parse(&document.text, wrong),
    }
}

/// Checks the syntax by serde_json, whose errors are about JSON, unlike those of the YAML parser.
fn json_syntax(text: &str) -> std::result::Result<(), yaml::Wrong> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop).map_err(|e| {
        let message = e.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let span = super::tree::Span { line: e.line().max(1), column: e.column().max(1), width: 1, text_from: None };
        yaml::Wrong { span: Some(span), message: format!("not valid JSON: {message}"), help: None }
    })
}

impl Loaded {
    /// Creates what loading returns for a job that has no document: it was built in Rust. Its problems have no places.
    pub(crate) fn of_job(name: String, job: spec::Job, base: &Path) -> Loaded {
        let document = Document { name, text: String::new(), language: Language::Yaml, base: base.into() };
        Loaded {
            document,
            job: Some(job),
            broken: BTreeSet::new(),
            problems: Vec::new(),
            places: Places::default(),
            syntax: Vec::new(),
        }
    }

    /// Parses a document of any kind. The tree is absent where the syntax is wrong.
    pub(super) fn parse(document: Document) -> (Loaded, Option<TreeNode>) {
        let mut wrong = Vec::new();
        let parsed = parse(&document, &mut wrong);
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
            let problem = Problem::error(At::job(), wrong.message);
            loaded.problems.push(match wrong.help {
                Some(help) => problem.help(help),
                None => problem,
            });
        }
        (loaded, root)
    }

    /// Fills in variables and compares with a schema. Returns the places that cannot be used.
    pub(super) fn compare(&mut self, root: &mut TreeNode, schema: &Value, env: &Variables<'_>) -> Vec<At> {
        let filled_from = self.problems.len();
        env::fill(root, &At::job(), env, &mut self.problems);
        let mut broken: Vec<At> = self.problems[filled_from..].iter().map(|p| p.at.clone()).collect();
        self.places = Places::of(root);
        broken.extend(shape::compare(root, schema, &mut self.problems));
        self.places.extend(Places::of(root));
        broken
    }

    fn read(&mut self, mut root: TreeNode, overrides: &[Override], env: &Variables<'_>) {
        for change in overrides {
            if let Err(message) = change.apply(&mut root) {
                self.syntax.push(Some(Place::Argument(change.argument.as_str().into())));
                self.problems.push(Problem::error(At::job(), message));
            }
        }
        let broken = self.compare(&mut root, json_schema::derived(), env);
        self.drop_broken(&mut root, &broken);
        match serde_json::from_value(root.value()) {
            Ok(job) => self.job = Some(job),
            // The parts that the schema check dropped may be required.
            Err(_) if !self.problems.is_empty() => {}
            Err(e) => self.problems.push(Problem::error(At::job(), format!("cannot be understood: {e}"))),
        }
    }

    /// Removes the parts that have problems, so that the rest can be checked too.
    fn drop_broken(&mut self, root: &mut TreeNode, broken: &[At]) {
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
