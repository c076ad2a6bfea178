//! Watermark alignment: the sources of an alignment group stay close in event time. A source that is ahead waits while another one
//! has rows and is behind: its rows would only fill an operator's state until the watermark, the least of all, reaches them.
//!
//! A source without rows at the moment delays nobody, nor does a source without event time. A group is within one process.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use super::standing::Standing;
use flowgate_base::id::Worker;
use flowgate_base::time::EventTime;
use flowgate_connect::source::Waker;

/// The position of a member that delays nobody.
const DELAYS_NOBODY: EventTime = EventTime::MAX;

/// The sources that are aligned with each other, on all workers.
#[derive(Default)]
pub(crate) struct AlignmentGroup {
    positions: Mutex<Vec<Arc<Position>>>,
}

/// The progress of one source in event time on one worker.
struct Position {
    worker: Worker,
    watermark: AtomicI64,
    waits: AtomicBool,
    waker: Waker,
}

/// A source of a group, on one worker. It leaves the group when it is dropped.
pub(crate) struct Member {
    group: Arc<AlignmentGroup>,
    mine: Arc<Position>,
    /// The source's last watermark.
    last: Option<EventTime>,
    /// The milliseconds by which the last batch raised it. Sources of one worker take turns, so one may be ahead by `step`.
    step: i64,
    /// What observers see.
    standing: Arc<Standing>,
}

impl AlignmentGroup {
    /// Adds a source of a worker; `waker` wakes it.
    pub(crate) fn join(self: &Arc<Self>, worker: Worker, waker: Waker, standing: Arc<Standing>) -> Member {
        let watermark = AtomicI64::new(EventTime::MIN.0);
        let mine = Arc::new(Position { worker, watermark, waits: AtomicBool::new(false), waker });
        self.positions().push(Arc::clone(&mine));
        Member { group: Arc::clone(self), mine, last: None, step: 0, standing }
    }

    fn positions(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Position>>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Publishes the source's watermark after it has emitted rows.
    pub(crate) fn advance(&mut self, watermark: Option<EventTime>) {
        if let (Some(last), Some(now)) = (self.last, watermark)
            && now > last
        {
            self.step = now.ms_since(last);
        }
        self.last = watermark.or(self.last);
        self.publish(self.last.unwrap_or(DELAYS_NOBODY));
    }

    /// Lets nobody wait for the source, which has no rows at the moment.
    pub(crate) fn pause(&self) {
        self.publish(DELAYS_NOBODY);
    }

    fn publish(&self, watermark: EventTime) {
        if self.mine.watermark.swap(watermark.0, SeqCst) != watermark.0 {
            let positions = self.group.positions();
            let waiting: Vec<_> = positions.iter().filter(|other| other.waits.swap(false, SeqCst)).cloned().collect();
            drop(positions);
            waiting.iter().for_each(|other| (other.waker)());
        }
    }

    /// Whether the source has to wait. If so, it is woken when another member has advanced or paused.
    pub(crate) fn is_ahead(&self) -> bool {
        let is_ahead = self.waits();
        self.standing.aligned.note(is_ahead);
        is_ahead
    }

    fn waits(&self) -> bool {
        let Some(last) = self.last else { return false };
        if !self.is_ahead_of_any(last) {
            return false;
        }
        self.mine.waits.store(true, SeqCst);
        // Another member may have advanced in between, and have seen nobody wait.
        let ahead = self.is_ahead_of_any(last);
        if !ahead {
            self.mine.waits.store(false, SeqCst);
        }
        ahead
    }

    fn is_ahead_of_any(&self, last: EventTime) -> bool {
        self.group.positions().iter().any(|other| {
            let ahead = if other.worker == self.mine.worker { self.step } else { 0 };
            !Arc::ptr_eq(other, &self.mine) && last > EventTime(other.watermark.load(SeqCst)).plus_ms(ahead)
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.pause();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn member(group: &Arc<AlignmentGroup>, worker: Worker) -> (Member, Arc<AtomicUsize>) {
        let woken = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&woken);
        (group.join(worker, Arc::new(move || _ = theirs.fetch_add(1, SeqCst)), Arc::default()), woken)
    }

    #[test]
    fn a_member_that_is_ahead_waits_until_the_other_has_advanced() {
        let group = Arc::<AlignmentGroup>::default();
        let ((mut fast, woken), (mut slow, _)) = (member(&group, Worker(0)), member(&group, Worker(0)));
        slow.advance(Some(EventTime(0)));
        fast.advance(Some(EventTime(0)));
        fast.advance(Some(EventTime(10)));
        assert!(!fast.is_ahead(), "by one step");
        fast.advance(Some(EventTime(20)));
        assert!(fast.is_ahead());
        assert!(!slow.is_ahead());
        slow.advance(Some(EventTime(10)));
        assert_eq!(woken.load(SeqCst), 1);
        assert!(!fast.is_ahead());
    }

    #[test]
    fn nobody_waits_for_a_member_that_pauses_or_has_left() {
        let group = Arc::<AlignmentGroup>::default();
        let ((mut fast, woken), (mut slow, _)) = (member(&group, Worker(0)), member(&group, Worker(0)));
        slow.advance(Some(EventTime(0)));
        (0..5).for_each(|step| fast.advance(Some(EventTime(step * 10))));
        assert!(fast.is_ahead());
        slow.pause();
        assert_eq!(woken.load(SeqCst), 1);
        assert!(!fast.is_ahead());
        slow.advance(Some(EventTime(1)));
        assert!(fast.is_ahead(), "it has rows again");
        drop(slow);
        assert_eq!(woken.load(SeqCst), 2);
        assert!(!fast.is_ahead());
    }

    #[test]
    fn a_member_gets_no_step_ahead_of_one_on_another_worker() {
        let group = Arc::<AlignmentGroup>::default();
        let ((mut here, _), (mut there, woken)) = (member(&group, Worker(0)), member(&group, Worker(1)));
        here.advance(Some(EventTime(0)));
        there.advance(Some(EventTime(0)));
        assert!(!here.is_ahead() && !there.is_ahead());
        there.advance(Some(EventTime(10)));
        assert!(there.is_ahead() && !here.is_ahead());
        here.advance(Some(EventTime(10)));
        assert_eq!(woken.load(SeqCst), 1);
        assert!(!there.is_ahead());
    }

    #[test]
    fn a_member_without_event_time_delays_nobody() {
        let group = Arc::<AlignmentGroup>::default();
        let ((mut timed, _), (mut untimed, _)) = (member(&group, Worker(0)), member(&group, Worker(0)));
        untimed.advance(None);
        (0..5).for_each(|step| timed.advance(Some(EventTime(step * 10))));
        assert!(!timed.is_ahead() && !untimed.is_ahead());
    }
}
