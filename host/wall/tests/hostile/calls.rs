//! How calls are counted.

use std::sync::Arc;
use std::time::Duration;

use flowgate_wall::{CallContext, Calls, Function, Metric};

use super::{column, load_bytes, open, plugins};

/// Goal: a call is counted by how it ended, and what is published survives the instance that is dropped. Method: functions that share
/// figures, of which one traps, one loops, one answers wrongly, and one is well.
#[test]
fn calls_are_counted_by_how_they_ended() {
    let plugins = plugins();
    let calls = Arc::new(Calls::default());
    let of = |name: &str| {
        let wasm = flowgate_hostile::plugin(&flowgate_hostile::lines(name), false);
        let plugin = load_bytes(&plugins, &wasm).unwrap();
        open(&plugin).unwrap().count_in(&calls)
    };
    let run = |function: &mut Function| {
        function.transform(&column(0..1), 1, &CallContext::default()).unwrap();
        calls.figures()
    };
    let before = run(&mut of("metric_flood"));
    assert_eq!((before.times.iter().sum::<u64>(), before.traps + before.deadlines), (1, 0));
    assert!(before.time > Duration::ZERO);
    assert_eq!(run(&mut of("trap")).traps, 1);
    let looped = run(&mut of("loop"));
    let long = looped.times[18..].iter().sum::<u64>();
    assert_eq!((looped.deadlines, long), (1, 1), "it took a deadline of 200 ms: {looped:?}");
    let mut wrong = of("selection_out_of_range");
    assert_eq!(run(&mut wrong).invalid_answers, 1);
    let mut well = of("metric_flood");
    assert!(run(&mut well).memory_bytes >= 65_536, "an instance is open");
    assert_eq!(calls.published().get("m099"), Some(&Metric::Counter(14)), "both functions have added 7");
    drop((well, wrong));
    assert_eq!(calls.figures().memory_bytes, 0, "no instance is left");
    assert_eq!(calls.figures().times.iter().sum::<u64>(), 5);
}
