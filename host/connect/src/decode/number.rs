//! Integers as people and programs write them: read exactly or refused.

/// Returns the integer that a number of JSON's grammar stands for, exactly, in any notation (`1000`, `1e3`, `1000.0`). A `+` may
/// precede it.
///
/// `None`: the text is no number, has a fraction, or is beyond 64 bits with a sign.
pub(super) fn exact_integer(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, "0"),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(part) || !are_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)) {
        return None;
    }
    let digits = || whole.bytes().chain(part.bytes());
    // Without zeros at the end; their number is added to the exponent.
    let zeros = digits().rev().take_while(|byte| *byte == b'0').count();
    let count = whole.len() + part.len() - zeros;
    if count == 0 {
        return Some(0);
    }
    // An exponent beyond 64 bits makes a number too large, or one with a fraction.
    let scale = exponent.parse::<i64>().ok()?.checked_add(zeros as i64)?.checked_sub(part.len() as i64)?;
    let scale = u32::try_from(scale).ok()?;
    let mut value: i64 = 0;
    for digit in digits().take(count) {
        // The range of negative numbers is greater by one.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    value = value.checked_mul(10i64.checked_pow(scale)?)?;
    if negative { Some(value) } else { value.checked_neg() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn however_it_is_written() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("0e999999999999999999999", 0),
            ("-0.000e-5", 0),
            ("1e3", 1_000),
            ("1.0", 1),
            ("1.50E+1", 15),
            ("12000e-3", 12),
            ("0.001e3", 1),
            ("+42", 42),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("90071992547409930e-1", 9_007_199_254_740_993),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808.000", i64::MIN),
            ("-922337203685477580.8e1", i64::MIN),
        ] {
            assert_eq!(exact_integer(text), Some(value), "{text}");
        }
    }

    #[test]
    fn or_not_at_all() {
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "123456789012345678901",
            "1e19",
            "1E400",
            "1e-1",
            "1.5",
            "15e-2",
            "0.9999999999999999999999",
            "1e-400",
            "1e99999999999999999999",
            "",
            "-",
            "+",
            "e3",
            "1e",
            "1e+",
            ".5",
            "1.",
            "--1",
            "1e--1",
            "0x10",
            "1_000",
            " 1",
            "1 ",
            "NaN",
            "inf",
            "1e3.5",
            "١",
        ] {
            assert_eq!(exact_integer(text), None, "{text}");
        }
    }

    proptest! {
        /// Goal: an integer is the same wherever its point is. Method: every integer with the point moved and the exponent
        /// corrected.
        #[test]
        fn the_point_may_stand_anywhere(value in prop_oneof![any::<i64>(), -1000i64..1000], places in 0usize..30, zeros in 0usize..5) {
            let digits = format!("{:0>30}", value.unsigned_abs());
            let (whole, part) = digits.split_at(30 - places);
            let whole = if whole.is_empty() { "0" } else { whole };
            let sign = if value < 0 { "-" } else { "" };
            let point = if part.is_empty() { String::new() } else { format!(".{part}{}", "0".repeat(zeros)) };
            prop_assert_eq!(exact_integer(&format!("{sign}{whole}{point}e{places}")), Some(value));
            prop_assert_eq!(exact_integer(&format!("{value}{}e-{zeros}", "0".repeat(zeros))), Some(value));
        }
    }
}
