//! Sources that meet in an operator stay side by side in event time: one that is ahead waits for those that have rows and are
//! behind. Rows that are ahead would only lie in the operator's state until the watermark, the least of all, has come to them.
//!
//! A source without rows at the moment keeps nobody waiting, nor does one without event time.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use flowgate_connect::source::Waker;

/// The position of a source that keeps nobody waiting.
const AWAY: i64 = i64::MAX;

/// The sources of one group, on all workers.
#[derive(Default)]
pub struct Pace {
    places: Mutex<Vec<Arc<Place>>>,
}

/// One source on one worker.
struct Place {
    worker: usize,
    position: AtomicI64,
    waits: AtomicBool,
    waker: Waker,
}

/// One source's part in it.
pub struct Runner {
    pace: Arc<Pace>,
    mine: Arc<Place>,
    /// Where it was last, and how far the last batch took it: so far it may be ahead of others on its worker, with which it takes
    /// turns.
    last: Option<i64>,
    step: i64,
}

impl Pace {
    /// A source takes part, which `waker` wakes.
    pub fn join(self: &Arc<Self>, worker: usize, waker: Waker) -> Runner {
        let mine = Arc::new(Place { worker, position: AtomicI64::new(i64::MIN), waits: AtomicBool::new(false), waker });
        self.places().push(Arc::clone(&mine));
        Runner { pace: Arc::clone(self), mine, last: None, step: 0 }
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runner {
    /// The source has given rows, and its watermark is this now.
    pub fn moved(&mut self, watermark: Option<i64>) {
        if let (Some(last), Some(now)) = (self.last, watermark)
            && now > last
        {
            self.step = now.saturating_sub(last);
        }
        self.last = watermark.or(self.last);
        self.stand_at(self.last.unwrap_or(AWAY));
    }

    /// The source has nothing to give at the moment.
    pub fn rests(&self) {
        self.stand_at(AWAY);
    }

    fn stand_at(&self, position: i64) {
        if self.mine.position.swap(position, SeqCst) != position {
            let waiting =
                self.pace.places().iter().filter(|place| place.waits.swap(false, SeqCst)).cloned().collect::<Vec<_>>();
            waiting.iter().for_each(|place| (place.waker)());
        }
    }

    /// Whether the source has to wait: it is woken when another one has moved.
    pub fn is_ahead(&self) -> bool {
        let Some(last) = self.last else { return false };
        if !self.is_before_all(last) {
            return false;
        }
        self.mine.waits.store(true, SeqCst);
        // Somebody may have moved in between, and have seen nobody wait.
        let ahead = self.is_before_all(last);
        if !ahead {
            self.mine.waits.store(false, SeqCst);
        }
        ahead
    }

    fn is_before_all(&self, last: i64) -> bool {
        self.pace.places().iter().any(|other| {
            let ahead = if other.worker == self.mine.worker { self.step } else { 0 };
            !Arc::ptr_eq(other, &self.mine) && last > other.position.load(SeqCst).saturating_add(ahead)
        })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.rests();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn runner(pace: &Arc<Pace>, worker: usize) -> (Runner, Arc<AtomicUsize>) {
        let woken = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&woken);
        (pace.join(worker, Arc::new(move || _ = theirs.fetch_add(1, SeqCst))), woken)
    }

    #[test]
    fn who_is_ahead_waits_until_the_other_has_moved() {
        let pace = Arc::<Pace>::default();
        let ((mut fast, woken), (mut slow, _)) = (runner(&pace, 0), runner(&pace, 0));
        slow.moved(Some(0));
        fast.moved(Some(0));
        fast.moved(Some(10));
        assert!(!fast.is_ahead(), "by one step");
        fast.moved(Some(20));
        assert!(fast.is_ahead());
        assert!(!slow.is_ahead());
        slow.moved(Some(10));
        assert_eq!(woken.load(SeqCst), 1);
        assert!(!fast.is_ahead());
    }

    #[test]
    fn nobody_waits_for_a_source_that_rests_or_is_gone() {
        let pace = Arc::<Pace>::default();
        let ((mut fast, woken), (mut slow, _)) = (runner(&pace, 0), runner(&pace, 0));
        slow.moved(Some(0));
        (0..5).for_each(|step| fast.moved(Some(step * 10)));
        assert!(fast.is_ahead());
        slow.rests();
        assert_eq!(woken.load(SeqCst), 1);
        assert!(!fast.is_ahead());
        slow.moved(Some(1));
        assert!(fast.is_ahead(), "it has rows again");
        drop(slow);
        assert_eq!(woken.load(SeqCst), 2);
        assert!(!fast.is_ahead());
    }

    #[test]
    fn nobody_is_ahead_of_a_source_on_another_worker() {
        let pace = Arc::<Pace>::default();
        let ((mut here, _), (mut there, woken)) = (runner(&pace, 0), runner(&pace, 1));
        here.moved(Some(0));
        there.moved(Some(0));
        assert!(!here.is_ahead() && !there.is_ahead());
        there.moved(Some(10));
        assert!(there.is_ahead() && !here.is_ahead());
        here.moved(Some(10));
        assert_eq!(woken.load(SeqCst), 1);
        assert!(!there.is_ahead());
    }

    #[test]
    fn a_source_without_event_time_keeps_nobody_waiting() {
        let pace = Arc::<Pace>::default();
        let ((mut timed, _), (mut untimed, _)) = (runner(&pace, 0), runner(&pace, 0));
        untimed.moved(None);
        (0..5).for_each(|step| timed.moved(Some(step * 10)));
        assert!(!timed.is_ahead() && !untimed.is_ahead());
    }
}
