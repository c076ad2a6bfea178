//! JSON lines: one object a line.

use std::cell::{Cell, RefCell};
use std::fmt;

use arrow_array::ArrayRef;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::column::Column;
use super::{BatchCounter, Cursor, Decoder};
use super::{epoch, json_span, line};
use flowgate_base::error::Result;
use flowgate_base::schema::DataType;

/// Fields by name, in any order; fields that are no column are ignored, lines of white space skipped. A missing field and `null`
/// are both no value. int64 accepts only integers, in any notation (`1000`, `1e3`, `1000.0`), timestamp RFC 3339 text or an
/// integer in its unit, bytes base64 text, and json any value, whose text is kept unchanged. A field that occurs twice fails the
/// row.
///
/// Values go directly into the columns: no document is built.
pub(crate) struct JsonDecoder {
    columns: Vec<Column>,
    has_json: bool,
    /// Scratch: the columns for which the row had a field.
    seen: Vec<bool>,
}

impl JsonDecoder {
    /// Creates a decoder of these columns.
    pub(super) fn new(columns: Vec<Column>) -> Self {
        let has_json = columns.iter().any(|column| column.field().data_type == DataType::Json);
        JsonDecoder { seen: vec![false; columns.len()], columns, has_json }
    }

    /// Appends the row of one line; on failure nothing is appended.
    fn row(&mut self, text: &str, rows: usize) -> std::result::Result<(), String> {
        let parsed = self.fields(text, rows);
        if parsed.is_err() {
            for column in &mut self.columns {
                column.truncate(rows);
            }
        }
        parsed
    }

    fn fields(&mut self, text: &str, rows: usize) -> std::result::Result<(), String> {
        self.seen.fill(false);
        let (problem, left_out) = (RefCell::new(None), Cell::new(self.has_json));
        let seen = &mut self.seen;
        let visitor = RowVisitor { columns: &mut self.columns, seen, problem: &problem, left_out: &left_out };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let parsed = deserializer.deserialize_map(visitor).and_then(|()| deserializer.end());
        if let Err(error) = parsed {
            let error = error.to_string().replace(" at line 1 column ", " at character ");
            let what = if error.starts_with("number out of range") { "" } else { "not a JSON object: " };
            return Err(problem.into_inner().unwrap_or_else(|| format!("{what}{error}")));
        }
        if left_out.get() {
            self.as_written(text, rows)?;
        }
        for column in &mut self.columns {
            if column.len() == rows && !column.push_null() {
                return Err(format!(
                    "column `{}` has no value; it is {}",
                    column.field().name,
                    column.field().type_name()
                ));
            }
        }
        Ok(())
    }

    /// Appends values from their text, which the visitor has only checked: those of json columns, and integers in another
    /// notation (`1e3`), which a float would not hold exactly.
    fn as_written(&mut self, text: &str, rows: usize) -> std::result::Result<(), String> {
        for (name, value) in json_span::members(text) {
            let Some(column) = self.columns.iter_mut().find(|c| c.field().name == name) else { continue };
            if column.len() > rows || value == "null" {
                continue;
            }
            if column.is_integral() {
                column.push_written(value).map_err(|what| format!("column `{name}`: {what}"))?;
                continue;
            }
            if json_span::depth(value) > crate::limits::JSON_DEPTH_MAX {
                return Err(format!("column `{name}` is nested deeper than {}", crate::limits::JSON_DEPTH_MAX));
            }
            column.push_raw(value.as_bytes());
        }
        Ok(())
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, bytes: &[u8], at_end: bool, cursor: &mut Cursor, batch: &mut BatchCounter) -> Result<usize> {
        Ok(line::each_text(bytes, at_end, cursor, batch, |text, rows| self.row(text, rows).map(|()| true)))
    }

    fn take_columns(&mut self) -> Result<Vec<ArrayRef>> {
        self.columns.iter_mut().map(Column::take).collect()
    }

    fn take_warning(&mut self) -> Option<String> {
        epoch::warning(&mut self.columns)
    }
}

/// Visits the fields of one object. The problem with a value is left in `problem`: serde_json's error would contain a position
/// that means nothing to the reader.
struct RowVisitor<'a> {
    columns: &'a mut [Column],
    seen: &'a mut [bool],
    problem: &'a RefCell<Option<String>>,
    left_out: &'a Cell<bool>,
}

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        // Most rows have their fields in the order of the columns, or nearly.
        let mut likely = 0;
        while let Some(found) = map.next_key_seed(NameSeed { columns: self.columns, likely })? {
            let Some(index) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            likely = index + 1;
            let column = &mut self.columns[index];
            if std::mem::replace(&mut self.seen[index], true) {
                *self.problem.borrow_mut() = Some(format!("column `{}` is given twice", column.field().name));
                return Err(de::Error::custom("twice"));
            }
            if column.field().data_type == DataType::Json {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(ValueSeed { column, problem: self.problem, left_out: Some(self.left_out) })?;
            }
        }
        Ok(())
    }
}

/// Finds the column of a field's name.
struct NameSeed<'a> {
    columns: &'a [Column],
    likely: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<Option<usize>, E> {
        match self.columns.get(self.likely) {
            Some(column) if column.field().name == name => Ok(Some(self.likely)),
            _ => Ok(self.columns.iter().position(|c| c.field().name == name)),
        }
    }
}

/// Appends one value to its column.
pub(super) struct ValueSeed<'a> {
    pub(super) column: &'a mut Column,
    pub(super) problem: &'a RefCell<Option<String>>,
    /// Set where a number for an integral column is not written as an integer, and so left out. `None`: it is refused.
    pub(super) left_out: Option<&'a Cell<bool>>,
}

impl ValueSeed<'_> {
    fn wrong<E: de::Error>(&self, what: impl fmt::Display) -> E {
        *self.problem.borrow_mut() = Some(format!("column `{}`: {what}", self.column.field().name));
        E::custom("wrong type")
    }

    fn unexpected<E: de::Error>(&self, found: impl fmt::Display) -> E {
        self.wrong(format_args!("expected {}, found {found}", self.column.field().data_type))
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.column.field().data_type)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> std::result::Result<(), E> {
        if self.column.push_boolean(value) { Ok(()) } else { Err(self.unexpected(value)) }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> std::result::Result<(), E> {
        if self.column.push_integer(value) { Ok(()) } else { Err(self.wrong(self.column.refused(value))) }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> std::result::Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) if self.column.field().data_type == DataType::Float64 => self.visit_f64(value as f64),
            Err(_) => Err(self.wrong(self.column.refused(value))),
        }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> std::result::Result<(), E> {
        match self.left_out {
            Some(left_out) if self.column.is_integral() => {
                left_out.set(true);
                Ok(())
            }
            _ if self.column.push_float(value) => Ok(()),
            _ => Err(self.wrong(self.column.refused(value))),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> std::result::Result<(), E> {
        self.column.push_text(value).map_err(|what| self.wrong(what))
    }

    fn visit_unit<E: de::Error>(self) -> std::result::Result<(), E> {
        if self.column.push_null() { Ok(()) } else { Err(self.unexpected("null")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> std::result::Result<(), A::Error> {
        Err(self.unexpected("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> std::result::Result<(), A::Error> {
        Err(self.unexpected("an object"))
    }
}
