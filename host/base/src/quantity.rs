//! Durations and byte sizes as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration in whole milliseconds: `250ms`, `10s`, `5m`, `2h`, `1d`, or several of them, `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Millis(pub i64);

/// The longest duration: a hundred thousand years. Sums of a few, and of a time within the reach of windows, do not overflow.
pub const DURATION_MS_MAX: i64 = 100_000 * 365 * 86_400_000;

/// A number of bytes: `65536`, `64KiB`, `16MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "NumberOrText", into = "String")]
pub struct Bytes(pub u64);

/// How long a window is: a duration, or a number of rows (`100 rows`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Extent {
    /// Time.
    Time(Millis),
    /// Rows of a key.
    Rows(u64),
}

impl JsonSchema for Extent {
    fn schema_name() -> Cow<'static, str> {
        "Extent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration (`10s`, `1m30s`), or a number of rows (`100 rows`).",
            "type": "string",
            "format": EXTENT_FORMAT,
            "pattern": "^(([0-9]+ ?(ms|s|m|min|h|d) ?)+|[0-9]+ ?rows?)$",
        })
    }
}

impl FromStr for Extent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match parts(text).as_deref() {
            Some([(rows, "row" | "rows")]) => Ok(Extent::Rows(*rows)),
            _ => text.parse().map(Extent::Time).map_err(|e: String| match e.contains("is not a duration") {
                true => format!("{e}, or a number of rows: 100 rows"),
                false => e,
            }),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Extent::Time(time) => time.fmt(f),
            Extent::Rows(rows) => write!(f, "{rows} rows"),
        }
    }
}

impl TryFrom<String> for Extent {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Extent> for String {
    fn from(value: Extent) -> String {
        value.to_string()
    }
}

impl From<Millis> for Extent {
    fn from(value: Millis) -> Extent {
        Extent::Time(value)
    }
}

/// `format` of window lengths in the job file's JSON Schema.
pub const EXTENT_FORMAT: &str = "flowgate-extent";
/// `format` of durations in the job file's JSON Schema.
pub const DURATION_FORMAT: &str = "flowgate-duration";
/// `format` of byte sizes in the job file's JSON Schema.
pub const BYTES_FORMAT: &str = "flowgate-bytes";

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl JsonSchema for Millis {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: `250ms`, `10s`, `5m`, `2h`, `1d`, or several of them, `1m30s`.",
            "type": "string",
            "format": DURATION_FORMAT,
            "pattern": "^([0-9]+ ?(ms|s|m|min|h|d) ?)+$",
        })
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes: `65536`, `64KiB`, `16MiB`, `1GiB`.",
            "type": ["string", "integer"],
            "format": BYTES_FORMAT,
            "pattern": "^[0-9]+ ?(B|[KMG]iB|[kKMG]B)?$",
            "minimum": 0,
        })
    }
}

/// Splits `1m30s` into numbers and units.
fn parts(text: &str) -> Option<Vec<(u64, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        parts.push((number, &rest[..letters]));
        rest = rest[letters..].trim_start();
    }
    Some(parts)
}

impl FromStr for Millis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a duration; write it like 250ms, 10s, 5m, 2h, 1d or 1m30s");
        let parts = parts(text).filter(|p| !p.is_empty()).ok_or_else(wrong)?;
        let mut total: i64 = 0;
        for (number, unit) in parts {
            let scale = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            let part = i64::try_from(number).ok().and_then(|n| n.checked_mul(scale));
            let sum = part.and_then(|part| total.checked_add(part)).filter(|sum| *sum <= DURATION_MS_MAX);
            total =
                sum.ok_or_else(|| format!("`{text}` is too long; at most {} are possible", Millis(DURATION_MS_MAX)))?;
        }
        Ok(Millis(total))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Millis(mut rest) = *self;
        if rest == 0 {
            return f.write_str("0s");
        }
        if rest < 0 {
            return write!(f, "{rest}ms");
        }
        for (scale, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")] {
            if rest / scale > 0 {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a number of bytes; write it like 65536, 64KiB, 16MiB or 1GiB");
        let parts = parts(text).ok_or_else(wrong)?;
        let [(number, unit)] = parts[..] else { return Err(wrong()) };
        let scale: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(scale).map(Bytes).ok_or_else(|| format!("`{text}` is too large"))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bytes(n) = *self;
        for (scale, unit) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if n >= scale && n.is_multiple_of(scale) {
                return write!(f, "{}{unit}", n / scale);
            }
        }
        write!(f, "{n}")
    }
}

impl TryFrom<String> for Millis {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Millis> for String {
    fn from(value: Millis) -> String {
        value.to_string()
    }
}

impl TryFrom<NumberOrText> for Bytes {
    type Error = String;
    fn try_from(given: NumberOrText) -> Result<Self, String> {
        match given {
            NumberOrText::Number(n) => Ok(Bytes(n)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl From<Bytes> for String {
    fn from(value: Bytes) -> String {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        for (text, ms) in [
            ("0s", 0),
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("5min", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1m30s", 90_000),
            (" 1 m 30 s ", 90_000),
        ] {
            assert_eq!(text.parse(), Ok(Millis(ms)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1.5s", "10 sec", "1w", "ten seconds", "1s,2s"] {
            assert!(text.parse::<Millis>().unwrap_err().contains("is not a duration"), "{text}");
        }
        for text in ["9223372036854775807d", "9223372036854775807ms", "36500001d", "36500000d1ms"] {
            let error = text.parse::<Millis>().unwrap_err();
            assert_eq!(error, format!("`{text}` is too long; at most 36500000d are possible"));
        }
        assert_eq!("36500000d".parse(), Ok(Millis(DURATION_MS_MAX)));
    }

    #[test]
    fn sizes_as_people_write_them() {
        for (text, n) in [("0", 0), ("65536", 65_536), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2GB", 2_000_000_000)] {
            assert_eq!(text.parse(), Ok(Bytes(n)), "{text}");
        }
        for text in ["", "KiB", "1TiBB", "-1", "1.5MiB", "1MiB2KiB"] {
            assert!(text.parse::<Bytes>().unwrap_err().contains("is not a number of bytes"), "{text}");
        }
        assert!("99999999999GiB".parse::<Bytes>().unwrap_err().contains("too large"));
    }

    proptest! {
        #[test]
        fn a_shown_duration_reads_back(ms in 0..=DURATION_MS_MAX) {
            prop_assert_eq!(Millis(ms).to_string().parse(), Ok(Millis(ms)));
        }

        /// Goal: no text makes the arithmetic overflow. Method: numbers of any length, with any unit.
        #[test]
        fn no_quantity_overflows(text in "([0-9]{1,25} ?(ms|s|m|min|h|d|B|KiB|GiB|GB|rows)? ?){1,3}", ms: i64) {
            if let Ok(Millis(ms)) = text.parse() {
                prop_assert!((0..=DURATION_MS_MAX).contains(&ms));
            }
            let _ = (text.parse::<Bytes>(), text.parse::<Extent>());
            prop_assert!(!Millis(ms).to_string().is_empty());
        }

        #[test]
        fn a_shown_size_reads_back(n in 0..=u64::MAX) {
            prop_assert_eq!(Bytes(n).to_string().parse(), Ok(Bytes(n)));
        }
    }
}
