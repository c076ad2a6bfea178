//! Aggregate expressions: `count()`, `sum(size)`, `plugin:stats/quantile(latency)`.

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) function: Called,
    pub(super) arguments: Vec<Argument>,
}

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Called {
    /// The host's own, such as `sum`.
    Own(String),
    /// A plugin's.
    Plugin {
        plugin: String,
        /// Characters into the expression.
        plugin_at: usize,
        function: String,
        function_at: usize,
    },
}

/// A column that is passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) column: String,
    /// Characters into the expression.
    pub(super) at: usize,
}

/// Why an expression does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Characters into the expression.
    pub(super) at: usize,
    pub(super) message: String,
}

const FORM: &str = "write it like `count()`, `sum(column)` or `plugin:NAME/FUNCTION(column, ...)`";

/// Parses an expression. A column whose name has other characters than letters, digits, `-`, `_` and `.` stands
/// between backquotes.
pub(super) fn parse(text: &str) -> Result<Call, Wrong> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0 };
    reader.blank();
    let start = reader.at;
    let word = reader.word();
    let function = if word == "plugin" && reader.take(':') {
        let plugin_at = reader.at;
        let plugin = reader.word();
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
        Called::Own(word.clone())
    };
    reader.blank();
    if !reader.take('(') {
        return Err(reader.wrong(format!("expected `(` behind the function's name; {FORM}")));
    }
    let arguments = reader.arguments()?;
    reader.blank();
    if reader.at < reader.chars.len() {
        return Err(reader.wrong("expected nothing behind `)`: an aggregate is one call"));
    }
    Ok(Call { function, arguments })
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

    fn arguments(&mut self) -> Result<Vec<Argument>, Wrong> {
        let mut arguments = Vec::new();
        self.blank();
        if self.take(')') {
            return Ok(arguments);
        }
        loop {
            self.blank();
            let at = self.at;
            let column = if self.take('`') { self.quoted()? } else { self.word() };
            match self.peek() {
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
                    return Ok(arguments);
                }
                Some('(') => return Err(self.wrong("calls cannot be nested: an argument is a column")),
                Some(_) => return Err(self.wrong("expected `,` or `)` behind a column's name")),
                None => return Err(self.unclosed()),
            }
        }
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
        Call { function: Called::Own(name.into()), arguments }
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
        assert_eq!(call, Call { function, arguments: vec![Argument { column: "latency".into(), at: 22 }] });
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
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
        fn no_text_is_too_much_for_it(text in ".{0,60}") {
            if let Err(wrong) = parse(&text) {
                prop_assert!(wrong.at <= text.chars().count());
            }
        }
    }
}
