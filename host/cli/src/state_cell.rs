//! The cells of rows of state, as text and as JSON.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType, UInt8Type, UInt16Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Value, json};

use flowgate_base::shown;

/// What hexadecimal digits begin with.
const HEX: &str = "0x";

/// Returns a cell as text; `None`: null.
pub(super) fn text(column: &ArrayRef, row: usize) -> Option<String> {
    match json(column, row) {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// Returns a cell as JSON: bytes and times are texts, and so are numbers that JSON does not have. Lists are arrays.
pub(super) fn json(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => json!(column.as_boolean().value(row)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => json!(column.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => json!(column.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt64 => json!(column.as_primitive::<UInt64Type>().value(row)),
        DataType::Float64 => match column.as_primitive::<Float64Type>().value(row) {
            finite if finite.is_finite() => json!(finite),
            other => json!(other.to_string()),
        },
        DataType::Decimal128(_, 0) => {
            let number = column.as_primitive::<Decimal128Type>().value(row);
            i64::try_from(number).map_or_else(|_| json!(number.to_string()), |number| json!(number))
        }
        DataType::List(_) => {
            let list = column.as_list::<i32>().value(row);
            (0..list.len()).map(|at| json(&list, at)).collect()
        }
        DataType::Utf8 => json!(column.as_string::<i32>().value(row)),
        DataType::Binary => json!(of_bytes(column.as_binary::<i32>().value(row))),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            json!(time(column.as_primitive::<TimestampMillisecondType>().value(row)))
        }
        other => json!(format!("a value of type {other}")),
    }
}

/// Returns bytes as they are if they are UTF-8 without control characters, else as hexadecimal digits behind `0x`, and so is text that
/// begins with `0x` itself.
pub(super) fn of_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with(HEX) && !text.chars().any(shown::has_power) => Cow::Borrowed(text),
        _ => Cow::Owned(hex(bytes)),
    }
}

/// Returns bytes as hexadecimal digits behind `0x`.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(HEX.to_string(), |text, byte| text + &format!("{byte:02x}"))
}

/// Returns milliseconds since 1970 in RFC 3339; as milliseconds where the calendar ends.
pub(super) fn time(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime(if ms.rem_euclid(1_000) == 0 { "%FT%TZ" } else { "%FT%T.%3fZ" }).to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        BinaryArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray, TimestampMillisecondArray,
    };

    use super::*;

    #[test]
    fn bytes_are_text_or_hexadecimal_and_never_both() {
        assert_eq!(of_bytes("{\"n\":3} häuser".as_bytes()), "{\"n\":3} häuser");
        assert_eq!(of_bytes(b"\x01\xff"), "0x01ff");
        // A terminal must not receive these.
        assert_eq!(of_bytes(b"\x1b[2J"), "0x1b5b324a");
        assert_eq!(of_bytes("\u{202e}".as_bytes()), "0xe280ae");
        assert_eq!(of_bytes(b"0xff"), "0x30786666");
        assert_eq!(of_bytes(b""), "");
    }

    #[test]
    fn cells_have_their_type_in_json() {
        let sum = |sum: i128| Decimal128Array::from(vec![sum]).with_precision_and_scale(38, 0).unwrap();
        let columns: [(ArrayRef, Value); 9] = [
            (Arc::new(sum(-1)), json!(-1)),
            (Arc::new(sum(1 << 64)), json!("18446744073709551616")),
            (Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None])])), json!([1, null])),
            (Arc::new(Int64Array::from(vec![-7])), json!(-7)),
            (Arc::new(Float64Array::from(vec![0.5])), json!(0.5)),
            (Arc::new(Float64Array::from(vec![f64::NAN])), json!("NaN")),
            (Arc::new(StringArray::from(vec![None::<&str>])), Value::Null),
            (Arc::new(BinaryArray::from(vec![&b"\x00"[..]])), json!("0x00")),
            (Arc::new(TimestampMillisecondArray::from(vec![1_500])), json!("1970-01-01T00:00:01.500Z")),
        ];
        for (column, value) in columns {
            assert_eq!(json(&column, 0), value);
        }
    }
}
