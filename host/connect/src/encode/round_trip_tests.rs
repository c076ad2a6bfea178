//! Encoded rows read back as the same rows, and other readers understand them.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
};
use indexmap::IndexMap;
use proptest::prelude::*;

use super::{CsvEncoder, encode_json_lines};
use crate::decode::{BatchCounter, Cursor, DecodeSettings};
use crate::instant;
use crate::settings::{Format, StdinSource};
use flowgate_base::schema::{DataType, Field, Schema};

type Row = (bool, Option<i64>, Option<f64>, Option<String>, Vec<u8>, Option<i64>, String);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let any_text = || prop_oneof!["\\PC{0,8}", "[a,\"\n\r\t\\\\]{0,6}", any::<String>()];
    let float = any::<f64>().prop_filter("JSON has no NaN", |f| f.is_finite());
    let time = instant::FIRST_MS..=instant::LAST_MS;
    let json = any_text().prop_map(|s| serde_json::json!({ "k": [s, null, 1.5] }).to_string());
    let row = (
        any::<bool>(),
        any::<Option<i64>>(),
        proptest::option::of(float),
        proptest::option::of(any_text()),
        any::<Vec<u8>>(),
        proptest::option::of(time),
        json,
    );
    proptest::collection::vec(row, 1..8)
}

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("b", DataType::Boolean),
        Field::nullable("i", DataType::Int64),
        Field::nullable("f", DataType::Float64),
        Field::nullable("s", DataType::Text),
        Field::new("y", DataType::Bytes),
        Field::nullable("t", DataType::Timestamp),
        Field::new("j", DataType::Json),
    ])
}

fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    vec![
        Arc::new(BooleanArray::from_iter(rows.iter().map(|r| Some(r.0)))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|r| r.1))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|r| r.2))),
        Arc::new(StringArray::from_iter(rows.iter().map(|r| r.3.as_deref()))),
        Arc::new(BinaryArray::from_iter_values(rows.iter().map(|r| &r.4))),
        Arc::new(TimestampMillisecondArray::from_iter(rows.iter().map(|r| r.5))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.6))),
    ]
}

fn decode(format: Format, bytes: &[u8]) -> (Vec<ArrayRef>, usize) {
    let columns: IndexMap<_, _> = schema().fields.iter().map(|f| (f.name.clone(), f.type_name().into())).collect();
    let (header, delimiter) = (true, ",".into());
    let settings =
        DecodeSettings::of_stdin(&StdinSource { format, columns, header, delimiter, batch_rows: None }).unwrap();
    let mut decoder = settings.decoder("test");
    let mut batch = BatchCounter::new(1_000);
    let done = decoder.decode(bytes, true, &mut Cursor::start(), &mut batch).unwrap();
    assert_eq!(done, bytes.len());
    let columns = decoder.take_columns().unwrap();
    let (row_count, _, failures) = batch.take();
    assert_eq!(failures, []);
    (columns, row_count)
}

proptest! {
    #[test]
    fn json_reads_back(rows in rows()) {
        let mut out = Vec::new();
        encode_json_lines(&schema(), &columns(&rows), rows.len(), &mut out);
        prop_assert_eq!(decode(Format::Json, &out), (columns(&rows), rows.len()));
        // serde_json as another reader.
        for (line, row) in std::str::from_utf8(&out).unwrap().lines().zip(&rows) {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(value["s"].as_str(), row.3.as_deref());
            prop_assert_eq!(value["i"].as_i64(), row.1);
        }
    }

    #[test]
    fn csv_reads_back(rows in rows()) {
        let mut out = Vec::new();
        let encoder = CsvEncoder::new(&schema());
        encoder.header(&mut out);
        encoder.encode(&columns(&rows), 0..rows.len(), &mut out);
        prop_assert_eq!(decode(Format::Csv, &out), (columns(&rows), rows.len()));
        // The csv crate as another reader.
        let mut reader = csv::Reader::from_reader(&out[..]);
        for (record, row) in reader.records().zip(&rows) {
            let record = record.unwrap();
            prop_assert_eq!(&record[3], row.3.as_deref().unwrap_or_default());
            prop_assert_eq!(&record[6], &row.6);
        }
    }
}
