//! `${VAR}` and `${VAR:-default}`, filled in from the environment.
//!
//! Variables are filled in after parsing, in texts only, so that a value cannot add fields to a job. `$${` stands for `${`.

use super::tree::{Tree, TreeNode};
use crate::job::problem::{At, Problem};

/// Returns the value of a variable; `None`: not set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Fills in the variables of every text of the tree. Variables that are not set are added to `problems`.
pub(crate) fn fill(node: &mut TreeNode, at: &At, env: Environment<'_>, problems: &mut Vec<Problem>) {
    match &mut node.tree {
        Tree::Text(text) if text.contains("${") => match substitute(text, env) {
            Ok(filled) => {
                if let super::tree::Place::Text(span) = &mut node.place {
                    span.text_from = None;
                }
                let whole = text.starts_with("${") && text.find('}') == Some(text.len() - 1);
                node.tree = if whole { Tree::Filled(filled) } else { Tree::Text(filled) };
            }
            Err(wrong) => {
                problems.extend(wrong.into_iter().map(|(offset, message)| {
                    let help =
                        if message.ends_with("not set") { "a default is written `${NAME:-default}`" } else { "" };
                    Problem::error(at.clone(), message).at_offset(offset).help(help)
                }));
                node.tree = Tree::Unknown;
            }
        },
        Tree::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                fill(item, &at.field(i), env, problems);
            }
        }
        Tree::Map(entries) => {
            for (key, value) in entries {
                fill(value, &at.field(&key.name), env, problems);
            }
        }
        _ => {}
    }
}

/// Returns the text with its variables filled in, or each error with its offset in characters.
pub(crate) fn substitute(text: &str, env: Environment<'_>) -> Result<String, Vec<(usize, String)>> {
    let mut out = String::with_capacity(text.len());
    let mut wrong = Vec::new();
    let mut rest = text;
    let mut offset = 0;
    let mut counted = 0;
    while let Some(start) = rest.find("${") {
        let start_in_text = text.len() - rest.len() + start;
        offset += text[counted..start_in_text].chars().count();
        counted = start_in_text;
        if rest[..start].ends_with('$') {
            out.push_str(&rest[..start - 1]);
            out.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        out.push_str(&rest[..start]);
        let Some(end) = rest[start..].find('}') else {
            wrong.push((offset, "`${` without `}`; `$${` stands for `${` itself".to_string()));
            rest = "";
            break;
        };
        let inside = &rest[start + 2..start + end];
        rest = &rest[start + end + 1..];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            wrong.push((offset, format!("`{name}` is not the name of an environment variable")));
            continue;
        }
        // As in a shell, `:-` also stands in for a variable that is set but empty.
        match (env(name), default) {
            (Some(value), None) => out.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => out.push_str(&value),
            (_, Some(default)) => out.push_str(default),
            (None, None) => wrong.push((offset, format!("the environment variable {name} is not set"))),
        }
    }
    out.push_str(rest);
    if wrong.is_empty() { Ok(out) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        [("A", "1"), ("EMPTY", ""), ("EVIL", "x\nparallelism: 9"), ("NEST", "${A}")]
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.to_string())
    }

    #[test]
    fn variables_defaults_and_escapes() {
        for (text, filled) in [
            ("plain", "plain"),
            ("${A}", "1"),
            ("a${A}b${A}", "a1b1"),
            ("${NONE:-x}", "x"),
            ("${NONE:-}", ""),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY}", ""),
            ("${A:-x}", "1"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$A $", "$A $"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${NEST}", "${A}"),
            ("${EVIL}", "x\nparallelism: 9"),
            ("é${A}", "é1"),
        ] {
            assert_eq!(substitute(text, &env).as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn everything_missing_is_named_with_its_offset() {
        let wrong = substitute("é${NO} ${A} ${9} ${NO2", &env).unwrap_err();
        let offsets: Vec<usize> = wrong.iter().map(|w| w.0).collect();
        assert_eq!(offsets, [1, 12, 17]);
        assert_eq!(wrong[0].1, "the environment variable NO is not set");
        assert_eq!(wrong[1].1, "`9` is not the name of an environment variable");
        assert!(wrong[2].1.contains("without `}`"));
    }
}
