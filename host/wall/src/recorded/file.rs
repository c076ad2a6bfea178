//! The text of a recorded call: JSON, in which rows are an Arrow IPC stream in base64, and bytes are base64.
//!
//! JSON has neither bytes nor NaN, and a call that is made again gets the same bits.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::Schema;
use data_encoding::BASE64;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;
use serde::{Deserialize, Serialize};

use super::call::RecordedCall;
use super::rows::Rows;
use crate::memory_state::{KeptValue, MemoryState};
use crate::wire::VarValues;

/// What the text begins with: its format, and the version of it.
const FORMAT: &str = "flowgate recorded call 1";

/// The text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text<C> {
    format: String,
    call: C,
}

impl RecordedCall {
    /// Returns its text, on several lines for people.
    ///
    /// # Errors
    /// Its columns are not those of its fields: our mistake.
    pub fn to_text(&self) -> Result<Vec<u8>> {
        let text = Text { format: FORMAT.to_string(), call: self };
        serde_json::to_vec_pretty(&text).map_err(|e| Error::internal(format!("a recorded call has no text: {e}")))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It is no recorded call, says how.
    pub fn of_text(text: &[u8]) -> std::result::Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: Option<String>,
        }
        let no_call = |e: serde_json::Error| format!("this is no recorded call: {e}");
        match serde_json::from_slice::<Format>(text).map_err(no_call)?.format.as_deref() {
            Some(FORMAT) => {}
            Some(other) => return Err(format!("its format is `{other}`; this program reads `{FORMAT}`")),
            None => return Err("this is no recorded call: it has no `format`".into()),
        }
        serde_json::from_slice::<Text<RecordedCall>>(text).map(|text| text.call).map_err(no_call)
    }
}

/// The text of rows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowsText {
    columns: Vec<Field>,
    count: usize,
    arrow: String,
}

impl Serialize for Rows {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let arrow = BASE64.encode(&stream(self).map_err(serde::ser::Error::custom)?);
        RowsText { columns: self.fields.clone(), count: self.count, arrow }.serialize(serializer)
    }
}

impl TryFrom<RowsText> for Rows {
    type Error = String;

    fn try_from(text: RowsText) -> std::result::Result<Self, String> {
        let columns = columns(&text)?;
        Ok(Rows { fields: text.columns, columns, count: text.count })
    }
}

fn arrow_schema(fields: &[Field]) -> Arc<Schema> {
    let field = |field: &Field| arrow_schema::Field::new(&field.name, field.data_type.arrow(), true);
    Arc::new(Schema::new(fields.iter().map(field).collect::<Vec<_>>()))
}

fn stream(rows: &Rows) -> std::result::Result<Vec<u8>, arrow_schema::ArrowError> {
    let schema = arrow_schema(&rows.fields);
    let options = RecordBatchOptions::new().with_row_count(Some(rows.count));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), rows.columns.clone(), &options)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

fn columns(text: &RowsText) -> std::result::Result<Vec<ArrayRef>, String> {
    let bytes = BASE64.decode(text.arrow.as_bytes()).map_err(|e| format!("its rows are not base64: {e}"))?;
    let wrong = |e: arrow_schema::ArrowError| format!("its rows are no Arrow stream: {e}");
    let mut batches = StreamReader::try_new(&bytes[..], None).map_err(wrong)?;
    let batch = batches.next().ok_or("its rows are an empty stream")?.map_err(wrong)?;
    let expected: Vec<_> = text.columns.iter().map(|field| field.data_type.arrow()).collect();
    let types: Vec<_> = batch.columns().iter().map(|column| column.data_type().clone()).collect();
    if types != expected || batch.num_rows() != text.count {
        return Err(format!(
            "its rows are {} of {types:?} instead of {} of {expected:?}",
            batch.num_rows(),
            text.count
        ));
    }
    let not_there = |(column, field): (&ArrayRef, &Field)| column.null_count() > 0 && !field.nullable;
    if let Some((_, field)) = batch.columns().iter().zip(&text.columns).find(|pair| not_there(*pair)) {
        return Err(format!("its column `{}` has rows without a value", field.name));
    }
    Ok(batch.columns().to_vec())
}

fn bytes(text: &str) -> std::result::Result<Vec<u8>, String> {
    BASE64.decode(text.as_bytes()).map_err(|e| format!("`{text}` is not base64: {e}"))
}

/// What a key has in a slot, as text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeptText {
    Value(Option<String>),
    Map(Vec<(String, String)>),
    List(Vec<String>),
}

impl From<&KeptValue> for KeptText {
    fn from(kept: &KeptValue) -> Self {
        let text = |bytes: &Vec<u8>| BASE64.encode(bytes);
        match kept {
            KeptValue::Value(value) => KeptText::Value(value.as_ref().map(text)),
            KeptValue::Map(entries) => {
                KeptText::Map(entries.iter().map(|(entry, value)| (text(entry), text(value))).collect())
            }
            KeptValue::List(elements) => KeptText::List(elements.iter().map(text).collect()),
        }
    }
}

impl TryFrom<KeptText> for KeptValue {
    type Error = String;

    fn try_from(text: KeptText) -> std::result::Result<Self, String> {
        Ok(match text {
            KeptText::Value(value) => KeptValue::Value(value.map(|value| bytes(&value)).transpose()?),
            KeptText::Map(entries) => {
                let entry = |(entry, value): (String, String)| Ok::<_, String>((bytes(&entry)?, bytes(&value)?));
                KeptValue::Map(entries.into_iter().map(entry).collect::<std::result::Result<_, _>>()?)
            }
            KeptText::List(elements) => {
                let elements = elements.iter().map(|element| bytes(element));
                KeptValue::List(elements.collect::<std::result::Result<_, _>>()?)
            }
        })
    }
}

/// State in memory, as text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateText {
    keys: usize,
    slots: Vec<Vec<KeptText>>,
}

impl Serialize for MemoryState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let slots = self.slots().iter().map(|keys| keys.iter().map(KeptText::from).collect()).collect();
        StateText { keys: self.key_count(), slots }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MemoryState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = StateText::deserialize(deserializer)?;
        let of_slot = |keys: Vec<KeptText>| keys.into_iter().map(KeptValue::try_from).collect();
        let slots = text.slots.into_iter().map(of_slot).collect::<std::result::Result<Vec<_>, String>>();
        slots.and_then(|slots| MemoryState::of(text.keys, slots)).map_err(serde::de::Error::custom)
    }
}

impl Serialize for VarValues {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|value| BASE64.encode(value)))
    }
}

impl<'de> Deserialize<'de> for VarValues {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut values = VarValues::default();
        for text in Vec::<String>::deserialize(deserializer)? {
            values.push(&bytes(&text).map_err(serde::de::Error::custom)?);
        }
        Ok(values)
    }
}
