//! Timers of a process function.

use crate::export::layout::RawTimer;
use crate::host::state;
use crate::timestamp::Timestamp;

/// The time that a timer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Clock {
    /// The operator's watermark.
    EventTime,
    /// The job's processing time.
    ProcessingTime,
}

/// A timer of a key. Its clock, time and tag identify it: setting the same one again changes nothing.
///
/// ```
/// use flowgate_sdk::{Timer, Timestamp};
///
/// let timer = Timer::event_time(Timestamp::from_millis(5), 0_u64);
/// assert_eq!(timer.time.as_millis(), 5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer<Tag = u64> {
    /// The time that it waits for.
    pub clock: Clock,
    /// When it fires. One in the past fires right after the call.
    pub time: Timestamp,
    /// Set by the function; it distinguishes timers.
    pub tag: Tag,
}

impl<Tag> Timer<Tag> {
    /// Creates a timer that fires when the operator's watermark reaches `time`.
    pub fn event_time(time: Timestamp, tag: Tag) -> Self {
        Timer { clock: Clock::EventTime, time, tag }
    }

    /// Creates a timer that fires when the job's processing time reaches `time`.
    pub fn processing_time(time: Timestamp, tag: Tag) -> Self {
        Timer { clock: Clock::ProcessingTime, time, tag }
    }
}

/// The tag that distinguishes the timers of a key: `u64`, or an enum without fields and `#[derive(TimerTag)]`. The numbers of its
/// variants are stored with the timers: they must mean the same in the next version of the plugin.
///
/// ```
/// use flowgate_sdk::TimerTag;
///
/// #[derive(TimerTag, Clone, Copy)]
/// enum Tag { Quiet = 1, Report = 2 }
/// assert_eq!(Tag::Report.number(), 2);
/// assert!(Tag::of(3).is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the tag of a timer",
    label = "no tag",
    note = "tags are `u64` and enums without fields that have `#[derive(flowgate_sdk::TimerTag)]`"
)]
pub trait TimerTag: Copy {
    /// Returns its number.
    fn number(self) -> u64;
    /// Returns the tag of this number; `None` where there is none.
    fn of(number: u64) -> Option<Self>;
}

impl TimerTag for u64 {
    #[inline(always)]
    fn number(self) -> u64 {
        self
    }
    #[inline(always)]
    fn of(number: u64) -> Option<u64> {
        Some(number)
    }
}

/// Sets and clears timers of the key of the row or timer with which the function is called: `ctx.timers`. All changes of a call
/// go to the host at its end.
#[derive(Debug)]
pub struct Timers<Tag> {
    key: u32,
    keys: usize,
    /// The changes in their order; `true` sets.
    changes: Vec<(RawTimer, bool)>,
    /// The number of changes when this row began.
    before: usize,
    /// The last change of each key, to leave out an equal one.
    last: Vec<Option<(RawTimer, bool)>>,
    clears: bool,
    tag: std::marker::PhantomData<Tag>,
}

impl<Tag: TimerTag> Timers<Tag> {
    pub(crate) fn new(keys: usize) -> Self {
        let (changes, last, tag) = (Vec::new(), Vec::new(), std::marker::PhantomData);
        Timers { key: 0, keys, changes, before: 0, last, clears: false, tag }
    }

    /// Sets a timer. One that is set already fires once; one in the past fires right after the call.
    #[inline]
    pub fn set(&mut self, timer: Timer<Tag>) {
        self.change(timer, true);
    }

    /// Clears a timer; one that is not set is ignored.
    #[inline]
    pub fn clear(&mut self, timer: Timer<Tag>) {
        self.clears = true;
        self.change(timer, false);
    }

    #[inline]
    fn change(&mut self, timer: Timer<Tag>, set: bool) {
        let Timer { clock, time, tag } = timer;
        let raw = RawTimer { key: self.key, clock: clock as u8, time: time.as_millis(), tag: tag.number() };
        if self.last.is_empty() {
            self.last.resize(self.keys, None);
        }
        let last = &mut self.last[self.key as usize];
        if *last != Some((raw, set)) {
            *last = Some((raw, set));
            self.changes.push((raw, set));
        }
    }

    #[inline(always)]
    pub(crate) fn begin(&mut self, key: u32) {
        self.key = key;
        self.before = self.changes.len();
    }

    pub(crate) fn undo(&mut self) {
        self.changes.truncate(self.before);
        if let Some(last) = self.last.get_mut(self.key as usize) {
            *last = None;
        }
    }

    /// Sends the host the last change of each timer.
    pub(crate) fn write_back(mut self) {
        if self.clears {
            // The sort is stable: changes of one timer stay in their order, and the last is kept.
            self.changes.sort_by_key(|(timer, _)| *timer);
            self.changes.reverse();
            self.changes.dedup_by_key(|(timer, _)| *timer);
            self.changes.reverse();
        }
        let of = |set| self.changes.iter().filter(move |change| change.1 == set).map(|change| change.0);
        let (set, cleared): (Vec<RawTimer>, Vec<RawTimer>) = (of(true).collect(), of(false).collect());
        if !cleared.is_empty() {
            state::clear_timers(&cleared);
        }
        if !set.is_empty() {
            state::set_timers(&set);
        }
    }
}
