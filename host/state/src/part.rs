//! The columns of a part: how they are built and read.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType, UInt8Type, UInt16Type};
use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, TimestampMillisecondArray, UInt8Array, UInt16Array,
    UInt32Array, new_null_array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::key::Keys;
use super::snapshot::{Change, Layout, written_field};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema;

/// A part has about this number of bytes at most.
pub(crate) const PART_BYTES: usize = 4 << 20;

/// The type of times in parts.
pub(crate) fn timestamp() -> DataType {
    schema::DataType::Timestamp.arrow()
}

/// Returns these rows of the columns of a part.
pub(crate) fn choose(columns: &[ArrayRef], rows: &UInt32Array) -> Result<Vec<ArrayRef>> {
    let choose = |column| arrow_select::take::take(column, rows, None);
    let wrong = |e| Error::internal(format!("the rows of a part cannot be chosen: {e}"));
    columns.iter().map(|column| choose(column).map_err(wrong)).collect()
}

/// The columns of the parts of one slot.
#[derive(Debug)]
pub(crate) struct Shape {
    schema: SchemaRef,
    /// The fields of the key.
    pub(crate) key: Vec<schema::Field>,
    has_panes: bool,
    /// The number of the values' columns.
    values: usize,
    expires: bool,
    /// The number of the values' columns that identify an entry.
    entries: usize,
}

/// The rows of a part before it is a batch.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) key_groups: Vec<u16>,
    pub(crate) changes: Vec<Change>,
    /// `None`: null.
    pub(crate) keys: Option<Vec<ArrayRef>>,
    /// `None`: null.
    pub(crate) values: Option<Vec<ArrayRef>>,
    /// `None`: null, or there is no such column.
    pub(crate) written: Option<Vec<i64>>,
}

/// What a part has for one worker.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) changes: Vec<Change>,
    /// The panes of the rows, where there are panes.
    pub(crate) panes: Option<Int64Array>,
    pub(crate) keys: Keys,
    pub(crate) values: Vec<ArrayRef>,
    pub(crate) written: Option<TimestampMillisecondArray>,
}

impl Shape {
    /// Creates the columns of keys of these fields with values of those.
    /// The first `entries` of the values identify an entry within a key.
    pub(crate) fn new(
        key: &[schema::Field],
        has_panes: bool,
        values: Vec<Field>,
        entries: usize,
        expires: bool,
    ) -> Arc<Self> {
        let mut fields =
            vec![Field::new("key_group", DataType::UInt16, false), Field::new("change", DataType::UInt8, false)];
        fields.extend(has_panes.then(|| Field::new("pane", DataType::Int64, false)));
        fields.extend(key.iter().map(|field| Field::new(&field.name, field.data_type.arrow(), true)));
        let value_count = values.len();
        fields.extend(values.into_iter().map(|field| field.with_nullable(true)));
        fields.extend(expires.then(written_field));
        let schema = Arc::new(Schema::new(fields));
        Arc::new(Shape { schema, key: key.to_vec(), has_panes, values: value_count, expires, entries })
    }

    /// How the columns identify rows.
    pub(crate) fn layout(&self) -> Layout {
        Layout { has_panes: self.has_panes, keys: self.key.len(), entries: self.entries }
    }

    /// The columns.
    pub(crate) fn fields(&self) -> Vec<Field> {
        self.schema.fields().iter().map(|field| field.as_ref().clone()).collect()
    }

    /// Returns a part without rows.
    pub(crate) fn empty(&self) -> RecordBatch {
        RecordBatch::new_empty(Arc::clone(&self.schema))
    }

    /// Returns a part of rows of a pane.
    pub(crate) fn batch(&self, rows: Rows, pane: Option<i64>) -> Result<RecordBatch> {
        let count = rows.changes.len();
        let changes = rows.changes.iter().map(|change| *change as u8).collect::<Vec<_>>();
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(UInt16Array::from(rows.key_groups)), Arc::new(UInt8Array::from(changes))];
        if self.has_panes {
            let pane = pane.ok_or_else(|| Error::internal("state of a pane is stored without its number"))?;
            columns.push(Arc::new(Int64Array::from(vec![pane; count])));
        }
        let nulls = |types: &[Arc<Field>]| types.iter().map(|field| new_null_array(field.data_type(), count)).collect();
        let (key_from, fields) = (columns.len(), self.schema.fields());
        let (key, rest) = fields[key_from..].split_at(self.key.len());
        columns.extend(rows.keys.unwrap_or_else(|| nulls(key)));
        columns.extend(rows.values.unwrap_or_else(|| nulls(&rest[..self.values])));
        if self.expires {
            columns.push(match rows.written {
                Some(written) => Arc::new(TimestampMillisecondArray::from(written)),
                None => new_null_array(&timestamp(), count),
            });
        }
        self.of_columns(columns, count)
    }

    fn of_columns(&self, columns: Vec<ArrayRef>, count: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|e| Error::internal(format!("the columns of a part do not fit: {e}")))
    }

    /// Returns a part of panes that are gone.
    pub(crate) fn gone_panes(&self, panes: Vec<i64>) -> Result<RecordBatch> {
        let count = panes.len();
        let rows = Rows { key_groups: vec![0; count], changes: vec![Change::RemovePane; count], ..Rows::default() };
        let mut columns = self.batch(rows, Some(0))?.columns().to_vec();
        columns[2] = Arc::new(Int64Array::from(panes));
        self.of_columns(columns, count)
    }

    /// Returns parts as one.
    pub(crate) fn merged(&self, parts: &[RecordBatch]) -> Result<RecordBatch> {
        if let [part] = parts {
            return Ok(part.clone());
        }
        arrow_select::concat::concat_batches(&self.schema, parts)
            .map_err(|e| Error::internal(format!("parts of one slot do not fit together: {e}")))
    }

    /// Takes a part apart: the rows of these key groups, and those that remove a pane.
    ///
    /// # Errors
    /// The part has other columns: our mistake.
    pub(crate) fn read(&self, part: &RecordBatch, groups: &Range<u32>) -> Result<Part> {
        let matches = |(ours, theirs): (&Arc<Field>, &Arc<Field>)| {
            ours.name() == theirs.name() && ours.data_type() == theirs.data_type()
        };
        let (ours, theirs) = (self.schema.fields(), part.schema_ref().fields());
        if ours.len() != theirs.len() || !ours.iter().zip(theirs).all(matches) {
            let names = |schema: &Schema| schema.fields().iter().map(|f| f.to_string()).collect::<Vec<_>>().join(", ");
            let (found, known) = (names(part.schema_ref()), names(&self.schema));
            return Err(Error::internal(format!(
                "stored state has other columns than the slot: {found}; not: {known}"
            )));
        }
        let key_groups = part.column(0).as_primitive::<UInt16Type>().values();
        let changes = part.column(1).as_primitive::<UInt8Type>().values();
        let is_ours =
            |row: usize| changes[row] == Change::RemovePane as u8 || groups.contains(&u32::from(key_groups[row]));
        let all = (0..part.num_rows()).all(is_ours);
        let columns = if all {
            part.columns()[1..].to_vec()
        } else {
            let ours =
                UInt32Array::from_iter_values((0..part.num_rows()).filter(|row| is_ours(*row)).map(|row| row as u32));
            choose(&part.columns()[1..], &ours)?
        };
        let changes = columns[0].as_primitive::<UInt8Type>().values().iter().map(|change| Change::of(*change));
        let changes = changes.collect::<Result<Vec<_>>>()?;
        let panes = self.has_panes.then(|| columns[1].as_primitive::<Int64Type>().clone());
        let key_from = 1 + usize::from(self.has_panes);
        let (keys, rest) = columns[key_from..].split_at(self.key.len());
        let keys = Keys::of(keys, changes.len())?;
        let written = rest.get(self.values).map(|column| column.as_primitive::<TimestampMillisecondType>().clone());
        Ok(Part { changes, panes, keys, values: rest[..self.values].to_vec(), written })
    }
}

impl Part {
    /// Returns rows `from..to`.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Result<Part> {
        let length = to - from;
        Ok(Part {
            changes: self.changes[from..to].to_vec(),
            panes: self.panes.as_ref().map(|panes| panes.slice(from, length)),
            keys: self.keys.slice(from, length),
            values: self.values.iter().map(|column| column.slice(from, length)).collect(),
            written: self.written.as_ref().map(|written| written.slice(from, length)),
        })
    }
}
