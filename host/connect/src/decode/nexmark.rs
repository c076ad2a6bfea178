//! JSON lines of Nexmark events, as the generators of several systems write them.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::column::{Column, short};
use super::decoder::{Decoder, Decoding};
use super::json::ValueSeed;
use super::{BatchCounter, Cursor, line};
use crate::instant;
use crate::settings::NexmarkTable;
use flowgate_base::error::Result;
use flowgate_base::schema::{DataType, Field, Schema, SchemaRef};

/// Returns the columns of a table.
pub(crate) fn schema_of(table: NexmarkTable) -> Schema {
    use DataType::{Int64, Text, Timestamp};
    let fields: &[(&str, DataType)] = match table {
        NexmarkTable::Person => &[
            ("id", Int64),
            ("name", Text),
            ("email_address", Text),
            ("credit_card", Text),
            ("city", Text),
            ("state", Text),
            ("date_time", Timestamp),
            ("extra", Text),
        ],
        NexmarkTable::Auction => &[
            ("id", Int64),
            ("item_name", Text),
            ("description", Text),
            ("initial_bid", Int64),
            ("reserve", Int64),
            ("date_time", Timestamp),
            ("expires", Timestamp),
            ("seller", Int64),
            ("category", Int64),
            ("extra", Text),
        ],
        NexmarkTable::Bid => &[
            ("auction", Int64),
            ("bidder", Int64),
            ("price", Int64),
            ("channel", Text),
            ("url", Text),
            ("date_time", Timestamp),
            ("extra", Text),
        ],
    };
    Schema::new(fields.iter().map(|(name, data_type)| Field::new(*name, *data_type)).collect())
}

/// The rows of one table.
#[derive(Debug, Clone)]
pub(crate) struct NexmarkLines {
    /// The table.
    pub(crate) table: NexmarkTable,
    /// Maximum rows in a batch.
    pub(crate) batch_rows: usize,
}

impl Decoding for NexmarkLines {
    fn schema(&self) -> SchemaRef {
        Arc::new(schema_of(self.table))
    }

    fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    fn decoder(&self, _name: &str) -> Box<dyn Decoder> {
        let columns = schema_of(self.table).fields.into_iter().map(Column::new).collect();
        Box::new(NexmarkDecoder { table: self.table, columns })
    }
}

/// One event a line. It is in a member of the line's object that is named after its table, in any case: `{"Bid":{...}}`. A member
/// `event_type` (or `eventType`, `type`) of 0, 1 or 2, or of a table's name, says which member counts where there are several;
/// otherwise exactly one must not be null. Other members are ignored.
///
/// Names of columns may be in snake or camel case: `date_time`, `dateTime`. Times are RFC 3339, the same without a zone or with a
/// space for the `T` (then they are UTC), or milliseconds since 1970. A missing `extra` is empty.
struct NexmarkDecoder {
    table: NexmarkTable,
    columns: Vec<Column>,
}

impl NexmarkDecoder {
    /// Appends the row of one line; false where it is of another table. On failure nothing is appended.
    fn row(&mut self, text: &str, rows: usize) -> std::result::Result<bool, String> {
        let problem = RefCell::new(None);
        let visitor = EventVisitor { table: self.table, columns: &mut self.columns, problem: &problem };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let parsed = deserializer.deserialize_map(visitor).and_then(|found| deserializer.end().map(|()| found));
        let found = parsed.map_err(|error| {
            let syntax = || format!("not a JSON object: {error}").replace(" at line 1 column ", " at character ");
            problem.into_inner().unwrap_or_else(syntax)
        });
        let kept = found.and_then(|found| self.settle(&found, rows));
        if kept != Ok(true) {
            self.columns.iter_mut().for_each(|column| column.truncate(rows));
        }
        kept
    }

    /// Whether the line is a row of the table.
    fn settle(&mut self, found: &Found, rows: usize) -> std::result::Result<bool, String> {
        let wanted = self.table.name();
        match (found.event_type, found.rows, found.others) {
            (Some(table), ..) if table != self.table => return Ok(false),
            (Some(_), 0, _) => return Err(format!("the event is said to be a {wanted}, and has none")),
            (_, 2.., _) => return Err(format!("`{wanted}` is given twice")),
            (None, 0, 0) => return Err("the event has no `person`, `auction` or `bid`".into()),
            (None, 0, _) => return Ok(false),
            (None, 1, 1..) => {
                return Err("the event is of several tables, and no `event_type` says which counts".into());
            }
            (_, 1, _) => {}
        }
        for column in &mut self.columns {
            if column.len() == rows {
                match &column.field().name[..] {
                    "extra" => column.push_raw(b""),
                    name => return Err(format!("`{name}` is missing in the {wanted}")),
                }
            }
        }
        Ok(true)
    }
}

impl Decoder for NexmarkDecoder {
    fn decode(&mut self, bytes: &[u8], at_end: bool, cursor: &mut Cursor, batch: &mut BatchCounter) -> Result<usize> {
        Ok(line::each_text(bytes, at_end, cursor, batch, |text, rows| self.row(text, rows)))
    }

    fn take_columns(&mut self) -> Result<Vec<ArrayRef>> {
        self.columns.iter_mut().map(Column::take).collect()
    }
}

/// The members of a line.
#[derive(Default)]
struct Found {
    /// The table of the event, by its type.
    event_type: Option<NexmarkTable>,
    /// The number of members of the wanted table.
    rows: usize,
    /// The number of members of other tables.
    others: usize,
}

fn table_of(name: &str) -> Option<NexmarkTable> {
    [NexmarkTable::Person, NexmarkTable::Auction, NexmarkTable::Bid]
        .into_iter()
        .find(|table| table.name().eq_ignore_ascii_case(name))
}

/// Visits the members of a line. The problem with a value is left in `problem`.
struct EventVisitor<'a> {
    table: NexmarkTable,
    columns: &'a mut [Column],
    problem: &'a RefCell<Option<String>>,
}

impl<'de> Visitor<'de> for EventVisitor<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Found, A::Error> {
        let mut found = Found::default();
        while let Some(member) = map.next_key_seed(NameSeed(|name: &str| match name {
            "event_type" | "eventType" | "type" => Member::EventType,
            name => table_of(name).map_or(Member::Other, Member::Table),
        }))? {
            match member {
                Member::EventType => found.event_type = Some(map.next_value_seed(EventTypeSeed(self.problem))?),
                // A second row is refused later: there is room for it.
                Member::Table(table) if table == self.table => {
                    let seed = RowSeed { columns: &mut *self.columns, problem: self.problem };
                    found.rows += usize::from(map.next_value_seed(seed)?);
                }
                Member::Table(_) => found.others += usize::from(map.next_value::<Option<IgnoredAny>>()?.is_some()),
                Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

enum Member {
    EventType,
    Table(NexmarkTable),
    Other,
}

/// Reads a member's name without a copy.
struct NameSeed<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for NameSeed<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for NameSeed<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<T, E> {
        Ok((self.0)(name))
    }
}

/// Reads `event_type`.
struct EventTypeSeed<'a>(&'a RefCell<Option<String>>);

impl EventTypeSeed<'_> {
    fn wrong<E: de::Error>(&self, found: impl fmt::Display) -> E {
        let message = format!("the event's type is {found}; it must be 0 (person), 1 (auction) or 2 (bid)");
        *self.0.borrow_mut() = Some(message);
        E::custom("event type")
    }
}

impl<'de> DeserializeSeed<'de> for EventTypeSeed<'_> {
    type Value = NexmarkTable;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<NexmarkTable, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for EventTypeSeed<'_> {
    type Value = NexmarkTable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event type")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> std::result::Result<NexmarkTable, E> {
        match value {
            0 => Ok(NexmarkTable::Person),
            1 => Ok(NexmarkTable::Auction),
            2 => Ok(NexmarkTable::Bid),
            _ => Err(self.wrong(value)),
        }
    }

    fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<NexmarkTable, E> {
        table_of(name).ok_or_else(|| self.wrong(format_args!("`{}`", short(name))))
    }
}

/// Appends the members of an object to the columns of the same names; returns false for null.
struct RowSeed<'a> {
    columns: &'a mut [Column],
    problem: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the event's columns")
    }

    fn visit_unit<E: de::Error>(self) -> std::result::Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<bool, A::Error> {
        let rows = self.columns.iter().map(Column::len).min().unwrap_or(0);
        // Most events have their members in the order of the columns.
        let mut likely = 0;
        while let Some(found) = map.next_key_seed(NameSeed(|name: &str| position(self.columns, likely, name)))? {
            let Some(index) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            likely = index + 1;
            let column = &mut self.columns[index];
            if column.len() > rows {
                *self.problem.borrow_mut() = Some(format!("`{}` is given twice", column.field().name));
                return Err(de::Error::custom("twice"));
            }
            match column.field().data_type {
                DataType::Timestamp => {
                    map.next_value_seed(TimeSeed(ValueSeed { column, problem: self.problem, left_out: None }))?
                }
                _ => map.next_value_seed(ValueSeed { column, problem: self.problem, left_out: None })?,
            }
        }
        Ok(true)
    }
}

/// Returns the column of this name, in snake or camel case.
fn position(columns: &[Column], likely: usize, name: &str) -> Option<usize> {
    let is = |column: &Column| column.field().name == name || is_camel(&column.field().name, name);
    match columns.get(likely) {
        Some(column) if is(column) => Some(likely),
        _ => columns.iter().position(is),
    }
}

/// Whether `camel` is `snake` written in camel case: `dateTime` for `date_time`.
fn is_camel(snake: &str, camel: &str) -> bool {
    let mut upper = false;
    let mut wanted = snake.chars().filter_map(|c| {
        let letter = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '_';
        (!upper).then_some(letter)
    });
    camel.chars().all(|c| wanted.next() == Some(c)) && wanted.next().is_none()
}

/// Appends a time to its column.
struct TimeSeed<'a>(ValueSeed<'a>);

impl<'de> DeserializeSeed<'de> for TimeSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for TimeSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time")
    }

    fn visit_u64<E: de::Error>(self, ms: u64) -> std::result::Result<(), E> {
        self.0.visit_u64(ms)
    }

    fn visit_i64<E: de::Error>(self, ms: i64) -> std::result::Result<(), E> {
        self.0.visit_i64(ms)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<(), E> {
        match utc(text).and_then(|text| instant::parse_rfc3339(&text).ok()) {
            Some(ms) => self.0.visit_i64(ms),
            // The general way says what is wrong.
            None => self.0.visit_str(text),
        }
    }
}

/// Returns RFC 3339 for a date and a time without a zone.
fn utc(text: &str) -> Option<String> {
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    let bare = !time.contains(['Z', 'z', '+', '-']);
    (text.is_char_boundary(11) && matches!(text.as_bytes()[10], b' ' | b'T'))
        .then(|| format!("{date}T{time}{}", if bare { "Z" } else { "" }))
}
