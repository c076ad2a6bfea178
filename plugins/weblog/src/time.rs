//! Times as web servers write them: `10/Oct/2000:13:55:36 -0700`.

use flowgate_sdk::Timestamp;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Parses the time; `None` where it has another form, or there is no such time.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 26] = text.as_bytes().try_into().ok()?;
    let separators = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    if separators.iter().any(|(at, separator)| bytes[*at] != *separator) {
        return None;
    }
    let month = MONTHS.iter().position(|month| bytes[3..6] == month[..])? as u32 + 1;
    let year = number(&bytes[7..11])?;
    let time = Timestamp::from_civil(
        year as i32,
        month,
        number(&bytes[0..2])?,
        number(&bytes[12..14])?,
        number(&bytes[15..17])?,
        number(&bytes[18..20])?,
    )?;
    let (hours, minutes) = (number(&bytes[22..24])?, number(&bytes[24..26])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = i64::from(hours * 60 + minutes) * 60_000;
    let ahead = match bytes[21] {
        b'+' => ahead,
        b'-' => -ahead,
        _ => return None,
    };
    Some(Timestamp::from_millis(time.as_millis() - ahead))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_exact() {
        let shown = |text| parse(text).map(|time| time.to_string());
        assert_eq!(shown("10/Oct/2000:13:55:36 -0700").unwrap(), "2000-10-10T20:55:36.000Z");
        assert_eq!(shown("01/Jan/2024:00:10:00 +0545").unwrap(), "2023-12-31T18:25:00.000Z");
        assert_eq!(shown("29/Feb/2024:23:59:59 +0000").unwrap(), "2024-02-29T23:59:59.000Z");
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "10/Okt/2000:13:55:36 -0700",
            "10/Oct/2000:13:55:36",
            "31/Apr/2000:13:55:36 -0700",
            "10/Oct/2000:24:55:36 -0700",
            "10/Oct/2000:13:55:36 ~0700",
            "10/Oct/2000:13:55:36 +0760",
            "1x/Oct/2000:13:55:36 -0700",
            "10-Oct-2000 13:55:36 -0700",
            "",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
