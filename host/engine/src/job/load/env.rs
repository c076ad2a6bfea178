//! `${VAR}` and `${VAR:-default}`, filled in from the environment, and `${secret:NAME}`, from the secrets of a node.
//!
//! Variables are filled in after parsing, in texts only, so that a value cannot add fields to a job. `$${` stands for `${`.

use super::tree::{Tree, TreeNode};
use crate::job::problem::{At, Problem, suggestion};
use flowgate_base::secret::{Secrets, VALUE_BYTES_MIN};

/// Returns the value of a variable; `None`: not set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What stands in front of a secret's name.
const SECRET: &str = "secret:";

/// What a document may refer to.
#[derive(Clone, Copy)]
pub struct Variables<'a> {
    /// The environment.
    pub environment: Environment<'a>,
    /// The secrets; `None`: the job is not on a node, which alone has some.
    pub secrets: Option<&'a Secrets>,
}

impl<'a> Variables<'a> {
    /// Creates the variables of an environment, without secrets.
    pub fn of(environment: Environment<'a>) -> Variables<'a> {
        Variables { environment, secrets: None }
    }

    /// Returns the value of a secret, or why it has none.
    fn secret(&self, name: &str) -> Result<&str, Wrong> {
        if name.contains(":-") {
            let help = "a default would stand in the job file, where everybody reads it; set the secret".into();
            return Err(Wrong { help, ..Wrong::new("a secret has no default".into()) });
        }
        if !is_name(name) {
            return Err(Wrong::new(format!("`{name}` is not the name of a secret")));
        }
        let Some(secrets) = self.secrets else {
            let message =
                format!("the secret {name} is not known here: secrets exist on a node only (`flowgate serve`)");
            let help = format!("elsewhere, take the value from the environment: `${{{name}}}`");
            return Err(Wrong { help, ..Wrong::new(message) });
        };
        match secrets.get(name) {
            Some(secret) if secret.value().len() < VALUE_BYTES_MIN => Err(Wrong::new(format!(
                "the secret {name} has fewer than {VALUE_BYTES_MIN} bytes, which messages cannot hide"
            ))),
            Some(secret) => Ok(secret.value()),
            None => {
                let help = suggestion(name, "secrets", secrets.keys().map(String::as_str));
                Err(Wrong { help, ..Wrong::new(format!("there is no secret {name}")) })
            }
        }
    }

    /// Returns the value of an environment variable, or why it has none.
    fn variable(&self, name: &str, default: Option<&str>) -> Result<String, Wrong> {
        if !is_name(name) {
            return Err(Wrong::new(format!("`{name}` is not the name of an environment variable")));
        }
        // As in a shell, `:-` also stands in for a variable that is set but empty.
        match ((self.environment)(name), default) {
            (Some(value), None) => Ok(value),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value),
            (_, Some(default)) => Ok(default.into()),
            (None, None) => {
                let help = match self.secrets {
                    None => "a default is written `${NAME:-default}`",
                    Some(_) => {
                        "a job on a node has no environment; a default is written `${NAME:-default}`, a secret of the \
                                tenant `${secret:NAME}`"
                    }
                };
                let message = format!("the environment variable {name} is not set");
                Err(Wrong { help: help.into(), ..Wrong::new(message) })
            }
        }
    }
}

/// What is wrong with a variable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Where it begins in its text, in characters.
    offset: usize,
    message: String,
    help: String,
}

impl Wrong {
    fn new(message: String) -> Wrong {
        Wrong { offset: 0, message, help: String::new() }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a place may have a secret: a setting of a source or a sink, or a plugin's config. What is elsewhere, and paths, becomes a
/// name in messages, graphs and checkpoints.
fn takes_secrets(at: &At) -> bool {
    let is_setting = match at.steps() {
        [section, _, _, _, ..] if section == "sources" || section == "sinks" => true,
        [section, _, field, _, ..] => section == "operators" && field == "config",
        _ => false,
    };
    is_setting && at.steps().last().is_none_or(|last| last != "path")
}

/// Fills in the variables of every text of the tree. Variables that are not set are added to `problems`.
pub(crate) fn fill(node: &mut TreeNode, at: &At, env: &Variables<'_>, problems: &mut Vec<Problem>) {
    match &mut node.tree {
        Tree::Text(text) if text.contains("${") => match substitute(text, env, takes_secrets(at)) {
            Ok(filled) => {
                if let super::tree::Place::Text(span) = &mut node.place {
                    span.text_from = None;
                }
                let whole = text.starts_with("${") && text.find('}') == Some(text.len() - 1);
                node.tree = if whole { Tree::Filled(filled) } else { Tree::Text(filled) };
            }
            Err(wrong) => {
                problems.extend(wrong.into_iter().map(|Wrong { offset, message, help }| {
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

/// Returns the text with its variables filled in, or each error with its offset in characters. `takes_secrets`: it may have some.
pub(crate) fn substitute(text: &str, env: &Variables<'_>, takes_secrets: bool) -> Result<String, Vec<Wrong>> {
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
            wrong.push(Wrong { offset, ..Wrong::new("`${` without `}`; `$${` stands for `${` itself".into()) });
            rest = "";
            break;
        };
        let inside = &rest[start + 2..start + end];
        rest = &rest[start + end + 1..];
        let value = match (inside.strip_prefix(SECRET), inside.split_once(":-")) {
            (Some(_), _) if !takes_secrets => Err(Wrong {
                help: "secrets are for settings of sources and sinks, except paths, and for a function's `config`; what is \
                       elsewhere is shown, and kept in checkpoints"
                    .into(),
                ..Wrong::new("a secret cannot be used here".into())
            }),
            (Some(name), _) => env.secret(name).map(String::from),
            (None, Some((name, default))) => env.variable(name, Some(default)),
            (None, None) => env.variable(inside, None),
        };
        match value {
            Ok(value) => out.push_str(&value),
            Err(of) => wrong.push(Wrong { offset, ..of }),
        }
    }
    out.push_str(rest);
    if wrong.is_empty() { Ok(out) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_base::secret::Secret;

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
            assert_eq!(substitute(text, &Variables::of(&env), true).as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn everything_missing_is_named_with_its_offset() {
        let wrong = substitute("é${NO} ${A} ${9} ${NO2", &Variables::of(&env), true).unwrap_err();
        let offsets: Vec<usize> = wrong.iter().map(|w| w.offset).collect();
        assert_eq!(offsets, [1, 12, 17]);
        assert_eq!(wrong[0].message, "the environment variable NO is not set");
        assert_eq!(wrong[1].message, "`9` is not the name of an environment variable");
        assert!(wrong[2].message.contains("without `}`"));
    }

    #[test]
    fn a_secret_is_filled_in_on_a_node_alone() {
        let secrets: Secrets =
            [("KEY", "hunter22"), ("PIN", "123")].map(|(n, v)| (n.to_string(), Secret::new(v))).into();
        let of = |text: &str, secrets: Option<&Secrets>| {
            let variables = Variables { environment: &env, secrets };
            substitute(text, &variables, true).map_err(|wrong| (wrong[0].message.clone(), wrong[0].help.clone()))
        };
        let node = |text| of(text, Some(&secrets));
        assert_eq!(node("${A}-${secret:KEY}-$${secret:KEY}").as_deref(), Ok("1-hunter22-${secret:KEY}"));
        let (message, help) = node("${secret:KEYS}").unwrap_err();
        assert_eq!((message.as_str(), help.as_str()), ("there is no secret KEYS", "did you mean `KEY`?"));
        assert!(node("${secret:PIN}").unwrap_err().0.contains("fewer than 4 bytes"));
        assert_eq!(node("${secret:KEY:-x}").unwrap_err().0, "a secret has no default");
        assert_eq!(node("${secret:}").unwrap_err().0, "`` is not the name of a secret");
        assert!(node("${NONE}").unwrap_err().1.contains("a job on a node has no environment"));
        assert!(of("${secret:KEY}", None).unwrap_err().0.ends_with("secrets exist on a node only (`flowgate serve`)"));
    }

    #[test]
    fn a_secret_has_its_places() {
        let at = |steps: &str| steps.split('.').fold(At::job(), |at, step| at.field(step));
        for takes in
            ["sinks.out.webhook.url", "sinks.out.webhook.headers.key", "sources.in.x.y", "operators.a.config.k"]
        {
            assert!(takes_secrets(&at(takes)), "{takes}");
        }
        for refuses in ["job", "checkpoint.store", "sources.in.file.path", "sinks.out.input", "operators.a.key.0"] {
            assert!(!takes_secrets(&at(refuses)), "{refuses}");
        }
    }
}
