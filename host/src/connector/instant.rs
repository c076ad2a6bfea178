//! Timestamps as text: RFC 3339 with milliseconds.

use jiff::Timestamp;

/// Appends `2026-01-01T00:00:00.000Z`. False, and nothing is appended, outside of the years 0000 to 9999, which RFC 3339
/// cannot write.
pub(crate) fn write_rfc3339(ms: i64, out: &mut Vec<u8>) -> bool {
    const FIRST_MS: i64 = -62_167_219_200_000;
    const LAST_MS: i64 = 253_402_300_799_999;
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

/// Days since 1970-01-01 to year, month, day of the proleptic Gregorian calendar, by the method of Howard Hinnant's
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

/// The usual shapes, `2026-01-01T00:00:00Z` and `2026-01-01T00:00:00.000Z`, without the cost of a general parser.
fn parse_usual(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (bytes.len().checked_sub(1)?, b'Z')];
    let shape = matches!(bytes.len(), 20 | 24) && marks.iter().all(|(at, mark)| bytes[*at] == *mark);
    if !shape || (bytes.len() == 24 && bytes[19] != b'.') {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let ms = if bytes.len() == 24 { number(20..23)? } else { 0 };
    // Days from 29 on, leap seconds and what is out of range are left to the general parser.
    let plain = (1..=12).contains(&month) && (1..=28).contains(&day) && hour < 24 && minute < 60 && second < 60;
    plain.then(|| {
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        seconds * 1_000 + ms
    })
}

/// Milliseconds since 1970 of an RFC 3339 text; parts of a millisecond are cut off (towards the past).
pub(crate) fn parse_rfc3339(text: &str) -> Result<i64, String> {
    if let Some(ms) = parse_usual(text) {
        return Ok(ms);
    }
    let wrong =
        |_| format!("`{text}` is not a timestamp; write it like 2026-01-01T12:00:00Z or in milliseconds since 1970");
    let instant: Timestamp = text.parse().map_err(wrong)?;
    Ok(instant.as_nanosecond().div_euclid(1_000_000) as i64)
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
        assert_eq!(parse_rfc3339("2026-01-01T01:00:00.1239+01:00"), Ok(1_767_225_600_123));
        assert_eq!(parse_rfc3339("1969-12-31T23:59:59.9999Z"), Ok(-1));
        assert!(parse_rfc3339("yesterday").unwrap_err().contains("`yesterday` is not a timestamp"));
    }

    proptest! {
        #[test]
        fn reads_back(ms in -62_135_596_800_000i64..=253_402_200_000_000) {
            prop_assert_eq!(parse_rfc3339(&text(ms)), Ok(ms));
        }

        #[test]
        fn the_short_way_gives_what_the_general_one_gives(text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{3})?[Zz+]") {
            if let Some(ms) = parse_usual(&text) {
                let general: Timestamp = text.parse().unwrap();
                prop_assert_eq!(ms, general.as_millisecond());
            }
        }
    }
}
