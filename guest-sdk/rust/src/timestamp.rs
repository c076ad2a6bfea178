//! Points in time.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: signed milliseconds since 1970-01-01T00:00:00Z. The type of `timestamp` columns.
///
/// It parses RFC 3339 and displays as such. A `Duration` can be added and subtracted; results beyond the range are clamped to
/// [`MIN`](Self::MIN) and [`MAX`](Self::MAX).
///
/// ```
/// use flowgate_sdk::Timestamp;
/// use std::time::Duration;
///
/// let time = Timestamp::from_civil(2000, 10, 10, 20, 55, 36).unwrap();
/// assert_eq!(time.as_millis(), 971_211_336_000);
/// assert_eq!(time.to_string(), "2000-10-10T20:55:36.000Z");
/// assert_eq!("2000-10-10T22:55:36+02:00".parse(), Ok(time));
/// assert_eq!((time + Duration::from_secs(60)).millis_since(time), 60_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Timestamp(i64);

const DAY_MS: i64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;

impl Timestamp {
    /// The earliest time.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest time: the watermark when the input has ended.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// Returns the time `millis` milliseconds after 1970-01-01T00:00:00Z, before it where negative.
    ///
    /// ```
    /// assert_eq!(flowgate_sdk::Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    /// ```
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    ///
    /// ```
    /// assert_eq!(flowgate_sdk::Timestamp::from_millis(7).as_millis(), 7);
    /// ```
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the milliseconds from `earlier` to this time; negative where `earlier` is later. Clamped to the range of `i64`.
    ///
    /// ```
    /// use flowgate_sdk::Timestamp;
    /// assert_eq!(Timestamp::from_millis(5).millis_since(Timestamp::from_millis(7)), -2);
    /// ```
    pub const fn millis_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the time `millis` milliseconds later, earlier where negative; clamped to [`MIN`](Self::MIN) and
    /// [`MAX`](Self::MAX).
    ///
    /// ```
    /// use flowgate_sdk::Timestamp;
    /// assert_eq!(Timestamp::from_millis(5).plus_millis(-7), Timestamp::from_millis(-2));
    /// assert_eq!(Timestamp::MAX.plus_millis(1), Timestamp::MAX);
    /// ```
    pub const fn plus_millis(self, millis: i64) -> Self {
        Timestamp(self.0.saturating_add(millis))
    }

    /// Returns the time of a date and time of the proleptic Gregorian calendar, in UTC; `month` and `day` count from 1. `None`
    /// where there is no such day or time. A leap second (`second` = 60) is the first instant of the next minute, as in Unix
    /// time.
    ///
    /// ```
    /// use flowgate_sdk::Timestamp;
    /// assert_eq!(Timestamp::from_civil(1970, 1, 2, 0, 0, 0), Some(Timestamp::from_millis(86_400_000)));
    /// assert_eq!(Timestamp::from_civil(2023, 2, 29, 0, 0, 0), None);
    /// ```
    pub fn from_civil(year: i32, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_in_month = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        // Years that begin in March put the leap day last, so that days before a month need no table:
        // <https://howardhinnant.github.io/date_algorithms.html>.
        let year = i64::from(year) - i64::from(month <= 2);
        let month_from_march = (i64::from(month) + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
        let year_of_era = year.rem_euclid(400);
        let days = year.div_euclid(400) * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100
            + day_of_year
            - EPOCH_DAYS;
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Some(Timestamp(days * DAY_MS + seconds * 1000))
    }
}

/// RFC 3339 in UTC with milliseconds, as in `2000-10-10T20:55:36.000Z`. Years beyond 9999 have more digits.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(DAY_MS) + EPOCH_DAYS;
        let millis = self.0.rem_euclid(DAY_MS);
        let day_of_era = days.rem_euclid(ERA_DAYS);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + days.div_euclid(ERA_DAYS) * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", millis % 1000)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    /// Fractions of a millisecond are dropped.
    fn add(self, duration: Duration) -> Timestamp {
        self.plus_millis(millis_of(duration))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    /// Fractions of a millisecond are dropped.
    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(millis_of(duration)))
    }
}

fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        let shown = |millis| Timestamp::from_millis(millis).to_string();
        assert_eq!(shown(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(shown(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(shown(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(Timestamp::from_civil(1900, 2, 29, 0, 0, 0), None);
        assert_eq!(Timestamp::from_civil(2024, 13, 1, 0, 0, 0), None);
        assert_eq!(Timestamp::from_civil(2024, 1, 1, 24, 0, 0), None);
        assert_eq!(Timestamp::from_civil(2016, 12, 31, 23, 59, 60), Timestamp::from_civil(2017, 1, 1, 0, 0, 0));
    }

    proptest! {
        #[test]
        fn the_calendar_counts_every_second(millis in -60_000_000_000_000i64..=200_000_000_000_000) {
            let text = Timestamp::from_millis(millis).to_string();
            let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap();
            let time = Timestamp::from_civil(
                number(0..4) as i32, number(5..7), number(8..10), number(11..13), number(14..16), number(17..19),
            );
            prop_assert_eq!(time.unwrap().as_millis() + i64::from(number(20..23)), millis);
        }
    }
}
