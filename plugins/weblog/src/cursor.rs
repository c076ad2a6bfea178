//! A cursor that reads a line from left to right. Its errors have the expected part and its place.

use flowgate_sdk::Failure;

/// Maximum characters of the line that an error shows.
const EXCERPT_CHARS: usize = 24;

pub(crate) struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Cursor { line, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at == self.line.len()
    }

    /// Returns the failure that something else is there instead of `expected`, with its place.
    #[cold]
    pub(crate) fn failure(&self, expected: &str) -> Failure {
        let position = self.line[..self.at].chars().count() + 1;
        let excerpt: String = self.rest().chars().take(EXCERPT_CHARS).collect();
        let found = if excerpt.is_empty() { "the end of the line".to_owned() } else { format!("`{excerpt}`") };
        Failure::new(format!("expected {expected} at character {position}, found {found}"))
    }

    /// Skips one required character.
    pub(crate) fn expect(&mut self, wanted: u8, expected: &str) -> Result<(), Failure> {
        if self.line.as_bytes().get(self.at) != Some(&wanted) {
            return Err(self.failure(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// Returns the text before the next `end` and skips both. Not empty.
    pub(crate) fn until(&mut self, end: u8, expected: &str) -> Result<&'a str, Failure> {
        match self.rest().bytes().position(|byte| byte == end) {
            None | Some(0) => Err(self.failure(expected)),
            Some(len) => {
                let field = &self.rest()[..len];
                self.at += len + 1;
                Ok(field)
            }
        }
    }

    /// Returns the text before the first blank and brackets that `read` accepts, by their content and the text behind them, and
    /// the result of `read`; skips both. Skips nothing where there are no such brackets.
    pub(crate) fn before_brackets<T>(&mut self, read: impl Fn(&str, &str) -> Option<T>) -> Option<(&'a str, T)> {
        let rest = self.rest();
        let mut from = 0;
        loop {
            let open = from + rest.get(from..)?.find(" [")?;
            let inside = &rest[open + 2..];
            let close = inside.find(']')?;
            if let Some(value) = read(&inside[..close], &inside[close + 1..]) {
                self.at += open + 2 + close + 1;
                return Some((&rest[..open], value));
            }
            from = open + 1;
        }
    }

    /// Returns the text before the next blank or the end of the line; does not skip the blank. Not empty.
    pub(crate) fn word(&mut self, expected: &str) -> Result<&'a str, Failure> {
        let len = self.rest().bytes().position(|byte| byte == b' ').unwrap_or(self.rest().len());
        if len == 0 {
            return Err(self.failure(expected));
        }
        let word = &self.rest()[..len];
        self.at += len;
        Ok(word)
    }

    /// Returns the text between quotes, unchanged; a backslash escapes the next character.
    pub(crate) fn quoted(&mut self, expected: &str) -> Result<&'a str, Failure> {
        self.expect(b'"', expected)?;
        let bytes = self.rest().as_bytes();
        let mut len = 0;
        loop {
            match bytes.get(len) {
                None => return Err(self.failure("a closing `\"` after this")),
                Some(b'"') => break,
                Some(b'\\') => len += 2,
                Some(_) => len += 1,
            }
        }
        let field = &self.rest()[..len];
        self.at += len + 1;
        Ok(field)
    }

    /// Goes back by `bytes`, so that an error points at their beginning.
    pub(crate) fn back(&mut self, bytes: usize) -> &mut Self {
        self.at -= bytes;
        self
    }
}
