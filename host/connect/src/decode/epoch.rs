//! Integers as points in time: their unit since 1970, and whether the resulting time is plausible.

use super::column::Column;
use crate::instant;
use crate::settings::TimeUnit;

/// The unit of the integers of a timestamp column. Keeps the first one whose time is implausible.
#[derive(Debug, Default)]
pub(super) struct Epoch {
    unit: TimeUnit,
    odd: Option<i64>,
}

/// An integer whose time is implausible.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Odd {
    unit: TimeUnit,
    value: i64,
}

/// From 1900 to the end of 2200, in milliseconds.
const LIKELY_MS: std::ops::Range<i64> = -2_208_988_800_000..7_289_654_400_000;

/// Milliseconds that are seconds of the years 2001 to 2106, and would be within five weeks of 1970.
const SECONDS_MS: std::ops::Range<i64> = 1_000_000_000..4_294_967_296;

/// The year 9999, which stands for "for ever".
const FOR_EVER_MS: std::ops::RangeInclusive<i64> = 253_370_764_800_000..=instant::LAST_MS;

impl Epoch {
    /// Creates an epoch of this unit.
    pub(super) fn of(unit: TimeUnit) -> Self {
        Epoch { unit, odd: None }
    }

    /// Returns milliseconds since 1970; fractions are cut off, towards the past. `None`: more than 64 bits.
    #[inline]
    pub(super) fn millis(&mut self, value: i64) -> Option<i64> {
        let ms = millis(self.unit, value)?;
        if is_odd(ms) && self.odd.is_none() {
            self.odd = Some(value);
        }
        Some(ms)
    }

    /// Returns the unit's name.
    pub(super) fn unit_name(&self) -> &'static str {
        name(self.unit)
    }

    /// Returns the first odd integer since the last call.
    pub(super) fn take_odd(&mut self) -> Option<Odd> {
        self.odd.take().map(|value| Odd { unit: self.unit, value })
    }
}

fn millis(unit: TimeUnit, value: i64) -> Option<i64> {
    match unit {
        TimeUnit::S => value.checked_mul(1_000),
        TimeUnit::Ms => Some(value),
        TimeUnit::Us => Some(value.div_euclid(1_000)),
        TimeUnit::Ns => Some(value.div_euclid(1_000_000)),
    }
}

#[inline]
fn is_odd(ms: i64) -> bool {
    !LIKELY_MS.contains(&ms) && !FOR_EVER_MS.contains(&ms) || SECONDS_MS.contains(&ms)
}

fn name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::S => "seconds",
        TimeUnit::Ms => "milliseconds",
        TimeUnit::Us => "microseconds",
        TimeUnit::Ns => "nanoseconds",
    }
}

/// Returns the date of the time, or its year where there is none.
fn shown(ms: i64) -> String {
    let mut text = Vec::new();
    if instant::write_rfc3339(ms, &mut text) {
        // Digits and marks; without the time of day.
        return String::from_utf8_lossy(&text[..10]).into_owned();
    }
    // A year of the Gregorian calendar has 31,556,952 seconds on average.
    format!("the year {}", 1970 + ms.div_euclid(31_556_952_000))
}

/// Returns the warning about an odd time in one of these columns, if there was one since the last call.
pub(super) fn warning(columns: &mut [Column]) -> Option<String> {
    let (column, odd) = columns.iter_mut().find_map(|column| {
        let odd = column.take_odd_time()?;
        Some((column.field().name.clone(), odd))
    })?;
    let is = shown(millis(odd.unit, odd.value)?);
    let units = [TimeUnit::S, TimeUnit::Ms, TimeUnit::Us, TimeUnit::Ns];
    let likelier = units.into_iter().filter(|unit| *unit != odd.unit).find_map(|unit| {
        let ms = millis(unit, odd.value).filter(|ms| !is_odd(*ms) && *ms >= SECONDS_MS.end)?;
        Some(format!("; as {} it would be {}: set `unit: {unit}` for the column", name(unit), shown(ms)))
    });
    let otherwise = || "; `unit` of the column says what its numbers count".into();
    Some(format!(
        "column `{column}`: {} {} since 1970 is {is}{}",
        odd.value,
        name(odd.unit),
        likelier.unwrap_or_else(otherwise)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_base::schema::{DataType, Field};

    fn warned(unit: TimeUnit, values: &[i64]) -> Option<String> {
        let column = Column::new(Field::new("at", DataType::Timestamp)).counting(Epoch::of(unit));
        let mut columns = [column];
        values.iter().for_each(|value| assert!(columns[0].push_integer(*value)));
        let told = warning(&mut columns);
        assert_eq!(warning(&mut columns), None, "once");
        told
    }

    #[test]
    fn the_unit_that_was_meant_is_found() {
        for (unit, value, told) in [
            (
                TimeUnit::Ms,
                1_700_000_000_000_000,
                "1700000000000000 milliseconds since 1970 is the year 55840; as microseconds it would be 2023-11-14: set `unit: us`",
            ),
            (TimeUnit::Ms, 1_700_000_000_000_000_000, "as nanoseconds it would be 2023-11-14: set `unit: ns`"),
            (TimeUnit::Ms, 1_700_000_000, "is 1970-01-20; as seconds it would be 2023-11-14: set `unit: s`"),
            (TimeUnit::S, 1_700_000_000_000, "as milliseconds it would be 2023-11-14: set `unit: ms`"),
            (
                TimeUnit::Us,
                1_700_000_000_000,
                "1700000000000 microseconds since 1970 is 1970-01-20; as milliseconds it would be",
            ),
            (TimeUnit::Ms, i64::MAX, "`unit` of the column"),
            (TimeUnit::Ms, i64::MIN, "`unit` of the column"),
        ] {
            let warning = warned(unit, &[0, value, value]).unwrap();
            assert!(warning.starts_with("column `at`: ") && warning.contains(told), "{warning}");
        }
    }

    #[test]
    fn times_that_are_meant_are_not_told_of() {
        // From 1900 to 2200, the end of 9999, and small numbers, as in tests.
        let fine =
            [0, -1, 5_000, 999_999_999, 1_700_000_000_000, -2_208_988_800_000, 7_289_654_399_999, instant::LAST_MS];
        assert_eq!(warned(TimeUnit::Ms, &fine), None);
        assert_eq!(warned(TimeUnit::Ns, &[1_700_000_000_000_000_000]), None);
    }

    #[test]
    fn units_are_exact_or_refused() {
        assert_eq!(millis(TimeUnit::Us, -1), Some(-1), "towards the past");
        assert_eq!(millis(TimeUnit::Ns, 1_999_999), Some(1));
        assert_eq!(millis(TimeUnit::S, i64::MAX / 1_000), Some(i64::MAX / 1_000 * 1_000));
        assert_eq!(millis(TimeUnit::S, i64::MAX / 1_000 + 1), None);
    }
}
