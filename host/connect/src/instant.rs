//! Timestamps as text: RFC 3339 with milliseconds.

use jiff::fmt::temporal::Pieces;

/// 0000-01-01T00:00:00.000Z.
pub(crate) const FIRST_MS: i64 = -62_167_219_200_000;

/// 9999-12-31T23:59:59.999Z.
pub(crate) const LAST_MS: i64 = 253_402_300_799_999;

/// Appends `2026-01-01T00:00:00.000Z`. False, and nothing is appended, outside of the years 0000 to 9999, which RFC 3339
/// cannot write.
pub(crate) fn write_rfc3339(ms: i64, out: &mut Vec<u8>) -> bool {
    if !(FIRST_MS..=LAST_MS).contains(&ms) {
        return false;
    }
    let (year, month, day) = civil_from_days(ms.div_euclid(86_400_000));
    let of_day = ms.rem_euclid(86_400_000);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], of_day / 3_600_000);
    digits(&mut text[14..16], of_day / 60_000 % 60);
    digits(&mut text[17..19], of_day / 1_000 % 60);
    digits(&mut text[20..23], of_day % 1_000);
    out.extend_from_slice(&text);
    true
}

fn digits(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        // A digit is below 10: the cast keeps it.
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Returns year, month, day of the proleptic Gregorian calendar for days since 1970-01-01, by the method of Howard Hinnant's
/// "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`): the year starts in March, so that the leap day is its last.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`] (`days_from_civil` there).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Returns digits as a number.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// Returns the milliseconds of a date and time of the proleptic Gregorian calendar. `None` where there is no such day or time. A
/// leap second (`second` = 60) is the first instant of the next minute, as in Unix time.
fn from_civil([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Option<i64> {
    let days_in_month = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let there_is = (1..=days_in_month).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let seconds = || days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    there_is.then(|| seconds() * 1_000)
}

/// Parses RFC 3339: `2026-01-01T00:00:00Z`, with a fraction of any length, and an offset in place of `Z`.
fn parse_exactly(text: &str) -> Option<i64> {
    let (head, mut rest) = text.as_bytes().split_first_chunk::<19>()?;
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| head[*at] != *mark) || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let date = [number(&head[0..4])?, number(&head[5..7])?, number(&head[8..10])?];
    let time = [number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?];
    let mut ms = from_civil(date, time)?;
    if let [b'.', digits @ ..] = rest {
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let first = &digits[..length.min(3)];
        ms += number(first).filter(|_| length > 0)? * [1_000, 100, 10, 1][first.len()];
        rest = &digits[length..];
    }
    match rest {
        b"Z" | b"z" => Some(ms),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            let ahead = (hours * 60 + minutes) * 60_000;
            (hours < 24 && minutes < 60).then(|| if *sign == b'+' { ms - ahead } else { ms + ahead })
        }
        _ => None,
    }
}

/// Parses other forms of ISO 8601 that have a date, a time and an offset, such as `20260101T000000+01`.
fn parse_leniently(text: &str) -> Option<i64> {
    let pieces = Pieces::parse(text).ok()?;
    let (date, time, offset) = (pieces.date(), pieces.time()?, pieces.to_numeric_offset()?);
    let date = [date.year().into(), date.month().into(), date.day().into()];
    let civil = from_civil(date, [time.hour().into(), time.minute().into(), time.second().into()])?;
    Some(civil + i64::from(time.millisecond()) - i64::from(offset.seconds()) * 1_000)
}

/// Parses RFC 3339 to milliseconds since 1970, up to the end of the year 9999; fractions of a millisecond are cut off (towards
/// the past).
pub fn parse_rfc3339(text: &str) -> Result<i64, String> {
    match parse_exactly(text).or_else(|| parse_leniently(text)) {
        Some(ms) if (FIRST_MS..=LAST_MS).contains(&ms) => Ok(ms),
        Some(_) => Err(format!("`{text}` is not within the years 0000 to 9999 of UTC")),
        None => Err(format!(
            "`{text}` is not a timestamp; write it like 2026-01-01T12:00:00Z or in milliseconds since 1970"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(ms: i64) -> String {
        let mut out = Vec::new();
        assert!(write_rfc3339(ms, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_instants() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(text(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert_eq!(text(-62_167_219_200_000), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn out_of_the_years_of_rfc3339() {
        for ms in [253_402_300_800_000, -62_167_219_200_001, i64::MIN, i64::MAX] {
            assert!(!write_rfc3339(ms, &mut Vec::new()));
        }
    }

    #[test]
    fn offsets_and_fractions() {
        for (text, ms) in [
            ("2026-01-01T01:00:00.1239+01:00", 1_767_225_600_123),
            ("2026-01-01t00:00:00.1z", 1_767_225_600_100),
            ("2026-01-01 00:00:00.12-00:00", 1_767_225_600_120),
            ("20260101T010000+01", 1_767_225_600_000),
            ("2025-12-31T18:30:00-05:30", 1_767_225_600_000),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            // Leap seconds are those of Unix time.
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("2016-12-31T18:59:60.5-05:00", 1_483_228_800_500),
            ("0000-01-01T00:00:00Z", FIRST_MS),
            ("9999-12-31T23:59:59.999Z", LAST_MS),
            ("9999-12-31T23:59:59.999999+00:00", LAST_MS),
        ] {
            assert_eq!(parse_rfc3339(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "yesterday",
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+01:60",
            "2026-01-01T00:00:00+1:00",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Zé",
            "2026-01-01T00:00:0é",
        ] {
            let message = parse_rfc3339(text).unwrap_err();
            assert!(message.contains(&format!("`{text}` is not a timestamp")), "{message}");
        }
    }

    #[test]
    fn times_that_cannot_be_written_are_not_read() {
        for text in [
            "9999-12-31T23:59:60Z",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+00:01",
            "-000001-01-01T00:00:00Z",
        ] {
            let message = parse_rfc3339(text).unwrap_err();
            assert!(message.contains("is not within the years 0000 to 9999"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn reads_back(ms in prop_oneof![FIRST_MS..=LAST_MS, LAST_MS - 100_000_000..=LAST_MS, FIRST_MS..=FIRST_MS + 1_000]) {
            prop_assert_eq!(parse_rfc3339(&text(ms)), Ok(ms));
        }

        /// Goal: our reading of RFC 3339 is that of a general parser. Method: texts similar to times, against jiff; except for
        /// leap seconds, which jiff reads as the second before, and times at the end of 9999, which it does not have.
        #[test]
        fn the_short_parser_agrees_with_the_general_one(
            text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-5][0-9](\\.[0-9]{1,5})?([Zz]|[+-][01][0-9]:[0-5][0-9])"
        ) {
            let general = text.parse::<jiff::Timestamp>().ok().map(|t| t.as_nanosecond().div_euclid(1_000_000) as i64);
            prop_assert_eq!(parse_exactly(&text).filter(|ms| *ms >= FIRST_MS), general.filter(|ms| *ms >= FIRST_MS));
        }
    }
}
