//! Timestamps as text: RFC 3339, and in a config.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::timestamp::Timestamp;

/// A text that is not an RFC 3339 time.
///
/// ```
/// let error = "yesterday".parse::<flowgate_sdk::Timestamp>().unwrap_err();
/// assert_eq!(error.to_string(), "`yesterday` is not a time: write it like `2026-01-01T12:00:00Z`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseTimestampError {
    text: String,
}

/// Characters of a wrong text that the message shows.
const SHOWN_CHARS_MAX: usize = 60;

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a time: write it like `2026-01-01T12:00:00Z`", self.text)
    }
}

impl std::error::Error for ParseTimestampError {}

/// Parses RFC 3339: years 0000 to 9999, `T` or a blank between date and time, `Z` or an offset at the end. Fractions of a
/// millisecond are cut off, towards the past. A leap second (`:60`) is the first instant of the next minute.
impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        parse(text.as_bytes()).ok_or_else(|| {
            let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
            if shown.len() < text.len() {
                shown.push_str("...");
            }
            ParseTimestampError { text: shown }
        })
    }
}

/// The beginning of every RFC 3339 time has this shape; `0` stands for a digit.
const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";

fn parse(text: &[u8]) -> Option<Timestamp> {
    let (start, rest) = text.split_at_checked(SHAPE.len())?;
    let fits = start.iter().zip(SHAPE).all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        mark => byte == mark,
    });
    if !fits {
        return None;
    }
    let field = |from: usize, to: usize| number(&start[from..to]);
    let (year, month, day) = (field(0, 4) as i32, field(5, 7), field(8, 10));
    let whole = Timestamp::from_civil(year, month, day, field(11, 13), field(14, 16), field(17, 19))?;
    let (millis, zone) = fraction(rest)?;
    Some(whole.plus_millis(millis).plus_millis(-offset(zone)?))
}

/// Returns the milliseconds of a fraction of a second, and the text behind it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let millis = [100, 10, 1].iter().zip(&rest[..digits]).map(|(unit, digit)| unit * i64::from(digit - b'0')).sum();
    Some((millis, &rest[digits..]))
}

/// Returns the milliseconds by which the clock of a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    if let [b'Z' | b'z'] = zone {
        return Some(0);
    }
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = zone else { return None };
    if ![h1, h2, m1, m2].iter().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (number(&[*h1, *h2]), number(&[*m1, *m2]));
    if hours > 23 || minutes > 59 {
        return None;
    }
    let millis = i64::from(hours * 60 + minutes) * 60_000;
    Some(if *sign == b'+' { millis } else { -millis })
}

/// Returns the number that the digits write.
fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

/// In a config, a time is an RFC 3339 text.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST_MS: i64 = -62_167_219_200_000;
    const LAST_MS: i64 = 253_402_300_799_999;

    fn millis(text: &str) -> Option<i64> {
        text.parse().ok().map(Timestamp::as_millis)
    }

    #[test]
    fn the_shapes_of_rfc_3339() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01 00:00:00z", 0),
            ("1970-01-01t01:30:00.5+01:30", 500),
            ("1969-12-31T19:00:00-05:00", 0),
            ("2026-01-01T00:00:00.1239999Z", 1_767_225_600_123),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("0000-01-01T00:00:00Z", FIRST_MS),
            ("9999-12-31T23:59:59.999Z", LAST_MS),
            ("9999-12-31T23:59:59.999-00:00", LAST_MS),
            ("9999-12-31T23:59:59.999-23:59", LAST_MS + 86_340_000),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+01:60",
            "2026-01-01T00:00:00Z ",
            "+026-01-01T00:00:00Z",
            "12026-01-01T00:00:00Z",
            "2026-01-01T00:00:0\u{661}Z",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
        let error = "x".repeat(100).parse::<Timestamp>().unwrap_err();
        assert!(error.to_string().len() < 150, "{error}");
    }

    #[test]
    fn a_time_in_a_config() {
        let time: Timestamp = serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap();
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-01-01T00:00:00.000Z\"");
        assert!(serde_json::from_str::<Timestamp>("\"now\"").unwrap_err().to_string().contains("`now` is not a time"));
    }

    /// Days since 1970, counted year by year and month by month.
    fn counted_days(year: i64, month: i64, day: i64) -> i64 {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let of_year = |year: i64| if leap(year) { 366 } else { 365 };
        let of_month = |month: i64| match month {
            2 => 28 + i64::from(leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let years: i64 =
            if year >= 1970 { (1970..year).map(of_year).sum() } else { -(year..1970).map(of_year).sum::<i64>() };
        years + (1..month).map(of_month).sum::<i64>() + day - 1
    }

    proptest! {
        /// Goal: every time of the years 0000 to 9999 is read back. Method: display, then parse.
        #[test]
        fn reads_back_what_it_displays(ms in FIRST_MS..=LAST_MS) {
            let time = Timestamp::from_millis(ms);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        /// Goal: date, time, fraction and offset each count. Method: a model that counts days one by one.
        #[test]
        fn is_what_counting_days_returns(
            (year, month, day) in (0i64..10_000, 1i64..13, 1i64..29),
            (hour, minute, second, nanos) in (0i64..24, 0i64..60, 0i64..60, 0i64..1_000_000_000),
            (west, ahead_minutes) in (any::<bool>(), 0i64..24 * 60),
        ) {
            let sign = if west { '-' } else { '+' };
            let text = format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}{sign}{:02}:{:02}",
                ahead_minutes / 60, ahead_minutes % 60,
            );
            let local = ((counted_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
            let ahead = if west { -ahead_minutes } else { ahead_minutes } * 60_000;
            prop_assert_eq!(millis(&text), Some(local * 1_000 + nanos / 1_000_000 - ahead));
        }

        /// Goal: no text makes it panic, whatever is cut or inserted. Method: texts close to times.
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9]{0,5}[-T:.Z+0-9é ]{0,30}") {
            let _ = millis(&text);
        }
    }
}
