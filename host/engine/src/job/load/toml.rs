//! TOML with positions.

use serde_json::Number;
use toml::de::{DeTable, DeValue};

use super::tree::{Place, Span, Tree, TreeKey, TreeNode};
use super::yaml::Wrong;

/// Parses a job file. Duplicate fields are syntax errors in TOML.
pub(crate) fn parse(text: &str) -> Result<TreeNode, Wrong> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|e| {
        let span = e.span().map(|s| lines.span(s.start, s.end));
        Wrong { span, message: format!("not valid TOML: {}", e.message()), help: None }
    })?;
    let range = table.span();
    lines.table(table.get_ref(), lines.span(range.start, range.start))
}

/// Maps byte offsets to lines and columns.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Lines<'a> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Lines { text, starts }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let line = self.starts.partition_point(|s| *s <= start).max(1);
        let chars = |from: usize, to: usize| self.text.get(from..to).map_or(1, |t| t.chars().count());
        let piece = self.text.get(start..end).unwrap_or_default();
        let width = if piece.contains('\n') { 1 } else { piece.chars().count().max(1) };
        Span { line, column: chars(self.starts[line - 1], start) + 1, width, text_from: None }
    }

    fn table(&self, table: &DeTable<'_>, at: Span) -> Result<TreeNode, Wrong> {
        // The parser sorts by name, but the user's order counts, for example for the columns of a source.
        let mut fields: Vec<_> = table.iter().collect();
        fields.sort_by_key(|(key, _)| key.span().start);
        let mut entries = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            let (k, v) = (key.span(), value.span());
            let key = TreeKey { name: key.get_ref().to_string(), place: Place::Text(self.span(k.start, k.end)) };
            entries.push((key, self.value(value.get_ref(), self.span(v.start, v.end))?));
        }
        Ok(TreeNode { place: Place::Text(at), tree: Tree::Map(entries) })
    }

    fn value(&self, value: &DeValue<'_>, mut at: Span) -> Result<TreeNode, Wrong> {
        let tree = match value {
            DeValue::String(text) => {
                at.text_from = (at.width == text.chars().count() + 2).then_some(1);
                Tree::Text(text.to_string())
            }
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix());
                Tree::Number(number.map_err(|_| wrong(at, format!("the number {integer} is too large")))?.into())
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(Number::from_f64);
                Tree::Number(number.ok_or_else(|| wrong(at, format!("`{float}` is not a number that a job can have")))?)
            }
            DeValue::Boolean(b) => Tree::Bool(*b),
            DeValue::Datetime(time) => Tree::Text(time.to_string()),
            DeValue::Array(items) => {
                let node = |item: &toml::Spanned<DeValue<'_>>| {
                    let range = item.span();
                    self.value(item.get_ref(), self.span(range.start, range.end))
                };
                Tree::List(items.iter().map(node).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => return self.table(table, at),
        };
        Ok(TreeNode { place: Place::Text(at), tree })
    }
}

fn wrong(at: Span, message: String) -> Wrong {
    Wrong { span: Some(at), message, help: None }
}
