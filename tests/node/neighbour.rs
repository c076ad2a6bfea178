//! A well-behaved client beside those that are not: how long it waits, and what the node takes meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use harness::resident_kib;

use crate::http::Http;
use crate::served::Served;

/// The bound on a busy machine: printed figures say more.
const P99_MAX: Duration = Duration::from_millis(100);
/// How much more memory a node may take, whatever is sent to it.
const MEMORY_KIB_MAX: u64 = 64 << 10;
/// Requests that say something. What others do may be over sooner: the last ones are made behind it.
const REQUESTS_MIN: usize = 100;
/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(5);
/// On a machine with more to do than this test, a few in a hundred requests wait for the processor: that many more are allowed.
const BUSY: u32 = 5;

/// A client that asks all the time on one connection, and looks at the node's memory.
pub(crate) struct Neighbour {
    ends: Arc<AtomicBool>,
    asks: JoinHandle<Vec<Duration>>,
    looks: JoinHandle<u64>,
    before_kib: u64,
}

impl Neighbour {
    /// Begins.
    pub(crate) fn of(served: &Served, token: &str) -> Neighbour {
        let ends = Arc::new(AtomicBool::new(false));
        let (pid, address, token) = (served.running().pid(), served.address, token.to_string());
        let before_kib = resident_kib(pid);
        let asks = std::thread::spawn({
            let ends = Arc::clone(&ends);
            move || ask_all_the_time(address, &token, &ends)
        });
        let looks = std::thread::spawn({
            let ends = Arc::clone(&ends);
            move || {
                let mut most_kib = 0;
                while !ends.load(SeqCst) {
                    most_kib = most_kib.max(resident_kib(pid));
                    sleep(PAUSE);
                }
                most_kib
            }
        });
        Neighbour { ends, asks, looks, before_kib }
    }

    /// Ends, and judges.
    #[track_caller]
    pub(crate) fn judge(self, what: &str) {
        self.ends.store(true, SeqCst);
        let mut took = self.asks.join().expect("every request was served");
        let most_kib = self.looks.join().expect("the node runs");
        took.sort_unstable();
        let (p50, p99) = (took[took.len() / 2], took[(took.len() - 1) * 99 / 100]);
        let more_kib = most_kib.saturating_sub(self.before_kib);
        println!("{what}: p50 {p50:.1?}, p99 {p99:.1?} of {} requests; {more_kib} KiB more", took.len());
        assert!(p99 <= P99_MAX * BUSY, "{what}: p99 is {p99:?}");
        assert!(more_kib <= MEMORY_KIB_MAX, "{what}: the node took {more_kib} KiB more");
    }
}

fn ask_all_the_time(address: SocketAddr, token: &str, ends: &AtomicBool) -> Vec<Duration> {
    let mut http = Http::connect(address);
    let authorization = format!("Bearer {token}");
    let mut took = Vec::new();
    while !ends.load(SeqCst) || took.len() < REQUESTS_MIN {
        let begun = Instant::now();
        http.ask("GET", "/api/v1/whoami", &[("Authorization", &authorization)], b"").expect(200);
        took.push(begun.elapsed());
        sleep(PAUSE);
    }
    took
}
