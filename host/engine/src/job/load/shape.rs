//! Compares a job file with its JSON Schema: unknown and missing fields, wrong types, words and quantities.
//!
//! The schema is derived from the structures in [`spec`](crate::job::spec), so there is one source of truth. It uses a handful
//! of keywords, and this walk knows exactly those, which a test verifies. A general validator could neither name the field that
//! was probably meant, nor convert `${...}` to the type that its place requires.

use std::collections::BTreeSet;

use serde_json::Value;

use super::tree::{Tree, TreeNode};
use super::yaml;
use crate::job::problem::{At, Problem, nearest, suggestion};
use flowgate_base::quantity::{BYTES_FORMAT, Bytes, DURATION_FORMAT, EXTENT_FORMAT, Extent, Millis};

/// Compares `node` with the schema, and returns the places that cannot be used. Unknown fields are problems; they are renamed to
/// the field that was probably meant, or dropped, so that they cause no further errors.
pub(crate) fn compare(node: &mut TreeNode, schema: &Value, problems: &mut Vec<Problem>) -> Vec<At> {
    let mut shape = Shape { defs: &schema["$defs"], problems, broken: Vec::new() };
    shape.node(node, schema, &At::job());
    shape.broken
}

struct Shape<'a> {
    defs: &'a Value,
    problems: &'a mut Vec<Problem>,
    broken: Vec<At>,
}

impl<'a> Shape<'a> {
    /// Adds a problem at a place that cannot be used, unlike an unknown field, which is dropped.
    fn broken(&mut self, problem: Problem) {
        self.broken.push(problem.at.clone());
        self.problems.push(problem);
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
            Some(name) => &self.defs[name],
            None => schema,
        }
    }

    fn node(&mut self, node: &mut TreeNode, schema: &'a Value, at: &At) {
        if node.tree == Tree::Unknown {
            return;
        }
        let schema = self.resolve(schema);
        if let Some(cases) = schema["anyOf"].as_array() {
            return self.any_of(node, cases, at);
        }
        if let Some(cases) = schema["oneOf"].as_array() {
            let words: Vec<&str> = cases.iter().filter_map(|c| c["const"].as_str()).collect();
            return self.word(node, &words, at);
        }
        if let Some(words) = schema["enum"].as_array() {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            return self.word(node, &words, at);
        }
        let types = types(schema);
        if types.is_empty() {
            // Any value, such as a plugin's config.
            return retype_all(node);
        }
        if let Tree::Filled(text) = &node.tree
            && !types.contains(&"string")
            && let Ok(tree) = yaml::plain(text)
        {
            node.tree = tree;
        }
        if !types.iter().any(|t| is(&node.tree, t)) {
            return self.wrong_type(node, schema, &types, at);
        }
        if let Some(wrong) = out_of_range(&node.tree, schema) {
            return self.broken(Problem::error(at.clone(), wrong));
        }
        match &mut node.tree {
            Tree::Map(_) => self.fields(node, schema, at),
            Tree::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    self.node(item, &schema["items"], &at.field(i));
                }
            }
            _ => {}
        }
    }

    /// Compares with `X or null`, for an optional value, or with several types.
    fn any_of(&mut self, node: &mut TreeNode, cases: &'a [Value], at: &At) {
        let fits = |schema: &Value| types(schema).iter().any(|t| is(&node.tree, t));
        let cases: Vec<&'a Value> = cases.iter().map(|c| self.resolve(c)).collect();
        if cases.iter().any(|c| types(c) == ["null"]) && node.tree == Tree::Null {
            return;
        }
        let cases: Vec<&'a Value> = cases.into_iter().filter(|c| types(c) != ["null"]).collect();
        match cases.iter().find(|c| fits(c)).or(if cases.len() == 1 { cases.first() } else { None }) {
            Some(case) => self.node(node, case, at),
            None => {
                let names: Vec<&str> = cases.iter().flat_map(|c| types(c)).map(type_name).collect();
                self.expected(node, &names.join(" or "), at);
            }
        }
    }

    fn word(&mut self, node: &TreeNode, words: &[&str], at: &At) {
        match &node.tree {
            Tree::Text(text) | Tree::Filled(text) => {
                if !words.contains(&text.as_str()) {
                    let help = suggestion(text, "one of", words.iter().copied());
                    let message = format!("expected one of {}, found `{text}`", one_of(words));
                    let problem = Problem::error(at.clone(), message);
                    self.broken(if help.starts_with("did") { problem.help(help) } else { problem });
                }
            }
            _ => {
                self.expected(node, &format!("one of {}", one_of(words)), at);
            }
        }
    }

    fn wrong_type(&mut self, node: &TreeNode, schema: &Value, types: &[&str], at: &At) {
        let what = match schema["format"].as_str() {
            Some(DURATION_FORMAT) => "a duration such as `10s` or `1m30s`".to_string(),
            Some(EXTENT_FORMAT) => "a duration such as `10s`, or a number of rows such as `100 rows`".to_string(),
            Some(BYTES_FORMAT) => "a number of bytes such as `64KiB`".to_string(),
            _ => {
                let names: Vec<&str> = types.iter().filter(|t| **t != "null").map(|t| type_name(t)).collect();
                names.join(" or ")
            }
        };
        self.expected(node, &what, at);
    }

    fn expected(&mut self, node: &TreeNode, what: &str, at: &At) {
        let found = node.tree.describe();
        let mut problem = Problem::error(at.clone(), format!("expected {what}, found {found}"));
        if what == "text" && matches!(node.tree, Tree::Number(_) | Tree::Bool(_)) {
            problem = problem.help("in quotes it is text");
        }
        if node.tree == Tree::Null && at.steps().last().is_some_and(|name| name.ends_with(')')) {
            problem = problem.help("inside `{ }`, a comma ends the value: put the expression before it in quotes");
        }
        self.broken(problem);
    }

    fn fields(&mut self, node: &mut TreeNode, schema: &'a Value, at: &At) {
        let Tree::Map(entries) = &mut node.tree else { return };
        match (schema["properties"].as_object(), &schema["additionalProperties"]) {
            (Some(known), _) => {
                let mut kept = Vec::with_capacity(entries.len());
                let mut present: BTreeSet<String> = entries.iter().map(|(k, _)| k.name.clone()).collect();
                for (mut key, mut value) in std::mem::take(entries) {
                    if !known.contains_key(&key.name) {
                        let names = || known.keys().map(String::as_str);
                        let free = names().filter(|n| !present.contains(*n));
                        let near = nearest(&key.name, free).map(str::to_string);
                        let help = match &near {
                            Some(near) => format!("did you mean `{near}`? {}", listed(names())),
                            None => listed(names()),
                        };
                        let message = format!("unknown field `{}`", key.name);
                        self.problems.push(Problem::error(at.field(&key.name), message).on_key().help(help));
                        match near {
                            Some(near) => {
                                present.insert(near.clone());
                                key.name = near;
                            }
                            None => continue,
                        }
                    }
                    self.node(&mut value, &known[&key.name], &at.field(&key.name));
                    kept.push((key, value));
                }
                *entries = kept;
            }
            (None, each) if each.is_object() => {
                for (key, value) in entries {
                    self.node(value, each, &at.field(&key.name));
                }
            }
            // `Empty`: no fields.
            (None, _) => {
                for (key, _) in std::mem::take(entries) {
                    let message = format!("unknown field `{}`", key.name);
                    let problem = Problem::error(at.field(&key.name), message).on_key();
                    self.problems.push(problem.help("there are no fields here: write `{}`"));
                }
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if node.get_mut(name).is_none() {
                let help = schema["properties"][name]["description"].as_str().unwrap_or_default();
                let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
                let help = if help.is_empty() { help } else { format!("`{name}`: {help}") };
                self.broken(Problem::error(at.clone(), format!("missing field `{name}`")).on_key().help(help));
            }
        }
    }
}

/// Lists the words, where `int64` stands for `int64?` too.
fn one_of(words: &[&str]) -> String {
    let bare = words.iter().filter(|w| !w.ends_with('?')).map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
    if words.iter().any(|w| w.ends_with('?')) {
        format!("{bare} (with `?` where a row may have no value)")
    } else {
        bare
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    format!("fields here: {}", names.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", "))
}

/// Returns the JSON types that a schema allows; empty if it allows any.
fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is(tree: &Tree, json_type: &str) -> bool {
    match json_type {
        "null" => matches!(tree, Tree::Null),
        "boolean" => matches!(tree, Tree::Bool(_)),
        "integer" => matches!(tree, Tree::Number(n) if n.is_i64() || n.is_u64()),
        "number" => matches!(tree, Tree::Number(_)),
        "string" => matches!(tree, Tree::Text(_) | Tree::Filled(_)),
        "array" => matches!(tree, Tree::List(_)),
        "object" => matches!(tree, Tree::Map(_)),
        _ => false,
    }
}

fn type_name(json_type: &str) -> &'static str {
    match json_type {
        "null" => "nothing",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        _ => "fields",
    }
}

/// Returns why a value of the right type is refused: its quantity does not parse, or its number is too small or too large.
fn out_of_range(tree: &Tree, schema: &Value) -> Option<String> {
    let format = schema["format"].as_str().unwrap_or_default();
    match tree {
        Tree::Text(text) | Tree::Filled(text) => match format {
            DURATION_FORMAT => text.parse::<Millis>().err(),
            EXTENT_FORMAT => text.parse::<Extent>().err(),
            BYTES_FORMAT => text.parse::<Bytes>().err(),
            _ => None,
        },
        Tree::Number(n) => {
            let (least, greatest) = match format {
                "uint" | "uint64" | BYTES_FORMAT => (0, u64::MAX),
                "uint32" => (0, u32::MAX.into()),
                "int64" => (i64::MIN, i64::MAX as u64),
                _ => return None,
            };
            let least = schema["minimum"].as_i64().unwrap_or(least).max(least);
            if n.as_i64().is_some_and(|n| n < least) {
                return Some(format!("expected at least {least}, found {n}"));
            }
            n.as_u64().filter(|n| *n > greatest).map(|n| format!("expected at most {greatest}, found {n}"))
        }
        _ => None,
    }
}

/// Converts `${...}` where any value is allowed: to the type that YAML would choose.
fn retype_all(node: &mut TreeNode) {
    match &mut node.tree {
        Tree::Filled(text) => node.tree = yaml::plain(text).unwrap_or_else(|_| Tree::Text(std::mem::take(text))),
        Tree::List(items) => items.iter_mut().for_each(retype_all),
        Tree::Map(entries) => entries.iter_mut().for_each(|(_, value)| retype_all(value)),
        _ => {}
    }
}
