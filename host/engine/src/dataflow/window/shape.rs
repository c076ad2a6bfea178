//! The windows and the pane of a time. Pure arithmetic; all times are Unix milliseconds.
//!
//! A window is `[start, start + size)`; starts are multiples of the slide. A pane is the longest interval that no window
//! boundary divides. A slide has one pane, or two where the slide does not divide the size: the first ends where earlier windows
//! end and is `size mod slide` long (the pairs of Krishnamurthy, Wu and Franklin, "On-the-fly sharing for streamed aggregation",
//! 2006). A row is aggregated once, in its pane; a window merges its panes.

/// Times beyond this (about 73 million years from 1970) are refused, so that no sum of times overflows.
pub(crate) const TIME_LIMIT_MS: i64 = i64::MAX / 4;

/// The windows of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Length of a window.
    pub size_ms: i64,
    /// Time between the starts of windows, at most `size_ms`.
    pub slide_ms: i64,
    /// The allowed lateness: how long after its end a window accepts rows.
    pub lateness_ms: i64,
}

impl Shape {
    /// Returns the start and the end of the pane of a time.
    pub(crate) fn pane(&self, time: i64) -> (i64, i64) {
        let start = self.last_window(time);
        // Where earlier windows end; where a window ends at the start of another, that start itself.
        let cut = start + self.size_ms % self.slide_ms;
        if time < cut { (start, cut) } else { (cut, start + self.slide_ms) }
    }

    /// Returns the start of the pane of a time.
    pub(crate) fn pane_of(&self, time: i64) -> i64 {
        self.pane(time).0
    }

    /// Returns the start of the earliest window that contains a time.
    pub(crate) fn first_window(&self, time: i64) -> i64 {
        ((time - self.size_ms).div_euclid(self.slide_ms) + 1) * self.slide_ms
    }

    /// Returns the start of the latest window that contains a time.
    pub(crate) fn last_window(&self, time: i64) -> i64 {
        time.div_euclid(self.slide_ms) * self.slide_ms
    }

    /// Returns the starts of the windows that contain a time, in order.
    pub(crate) fn windows(&self, time: i64) -> impl Iterator<Item = i64> + use<> {
        let (last, slide) = (self.last_window(time), self.slide_ms);
        std::iter::successors(Some(self.first_window(time)), move |s| Some(s + slide)).take_while(move |s| *s <= last)
    }

    /// Returns the watermark at which a window emits its result: its last millisecond.
    pub(crate) fn fires_at(&self, window: i64) -> i64 {
        window + self.size_ms - 1
    }

    /// Returns the watermark from which on a window accepts no rows.
    pub(crate) fn closes_at(&self, window: i64) -> i64 {
        self.fires_at(window).saturating_add(self.lateness_ms)
    }

    /// Whether a row is late at a watermark: all of its windows are closed.
    pub(crate) fn is_late(&self, time: i64, watermark: i64) -> bool {
        self.closes_at(self.last_window(time)) <= watermark
    }

    /// Returns the start of the first window that fires after a watermark.
    pub(crate) fn first_unfired(&self, watermark: i64) -> i64 {
        // Windows fire at start + size - 1 > watermark.
        let start_above = watermark.saturating_sub(self.size_ms - 1);
        start_above.div_euclid(self.slide_ms).saturating_add(1).saturating_mul(self.slide_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_base::quantity::DURATION_MS_MAX;
    use proptest::prelude::*;

    fn shapes() -> impl Strategy<Value = Shape> {
        (1i64..50, 1i64..50, 0i64..30).prop_map(|(a, b, lateness_ms)| Shape {
            size_ms: a.max(b),
            slide_ms: a.min(b),
            lateness_ms,
        })
    }

    #[test]
    fn at_the_end_of_time_nothing_is_left_to_fire() {
        for (size_ms, slide_ms) in [(1, 1), (10, 3), (7, 7)] {
            let shape = Shape { size_ms, slide_ms, lateness_ms: 0 };
            assert!(shape.first_unfired(i64::MAX) > TIME_LIMIT_MS);
            assert!(shape.first_unfired(i64::MIN) < -TIME_LIMIT_MS);
        }
    }

    proptest! {
        /// Goal: a time is in exactly the windows of the definition. Method: try every start near it.
        #[test]
        fn a_time_is_in_exactly_its_windows(shape in shapes(), time in -300i64..300) {
            let naive: Vec<i64> = (-400..400)
                .filter(|s: &i64| s.rem_euclid(shape.slide_ms) == 0 && *s <= time && time < s + shape.size_ms)
                .collect();
            prop_assert_eq!(shape.windows(time).collect::<Vec<_>>(), naive);
        }

        /// Goal: nothing overflows. Method: durations up to the longest that a job may have, any time in range, any watermark.
        #[test]
        fn nothing_overflows(
            lengths in [1..=DURATION_MS_MAX, 1..=DURATION_MS_MAX, 0..=DURATION_MS_MAX],
            time in prop_oneof![Just(-TIME_LIMIT_MS), Just(TIME_LIMIT_MS), -TIME_LIMIT_MS..=TIME_LIMIT_MS],
            watermark in prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>()],
        ) {
            let [a, b, lateness_ms] = lengths;
            let shape = Shape { size_ms: a.max(b), slide_ms: a.min(b), lateness_ms };
            let (first, last) = (shape.first_window(time), shape.last_window(time));
            prop_assert!(first <= last && last <= time && time <= shape.fires_at(first));
            prop_assert!(shape.fires_at(last) <= shape.closes_at(last) && shape.pane_of(time) <= time);
            let unfired = shape.first_unfired(watermark);
            prop_assert_eq!(shape.is_late(time, watermark), shape.closes_at(last) <= watermark);
            prop_assert!(watermark.abs_diff(0) > TIME_LIMIT_MS as u64 || shape.fires_at(unfired) > watermark);
        }

        /// Goal: all times of a pane are in the same windows, and no pane could be longer.
        #[test]
        fn a_pane_lies_in_the_same_windows_throughout(shape in shapes(), time in -300i64..300) {
            let windows = |time: i64| shape.windows(time).collect::<Vec<_>>();
            let (start, end) = shape.pane(time);
            prop_assert!(start <= time && time < end);
            for inside in start..end {
                prop_assert_eq!(shape.pane(inside), (start, end));
                prop_assert_eq!(windows(inside), windows(time));
            }
            prop_assert_ne!(windows(start - 1), windows(time));
            prop_assert_ne!(windows(end), windows(time));
        }

        /// Goal: a window has at most two panes for each slide and consists of whole panes. Method: walk from pane to pane
        /// through windows of up to an hour and more.
        #[test]
        fn a_window_has_at_most_two_panes_for_each_slide(
            a in 1i64..4_000_000, slides in 1i64..60, rest in 0i64..4_000_000, window in -5i64..5,
        ) {
            let shape = Shape { size_ms: a * slides + rest % a, slide_ms: a, lateness_ms: 0 };
            let (start, mut panes) = (window * shape.slide_ms, 0);
            let mut at = start;
            while at < start + shape.size_ms {
                prop_assert_eq!(shape.pane_of(at), at);
                at = shape.pane(at).1;
                panes += 1;
            }
            prop_assert_eq!(at, start + shape.size_ms);
            prop_assert!(panes <= 2 * slides + 1, "{panes} panes for {slides} slides");
        }

        /// Goal: the first unfired window is the earliest one that fires after the watermark.
        #[test]
        fn the_first_unfired_window_is_the_least(shape in shapes(), watermark in -300i64..300) {
            let naive = (-500i64..500)
                .find(|s| s.rem_euclid(shape.slide_ms) == 0 && shape.fires_at(*s) > watermark);
            prop_assert_eq!(Some(shape.first_unfired(watermark)), naive);
        }
    }
}
