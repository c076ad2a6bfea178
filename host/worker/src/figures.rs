//! Figures for people.

use std::time::Duration;

use flowgate::running::END_OF_TIME;
use flowgate_base::time::EventTime;

/// Formats a count or a rate in at most five characters: `950`, `12.3k`, `1.25M`.
pub fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 999.5e9 => (v / 1e12, "T"),
        v if v >= 999.5e6 => (v / 1e9, "G"),
        v if v >= 999.5e3 => (v / 1e6, "M"),
        v if v >= 999.5 => (v / 1e3, "k"),
        v => return format!("{v:.0}"),
    };
    let decimals = if scaled >= 99.95 { 0 } else { 1 };
    format!("{scaled:.decimals$}{unit}")
}

/// Formats a whole count: `1,234,567`.
pub fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats an event time, to the second.
pub fn time(time: EventTime) -> String {
    if time == END_OF_TIME {
        return "end".into();
    }
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => format!("{time} ms"),
    }
}

/// Formats a lag: `340ms`, `12.5s`, `3m`, `5h`, `12d`.
pub fn lag(ms: i64) -> String {
    match ms {
        i64::MIN..1_000 => format!("{}ms", ms.max(0)),
        1_000..60_000 => format!("{:.1}s", ms as f64 / 1e3),
        60_000..3_600_000 => format!("{}m", ms / 60_000),
        3_600_000..172_800_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", ms / 86_400_000),
    }
}

/// Formats bytes in at most seven characters: `950 B`, `12.3 kB`, `1.3 MB`.
pub fn bytes(value: u64) -> String {
    let text = short(value as f64);
    match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(unit) => format!("{} {}B", &text[..unit], &text[unit..]),
        None => format!("{text} B"),
    }
}

/// Formats a duration: `350us`, `4.2ms`, `1.3s`.
pub fn took(duration: Duration) -> String {
    match duration.as_micros() {
        us @ 0..1_000 => format!("{us}us"),
        us @ 1_000..1_000_000 => format!("{:.1}ms", us as f64 / 1e3),
        us => format!("{:.1}s", us as f64 / 1e6),
    }
}

/// Formats the time that is left: `12s`, `3m 20s`, `5h 10m`, `12d`.
pub fn left(seconds: f64) -> String {
    // Beyond a few years the estimate is not exact to the second either.
    let seconds = seconds.ceil().clamp(0.0, 1e9) as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [0.0, 950.4, 999.5, 12_345.0, 123_456.0, 999_499.0, 999_500.0, 2.5e9].map(short),
            ["0", "950", "1.0k", "12.3k", "123k", "999k", "1.0M", "2.5G"]
        );
        assert_eq!([0, 999, 1_000, 1_234_567].map(whole), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [-5, 340, 12_500, 200_000, 7_200_000, 10 * 86_400_000].map(lag),
            ["0ms", "340ms", "12.5s", "3m", "2h", "10d"]
        );
        assert_eq!([0.1, 59.9, 200.0, 18_600.0, 2e6].map(left), ["1s", "1m 0s", "3m 20s", "5h 10m", "23d"]);
        assert_eq!([0, 950, 12_345, 2_500_000].map(bytes), ["0 B", "950 B", "12.3 kB", "2.5 MB"]);
        assert_eq!([350, 4_200, 1_300_000].map(Duration::from_micros).map(took), ["350us", "4.2ms", "1.3s"]);
        assert_eq!(time(EventTime(0)), "1970-01-01 00:00:00Z");
    }
}
