//! Rows as text.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
};

use super::{CsvEncoder, encode_json_lines, json_row};
use flowgate_base::schema::{DataType, Field, Schema};

/// Returns three rows of every type; the second has no values.
fn all_types() -> (Schema, Vec<ArrayRef>) {
    let schema = Schema::new(DataType::ALL.map(|t| Field::nullable(t.name(), t)).to_vec());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(7)])),
        Arc::new(Float64Array::from(vec![Some(0.1), None, Some(f64::NAN)])),
        Arc::new(StringArray::from(vec![Some("a,\"\n"), None, Some("")])),
        Arc::new(BinaryArray::from(vec![Some(&b"\xff\x00"[..]), None, Some(b"")])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(1_767_225_600_001), None, Some(i64::MAX)])),
        Arc::new(StringArray::from(vec![Some(" {\"x\":\n[1]}\r\n"), None, Some("no json")])),
    ];
    (schema, columns)
}

#[test]
fn json_lines() {
    let (schema, columns) = all_types();
    let mut out = Vec::new();
    encode_json_lines(&schema, &columns, 3, &mut out);
    let expected = concat!(
        r#"{"boolean":true,"int64":-9223372036854775808,"float64":0.1,"text":"a,\"\n","bytes":"/wA=","timestamp":"2026-01-01T00:00:00.001Z","json":{"x": [1]}}"#,
        "\n",
        r#"{"boolean":null,"int64":null,"float64":null,"text":null,"bytes":null,"timestamp":null,"json":null}"#,
        "\n",
        r#"{"boolean":false,"int64":7,"float64":null,"text":"","bytes":"","timestamp":9223372036854775807,"json":"no json"}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let second = expected.lines().nth(1).unwrap();
    assert_eq!(json_row(&schema, &columns, 1), second);
}

#[test]
fn csv() {
    let (schema, columns) = all_types();
    let encoder = CsvEncoder::new(&schema);
    let mut out = Vec::new();
    encoder.header(&mut out);
    encoder.encode(&columns, 0..3, &mut out);
    let expected = concat!(
        "boolean,int64,float64,text,bytes,timestamp,json\n",
        "true,-9223372036854775808,0.1,\"a,\"\"\n\",/wA=,2026-01-01T00:00:00.001Z,\" {\"\"x\"\":\n[1]}\r\n\"\n",
        ",,,,,,\n",
        "false,7,NaN,\"\",\"\",9223372036854775807,no json\n",
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn rows_without_columns() {
    let schema = Schema::default();
    let mut out = Vec::new();
    encode_json_lines(&schema, &[], 2, &mut out);
    assert_eq!(out, b"{}\n{}\n");
}

#[test]
fn names_are_escaped_too() {
    let schema = Schema::new(vec![Field::new("a\"b,", DataType::Int64)]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1]))];
    assert_eq!(json_row(&schema, &columns, 0), r#"{"a\"b,":1}"#);
    let mut out = Vec::new();
    CsvEncoder::new(&schema).header(&mut out);
    assert_eq!(out, b"\"a\"\"b,\"\n");
}
