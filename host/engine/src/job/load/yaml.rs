//! YAML with positions; also JSON, which is YAML.
//!
//! Aliases are refused: no job needs them, and they make small files unfold into huge ones.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, Tag};
use serde_json::Number;

use super::tree::{Place, Span, Tree, TreeKey, TreeNode};

/// The greatest depth of nested lists and fields. A job needs six.
pub(crate) const DEPTH_MAX: usize = 64;

/// An error at a place that is no field.
pub(crate) struct Wrong {
    pub(crate) span: Option<Span>,
    pub(crate) message: String,
    pub(crate) help: Option<&'static str>,
}

impl Wrong {
    fn new(span: Span, message: impl Into<String>) -> Wrong {
        Wrong { span: Some(span), message: message.into(), help: None }
    }
}

/// Returns the span of marks, and its characters if it is within one line.
fn span(marks: Marks, chars: &[char]) -> (Span, String) {
    let one_line = marks.start.line() == marks.end.line();
    let piece = chars.get(marks.start.index()..marks.end.index()).filter(|_| one_line).unwrap_or_default();
    // The parser includes the blanks after a quoted text.
    let raw: String = piece.iter().collect::<String>().trim_end().into();
    let width = raw.chars().count().max(1);
    (Span { line: marks.start.line(), column: marks.start.col() + 1, width, text_from: None }, raw)
}

/// A list or a mapping that has begun and not ended.
enum Open {
    List {
        at: Span,
        items: Vec<TreeNode>,
    },
    Map {
        at: Span,
        entries: Vec<(TreeKey, TreeNode)>,
        /// The lines of the names so far.
        lines: HashMap<String, usize>,
        key: Option<TreeKey>,
    },
}

/// Parses one document. Duplicate fields are added to `wrong`, and the first one stays.
///
/// # Errors
/// The document cannot be parsed.
pub(crate) fn parse(text: &str, wrong: &mut Vec<Wrong>) -> Result<TreeNode, Wrong> {
    let chars: Vec<char> = text.chars().collect();
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<TreeNode> = None;
    while let Some(event) = parser.next_event() {
        let (event, marks) = event.map_err(|e| {
            let marker = e.marker();
            let at = Span { line: marker.line(), column: marker.col() + 1, width: 1, text_from: None };
            let line = text.lines().nth(marker.line().saturating_sub(1)).unwrap_or_default();
            Wrong { help: quotes_needed(line), ..Wrong::new(at, format!("not valid YAML: {}", e.info())) }
        })?;
        let (at, raw) = span(marks, &chars);
        let done = match event {
            Event::Alias(_) => {
                let help = Some("a text that begins with `*`, such as a pattern of files, needs quotes");
                return Err(Wrong { help, ..Wrong::new(at, "YAML aliases (`*name`) are not allowed in job files") });
            }
            Event::Scalar(.., Some(tag)) | Event::SequenceStart(_, Some(tag)) | Event::MappingStart(_, Some(tag))
                if !is_known(&tag) =>
            {
                let help = Some("a text that begins with `!` needs quotes");
                let message = format!("the YAML tag `{}{}` means nothing in a job file", tag.handle, tag.suffix);
                return Err(Wrong { help, ..Wrong::new(at, message) });
            }
            Event::DocumentStart(_) if root.is_some() => {
                return Err(Wrong::new(at, "a job file is one YAML document; this begins a second one"));
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEPTH_MAX => {
                return Err(Wrong::new(at, format!("more than {DEPTH_MAX} levels deep")));
            }
            Event::SequenceStart(..) => {
                refuse_as_key(&open, at)?;
                open.push(Open::List { at, items: Vec::new() });
                continue;
            }
            Event::MappingStart(..) => {
                refuse_as_key(&open, at)?;
                open.push(Open::Map { at, entries: Vec::new(), lines: HashMap::new(), key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List { at, items }) => TreeNode { place: Place::Text(at), tree: Tree::List(items) },
                Some(Open::Map { at, entries, .. }) => TreeNode { place: Place::Text(at), tree: Tree::Map(entries) },
                None => continue,
            },
            Event::Scalar(value, style, _, tag) => {
                if let Some(Open::Map { key: key @ None, .. }) = open.last_mut() {
                    *key = Some(TreeKey { name: value.into_owned(), place: Place::Text(at) });
                    continue;
                }
                let text = tag.as_ref().is_some_and(|t| t.is_yaml_core_schema() && t.suffix == "str");
                scalar(&value, &raw, style, text, at)?
            }
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(done),
            Some(Open::List { items, .. }) => items.push(done),
            Some(Open::Map { entries, lines, key, .. }) => {
                let Some(key) = key.take() else { continue };
                let line = if let Place::Text(span) = &key.place { span.line } else { 0 };
                match lines.entry(key.name.clone()) {
                    Entry::Occupied(first) => wrong.push(duplicate(&key, *first.get())),
                    Entry::Vacant(vacant) => {
                        vacant.insert(line);
                        entries.push((key, done));
                    }
                }
            }
        }
    }
    root.ok_or_else(|| Wrong { span: None, message: "the file is empty".into(), help: None })
}

/// Returns the value of a text, with variables as they are written.
#[cfg(test)]
pub(crate) fn value_of_yaml(text: &str) -> Result<serde_json::Value, String> {
    let mut wrong = Vec::new();
    let node = parse(text, &mut wrong).map_err(|e| e.message)?;
    if wrong.is_empty() { Ok(node.value()) } else { Err(wrong.swap_remove(0).message) }
}

/// Whether a tag is one of YAML's own, which are accepted.
fn is_known(tag: &Tag) -> bool {
    let of_yaml = ["str", "int", "float", "bool", "null", "seq", "map"];
    (tag.is_yaml_core_schema() && of_yaml.contains(&tag.suffix.as_str()))
        || (tag.handle.is_empty() && tag.suffix == "!")
}

/// Returns help for a line that cannot be parsed: it may have an unquoted character that is special in YAML.
fn quotes_needed(line: &str) -> Option<&'static str> {
    if line.contains("${") {
        return Some("inside `{ }`, a text with `${...}` needs quotes");
    }
    // Whether an unquoted value or name begins there.
    let begins = |at: usize| line[..at].chars().next_back().is_none_or(|before| " \t[{,".contains(before));
    let first = line.char_indices().find(|(at, c)| "*&@`%!".contains(*c) && begins(*at));
    first.map(|(_, c)| match c {
        '*' => "a text that begins with `*`, such as a pattern of files, needs quotes",
        '&' => "a text that begins with `&` needs quotes",
        '@' | '`' => "a text or a name that begins with `@` or a backtick needs quotes",
        '%' => "a text that begins with `%` needs quotes",
        _ => "a text that begins with `!` needs quotes",
    })
}

fn duplicate(key: &TreeKey, first_line: usize) -> Wrong {
    let span = if let Place::Text(span) = &key.place { Some(*span) } else { None };
    Wrong { span, message: format!("`{}` is given twice; the first one is in line {first_line}", key.name), help: None }
}

fn refuse_as_key(open: &[Open], at: Span) -> Result<(), Wrong> {
    match open.last() {
        Some(Open::Map { key: None, .. }) => Err(Wrong::new(
            at,
            "expected a name before `:`, found a list or fields (text with `{` or `[` needs quotes)",
        )),
        _ => Ok(()),
    }
}

fn scalar(value: &str, raw: &str, style: ScalarStyle, is_text: bool, at: Span) -> Result<TreeNode, Wrong> {
    let node = |tree, text_from| TreeNode { place: Place::Text(Span { text_from, ..at }), tree };
    if style != ScalarStyle::Plain || is_text {
        // A text with escapes, or of several lines, is not in the file letter by letter.
        let literal = raw.get(1..raw.len().saturating_sub(1)) == Some(value);
        return Ok(node(Tree::Text(value.into()), literal.then_some(1)));
    }
    let tree = plain(value).map_err(|message| Wrong::new(at, message))?;
    Ok(node(tree, (raw == value).then_some(0)))
}

/// Returns the value of an unquoted scalar in YAML's core schema.
pub(crate) fn plain(value: &str) -> Result<Tree, String> {
    Ok(match value {
        "" | "~" | "null" | "Null" | "NULL" => Tree::Null,
        "true" | "True" | "TRUE" => Tree::Bool(true),
        "false" | "False" | "FALSE" => Tree::Bool(false),
        _ => match number(value)? {
            Some(number) => Tree::Number(number),
            None => Tree::Text(value.into()),
        },
    })
}

fn number(value: &str) -> Result<Option<Number>, String> {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    let too_large = || format!("the number {value} needs more than 64 bits; in quotes it is text");
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        let Some(digits) = value.strip_prefix(prefix) else { continue };
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Ok(None);
        }
        return u64::from_str_radix(digits, radix).map(|n| Some(n.into())).map_err(|_| too_large());
    }
    if [".inf", ".Inf", ".INF"].contains(&digits) || [".nan", ".NaN", ".NAN"].contains(&value) {
        return Err(format!("`{value}` is not a number that a job can have; in quotes it is text"));
    }
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !numeric {
        return Ok(None);
    }
    let unsigned = value.strip_prefix('+').unwrap_or(value);
    if let Ok(n) = unsigned.parse::<u64>() {
        return Ok(Some(n.into()));
    }
    if let Ok(n) = unsigned.parse::<i64>() {
        return Ok(Some(n.into()));
    }
    // A float would be a different number.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(too_large());
    }
    match unsigned.parse::<f64>() {
        Ok(n) => match Number::from_f64(n) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("the number {value} is too large")),
        },
        Err(_) => Ok(None),
    }
}
