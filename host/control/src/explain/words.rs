//! Times and counts in words.

/// Returns an event time, to the second where it is at one: `2026-01-01 00:05:00Z`.
pub fn time(ms: i64) -> String {
    if ms == i64::MAX {
        return "the end of time".into();
    }
    let format = if ms.rem_euclid(1_000) == 0 { "%Y-%m-%d %H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%S.%3fZ" };
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// Returns a time of the clock on the day of the reader: `14:02:11Z`.
pub fn clock(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%H:%M:%SZ").to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// Returns a length of time, in its two greatest units: `0.3s`, `12s`, `3m 20s`, `5h 10m`, `12d 3h`.
pub fn length(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1_000;
    let two = |great: i64, unit: &str, small: i64, part: &str| match small {
        0 => format!("{great}{unit}"),
        small => format!("{great}{unit} {small}{part}"),
    };
    match seconds {
        0 if ms == 0 => "0s".into(),
        0..10 if ms % 1_000 != 0 => format!("{:.1}s", ms as f64 / 1e3),
        0..60 => format!("{seconds}s"),
        60..3_600 => two(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// Returns a whole count: `1,234,567`.
pub fn whole(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a count with its noun: `1 row`, `2 rows`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", whole(count), if count == 1 { "" } else { "s" })
}

/// Returns names as in a sentence: `a`, `b` and `c`.
pub(super) fn names(names: &[&str], and: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} {and} {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_are_short() {
        assert_eq!(
            [-5, 0, 340, 12_500, 200_000, 7_200_000, 10 * 86_400_000 + 3_600_000].map(length),
            ["0s", "0s", "0.3s", "12s", "3m 20s", "2h", "10d 1h"]
        );
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
        assert_eq!(time(-1), "1969-12-31 23:59:59.999Z");
        assert_eq!([counted(1, "row"), counted(1_234_567, "row")], ["1 row", "1,234,567 rows"]);
        assert_eq!(names(&["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
