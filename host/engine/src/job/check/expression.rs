//! Aggregate expressions: `count()`, `sum(size)`, `plugin:stats/quantile(latency, q=0.95)`.

use serde_json::{Map, Value};

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) function: Called,
    pub(super) arguments: Vec<Argument>,
    /// The settings, if there are any: a plugin function's config, or those of a built-in aggregate such as `q=0.95`.
    pub(super) config: Option<Value>,
}

/// The function that is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Called {
    /// A built-in aggregate, such as `sum`.
    BuiltIn(String),
    /// A plugin's function; offsets are in characters.
    Plugin {
        plugin: String,
        /// The offset in the expression, in characters.
        plugin_at: usize,
        function: String,
        function_at: usize,
    },
}

/// A column as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) column: String,
    /// The offset in the expression, in characters.
    pub(super) at: usize,
}

/// An error in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The offset in the expression, in characters.
    pub(super) at: usize,
    pub(super) message: String,
}

const FORM: &str = "write it like `count()`, `sum(column)` or `plugin:NAME/FUNCTION(column, ..., setting=value)`";

/// Parses an expression. A column name with other characters than letters, digits, `-`, `_` and `.` is between backquotes.
/// Settings follow the columns; their values are JSON numbers, texts, `true`, `false` or `null`.
pub(super) fn parse(text: &str) -> Result<Call, Wrong> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0 };
    reader.blank();
    let start = reader.at;
    let word = reader.word();
    let function = if word == "plugin" && reader.take(':') {
        let plugin_at = reader.at;
        let mut plugin = reader.word();
        // On a node, a name may have a version: `stats@2`.
        if !plugin.is_empty() && reader.take('@') {
            plugin = format!("{plugin}@{}", reader.word());
        }
        if plugin.is_empty() {
            return Err(reader.wrong("expected a plugin's name behind `plugin:`"));
        }
        if !reader.take('/') {
            return Err(reader.wrong(format!("expected `/` and a function's name behind `plugin:{plugin}`")));
        }
        let function_at = reader.at;
        let function = reader.word();
        if function.is_empty() {
            return Err(reader.wrong(format!("expected a function's name behind `plugin:{plugin}/`")));
        }
        Called::Plugin { plugin, plugin_at, function, function_at }
    } else if word.is_empty() {
        return Err(Wrong { at: start, message: format!("expected the name of a function; {FORM}") });
    } else {
        Called::BuiltIn(word.clone())
    };
    reader.blank();
    if !reader.take('(') {
        return Err(reader.wrong(format!("expected `(` behind the function's name; {FORM}")));
    }
    let is_plugin = matches!(function, Called::Plugin { .. });
    let (arguments, config) = reader.arguments(is_plugin)?;
    reader.blank();
    if reader.at < reader.chars.len() {
        return Err(reader.wrong("expected nothing behind `)`: an aggregate is one call"));
    }
    Ok(Call { function, arguments, config })
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is = self.peek() == Some(wanted);
        self.at += usize::from(is);
        is
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong { at: self.at, message: message.into() }
    }

    fn unclosed(&self) -> Wrong {
        self.wrong("missing `)`; inside `{ }`, a comma ends the value: put the expression in quotes")
    }

    /// Reads columns and settings.
    fn arguments(&mut self, is_plugin: bool) -> Result<(Vec<Argument>, Option<Value>), Wrong> {
        let mut arguments = Vec::new();
        let mut settings = Map::new();
        self.blank();
        if self.take(')') {
            return Ok((arguments, None));
        }
        loop {
            self.blank();
            let at = self.at;
            let column = if self.take('`') { self.quoted()? } else { self.word() };
            self.blank();
            match self.peek() {
                Some('=') if !column.is_empty() => {
                    self.at += 1;
                    let value = self.value(is_plugin)?;
                    if settings.insert(column.clone(), value).is_some() {
                        return Err(Wrong { at, message: format!("`{column}` is set twice") });
                    }
                }
                _ if !settings.is_empty() => {
                    return Err(Wrong { at, message: "columns come before settings".into() });
                }
                None if column.is_empty() => return Err(self.unclosed()),
                _ if column.is_empty() => {
                    return Err(
                        self.wrong("expected a column's name (one with other characters goes between backquotes)")
                    );
                }
                _ => arguments.push(Argument { column, at }),
            }
            self.blank();
            match self.peek() {
                Some(',') => self.at += 1,
                Some(')') => {
                    self.at += 1;
                    return Ok((arguments, (!settings.is_empty()).then_some(Value::Object(settings))));
                }
                Some('(') => return Err(self.wrong("calls cannot be nested: an argument is a column")),
                Some(_) => return Err(self.wrong("expected `,` or `)` behind a column's name")),
                None => return Err(self.unclosed()),
            }
        }
    }

    /// Reads the value of a setting: a JSON text, or the text up to `,` or `)`; for a built-in aggregate also a column's name
    /// (`filter=valid`).
    fn value(&mut self, is_plugin: bool) -> Result<Value, Wrong> {
        self.blank();
        let start = self.at;
        if self.take('"') {
            while self.peek().is_some_and(|c| c != '"') {
                self.at += if self.peek() == Some('\\') { 2 } else { 1 };
            }
            self.at += 1;
        } else {
            while self.peek().is_some_and(|c| !matches!(c, ',' | ')')) {
                self.at += 1;
            }
        }
        self.at = self.at.min(self.chars.len());
        let text: String = self.chars[start..self.at].iter().collect();
        let is_name = |text: &str| text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !is_plugin && text.trim().starts_with(|c: char| c.is_alphabetic() || c == '_') && is_name(text.trim()) {
            return Ok(Value::String(text.trim().into()));
        }
        serde_json::from_str(text.trim()).map_err(|_| Wrong {
            at: start,
            message: format!(
                "`{}` is not a JSON value: write a number, a text in \"\", true, false or null",
                text.trim()
            ),
        })
    }

    fn quoted(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        while self.peek().is_some_and(|c| c != '`') {
            self.at += 1;
        }
        let name = self.chars[start..self.at].iter().collect();
        if self.take('`') { Ok(name) } else { Err(self.wrong("missing the second backquote")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own(name: &str, arguments: &[(&str, usize)]) -> Call {
        let arguments = arguments.iter().map(|(c, at)| Argument { column: c.to_string(), at: *at }).collect();
        Call { function: Called::BuiltIn(name.into()), arguments, config: None }
    }

    #[test]
    fn calls_with_offsets() {
        assert_eq!(parse("count()"), Ok(own("count", &[])));
        assert_eq!(parse(" sum ( size ) "), Ok(own("sum", &[("size", 7)])));
        assert_eq!(parse("max(`a b,)`)"), Ok(own("max", &[("a b,)", 4)])));
        assert_eq!(parse("f(a.b, ü-1)"), Ok(own("f", &[("a.b", 2), ("ü-1", 7)])));
        assert_eq!(parse("plugin()"), Ok(own("plugin", &[])));
        let call = parse("plugin:stats/quantile(latency)").unwrap();
        let function =
            Called::Plugin { plugin: "stats".into(), plugin_at: 7, function: "quantile".into(), function_at: 13 };
        let arguments = vec![Argument { column: "latency".into(), at: 22 }];
        assert_eq!(call, Call { function, arguments, config: None });
    }

    #[test]
    fn settings_of_a_plugin_function() {
        let config = |text| parse(text).unwrap().config.unwrap();
        assert_eq!(config("plugin:s/q(a, q=0.95)"), serde_json::json!({ "q": 0.95 }));
        assert_eq!(
            config(r#"plugin:s/q( a , x = "b, \"c\")" ,y=true,z= null )"#),
            serde_json::json!({ "x": "b, \"c\")", "y": true, "z": null })
        );
        assert_eq!(config("plugin:s/q(n=-1e3)"), serde_json::json!({ "n": -1000.0 }));
    }

    #[test]
    fn errors_have_the_offset_of_the_wrong_part() {
        for (text, at, message) in [
            ("", 0, "expected the name of a function"),
            ("count", 5, "expected `(`"),
            ("sum(", 4, "missing `)`"),
            ("sum(a", 5, "missing `)`"),
            ("sum(a,", 6, "missing `)`"),
            ("sum(a b)", 6, "expected `,` or `)`"),
            ("sum(a))", 6, "expected nothing behind"),
            ("sum(a) / 2", 7, "expected nothing behind"),
            ("sum(max(a))", 7, "nested"),
            ("sum(,a)", 4, "expected a column's name"),
            ("sum(`a)", 7, "backquote"),
            ("quantile(a, q=0..5)", 14, "not a JSON value"),
            ("plugin:s/q(q=1, a)", 16, "columns come before"),
            ("plugin:s/q(q=1, q=2)", 16, "set twice"),
            ("plugin:s/q(a, q=high)", 16, "not a JSON value"),
            ("plugin:s/q(a, q=\"x", 16, "not a JSON value"),
            ("plugin:s/q(a, q=1", 17, "missing `)`"),
            ("plugin:(a)", 7, "plugin's name"),
            ("plugin:stats(a)", 12, "expected `/`"),
            ("plugin:stats/(a)", 13, "function's name"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert_eq!(wrong.at, at, "{text}");
            assert!(wrong.message.contains(message), "{text}: {}", wrong.message);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            if let Err(wrong) = parse(&text) {
                prop_assert!(wrong.at <= text.chars().count());
            }
        }
    }
}
