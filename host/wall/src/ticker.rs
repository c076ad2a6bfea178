//! Deadlines of calls: a thread that moves the engine's time on while calls run, and sleeps otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use flowgate_base::error::{Error, Result};

/// Ticks without a call after which the thread parks. A job that is busy must not pay for waking it in each call.
const QUIET_TICKS: u32 = 20;

/// Calls `tick` at a fixed interval while there are calls, on a thread of its own.
///
/// S2: while a call runs, the ticker ticks. The order that makes this true: a call counts itself in and then looks
/// whether the thread is parked; the thread says that it is parked and then looks whether calls were counted in.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    interval: Duration,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Calls begun since the start.
    begun: AtomicU64,
    /// Calls ended since the start.
    ended: AtomicU64,
    parked: AtomicBool,
    stop: AtomicBool,
}

/// A call that is running; it ends when this is dropped.
pub(super) struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, SeqCst);
    }
}

impl Ticker {
    /// Starts the thread, parked.
    pub(super) fn start(interval: Duration, tick: impl Fn() + Send + 'static) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let handle = thread::Builder::new()
            .name("flowgate-deadlines".into())
            .spawn(move || run(&of_thread, interval, tick))
            .map_err(|e| Error::io("cannot start the thread that keeps deadlines", &e))?;
        Ok(Ticker { shared, interval, thread: handle.thread().clone(), handle: Some(handle) })
    }

    /// Counts a call in. Must be held until the call has ended.
    pub(super) fn run(&self) -> Running<'_> {
        self.shared.begun.fetch_add(1, SeqCst);
        if self.shared.parked.load(SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }

    /// The ticks after which a call that begins now has had its time, and one more, because the first may come at once.
    pub(super) fn ticks(&self, deadline: Duration) -> u64 {
        let ticks = deadline.as_nanos().div_ceil(self.interval.as_nanos().max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX / 4).min(u64::MAX / 4) + 1
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // The thread cannot panic on anything but our own mistake, which it has reported by then.
            let _ = handle.join();
        }
    }
}

fn run(shared: &Shared, interval: Duration, tick: impl Fn()) {
    let mut seen = 0;
    let mut quiet = QUIET_TICKS;
    while !shared.stop.load(SeqCst) {
        let begun = shared.begun.load(SeqCst);
        let busy = begun != seen || shared.ended.load(SeqCst) != begun;
        seen = begun;
        quiet = if busy { 0 } else { quiet + 1 };
        if quiet > QUIET_TICKS {
            shared.parked.store(true, SeqCst);
            while shared.begun.load(SeqCst) == seen && !shared.stop.load(SeqCst) {
                thread::park();
            }
            shared.parked.store(false, SeqCst);
            quiet = 0;
            continue;
        }
        thread::sleep(interval);
        tick();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn ticks_while_a_call_runs_and_parks_afterwards() {
        let (sender, ticks) = mpsc::channel();
        let ticker = Ticker::start(Duration::from_millis(1), move || sender.send(()).unwrap_or(())).unwrap();
        for _ in 0..3 {
            let call = ticker.run();
            for _ in 0..2 * QUIET_TICKS {
                ticks.recv_timeout(Duration::from_secs(10)).expect("ticks while a call runs");
            }
            drop(call);
            // It goes on for a while, and then no longer.
            while ticks.recv_timeout(Duration::from_millis(200)).is_ok() {}
        }
        drop(ticker);
        assert!(ticks.recv().is_err(), "the thread has ended");
    }

    #[test]
    fn deadlines_are_rounded_up() {
        let ticker = Ticker::start(Duration::from_millis(10), || {}).unwrap();
        assert_eq!(ticker.ticks(Duration::from_millis(1)), 2);
        assert_eq!(ticker.ticks(Duration::from_millis(1000)), 101);
    }
}
