//! The pacer against a model that does it in small steps, and the pace of a busy process.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::pace::{BURST, Pace, Pacer};
use flowgate_confine::cpu_used;

/// The naive model: a bucket that is filled and emptied nanosecond by nanosecond would be the definition; microseconds will do.
struct Model {
    share_cores: f64,
    left_us: f64,
}

impl Model {
    fn pass(&mut self, wall_us: u64, used_us: u64) {
        // Within a call, use is spread evenly.
        let each = used_us as f64 / wall_us.max(1) as f64;
        for _ in 0..wall_us {
            self.left_us = (self.left_us + self.share_cores - each).min(BURST.as_micros() as f64);
        }
        if wall_us == 0 {
            self.left_us -= used_us as f64;
        }
    }
}

/// Times of work: how long it takes, and how many processors it keeps busy.
fn work() -> impl Strategy<Value = Vec<(u64, f64)>> {
    proptest::collection::vec((0u64..20_000, 0.0..4.0f64), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Goal: the pacer is the bucket of its definition. Method: a model in steps of a microsecond.
    #[test]
    fn the_pacer_is_a_bucket(share in 0.01..4.0f64, work in work()) {
        let (mut pacer, mut model) = (Pacer::new(share), Model { share_cores: share, left_us: BURST.as_micros() as f64 });
        let (mut now, mut used) = (Duration::ZERO, Duration::ZERO);
        pacer.sleep(now, used);
        for (wall_us, cores) in work {
            let used_us = (wall_us as f64 * cores) as u64;
            now += Duration::from_micros(wall_us);
            used += Duration::from_micros(used_us);
            model.pass(wall_us, used_us);
            let expected_us = (-model.left_us / share).max(0.0);
            let sleep_us = pacer.sleep(now, used).as_secs_f64() * 1e6;
            prop_assert!((sleep_us - expected_us).abs() < 1.0 + expected_us * 1e-6, "{sleep_us} instead of {expected_us}");
        }
    }

    /// Goal: over every window, the process uses its share and a burst, and what one batch takes over it. Method: a process that
    /// sleeps as it is told, and every window between two sleeps.
    #[test]
    fn no_window_has_more_than_the_share(share in 0.05..2.0f64, work in work()) {
        let mut pacer = Pacer::new(share);
        let (mut now, mut used) = (Duration::ZERO, Duration::ZERO);
        pacer.sleep(now, used);
        let mut points = vec![(now, used)];
        for (wall_us, cores) in work {
            now += Duration::from_micros(wall_us);
            used += Duration::from_micros((wall_us as f64 * cores) as u64);
            now += pacer.sleep(now, used);
            points.push((now, used));
        }
        for (i, (from, before)) in points.iter().enumerate() {
            for (to, after) in &points[i..] {
                let allowed = (*to - *from).as_secs_f64() * share + BURST.as_secs_f64() + 1e-6;
                prop_assert!((*after - *before).as_secs_f64() <= allowed);
            }
        }
    }
}

#[test]
fn a_share_that_is_none_is_the_least_one() {
    for share in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
        let mut pacer = Pacer::new(share);
        pacer.sleep(Duration::ZERO, Duration::ZERO);
        let sleep = pacer.sleep(Duration::ZERO, BURST + Duration::from_millis(1));
        assert!((sleep.as_secs_f64() - 0.1).abs() < 1e-6, "{share}: {sleep:?}");
    }
}

/// Goal: a real process keeps its pace, and a job that ends is not held up. Method: a thread that is always busy, in a process of its
/// own: the time of other tests would count.
#[test]
fn a_busy_thread_is_slowed_down() {
    let test = std::env::current_exe().unwrap();
    let alone = ["--exact", "dataflow::pace_tests::a_busy_thread_alone", "--ignored"];
    let output = std::process::Command::new(test).args(alone).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Not run by itself: in one process with other tests, it would pay for their processor time. The test above runs it.
#[test]
#[ignore = "the test above runs it in a process of its own"]
fn a_busy_thread_alone() {
    let pace = Pace::new(0.2);
    pace.keep(|| false);
    let (start, before) = (Instant::now(), cpu_used());
    while start.elapsed() < Duration::from_millis(1_500) {
        let batch = Instant::now();
        while batch.elapsed() < Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        pace.keep(|| false);
    }
    // On a busy machine it may get less than its share, and never more. What a batch takes is known a millisecond later.
    let (used, passed) = (cpu_used() - before, start.elapsed());
    assert!(used < passed.mul_f64(0.2) + BURST + Duration::from_millis(20), "{used:?} of {passed:?}");
    let ending = Instant::now();
    pace.keep(|| true);
    assert!(ending.elapsed() < Duration::from_millis(500));
}
