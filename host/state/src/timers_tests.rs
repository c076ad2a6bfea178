//! Timers against a sorted list, with memory for all and for none; storms of them.

use proptest::prelude::*;

use super::*;
use crate::store::JobStores;

/// A timer of the model: clock, time, key and tag.
type Model = (Clock, i64, u8, u64);

#[derive(Debug, Clone)]
enum Step {
    Set(Model),
    Clear(Model),
    Due(Clock, i64, usize),
    /// Between batches.
    Settle,
    /// This number of timers goes to the file.
    Spill(usize),
}

fn clock() -> impl Strategy<Value = Clock> {
    prop_oneof![3 => Just(Clock::EventTime), 1 => Just(Clock::ProcessingTime)]
}

fn step() -> impl Strategy<Value = Step> {
    // Most of them have one time.
    let time = || prop_oneof![3 => Just(3), 3 => 0i64..6, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let timer = move || (clock(), time(), 0u8..4, 0u64..6);
    prop_oneof![
        8 => timer().prop_map(Step::Set),
        3 => timer().prop_map(Step::Clear),
        2 => (clock(), prop_oneof![-1i64..8, Just(i64::MAX)], 0usize..7).prop_map(|(by, to, limit)| Step::Due(by, to, limit)),
        1 => Just(Step::Settle),
        2 => (0usize..9).prop_map(Step::Spill),
    ]
}

/// Keys of all kinds: what has no key, and bytes.
fn key(number: u8) -> Key<'static> {
    match number {
        0 => Key::Nothing,
        1 => Key::Bytes(b""),
        2 => Key::Bytes(b"short"),
        _ => Key::Bytes(b"a key that is longer than a tag"),
    }
}

fn listed(timers: &Timers) -> Vec<String> {
    let mut all = Vec::new();
    for clock in Clock::ALL {
        timers.each(clock, |key, time, tag| all.push(format!("{clock:?} {time} {key:?} {tag}"))).unwrap();
    }
    all
}

/// The timers of the model in the order in which they fire.
fn sorted(model: &[Model]) -> Vec<Model> {
    let mut sorted = model.to_vec();
    sorted.sort_by_key(|(clock, time, ..)| (*clock, *time));
    sorted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Goal: each timer fires once, in the order of time and then of setting, wherever it was (P2, K2). Method: against a list that
    /// is sorted, with memory for all and for none, a few at a time in each way to the file and back.
    #[test]
    fn timers_fire_once_and_in_order(
        steps in prop::collection::vec(step(), 0..120),
        enough: bool,
        at_once in (1usize..4, 1usize..5, 0usize..3, 1usize..4),
    ) {
        let at_once = AtOnce { spilled: at_once.0, loaded: at_once.1, ahead: at_once.2, cleared: at_once.3 };
        let job = JobStores::new(if enough { u64::MAX } else { 0 }, None, 7, 1);
        let store = StateStore::new(&job);
        let mut timers = Timers { at_once, ..Timers::new(&store) };
        let mut model: Vec<Model> = Vec::new();
        for step in steps {
            match step {
                Step::Set(timer) => {
                    let (clock, time, k, tag) = timer;
                    timers.set(key(k), clock, time, tag).unwrap();
                    if !model.contains(&timer) {
                        model.push(timer);
                    }
                }
                Step::Clear(timer) => {
                    let (clock, time, k, tag) = timer;
                    timers.clear(key(k), clock, time, tag).unwrap();
                    model.retain(|other| *other != timer);
                }
                Step::Due(clock, to, limit) => {
                    let due = timers.due(clock, to, limit).unwrap();
                    let is_due = |(by, time, ..): &Model| *by == clock && *time <= to;
                    let expected: Vec<_> = sorted(&model).into_iter().filter(is_due).take(limit).collect();
                    prop_assert_eq!(due.times.len(), expected.len());
                    for (i, (_, time, k, tag)) in expected.iter().enumerate() {
                        prop_assert_eq!((due.times[i], due.tags[i]), (*time, *tag));
                        prop_assert_eq!(due.keys.key(due.key_of[i]), key(*k));
                    }
                    model.retain(|timer| !expected.contains(timer));
                }
                Step::Settle => {
                    timers.settle().unwrap();
                    let figures = &job.figures()[0];
                    prop_assert_eq!((figures.keys + figures.spilled_keys) as usize, model.len());
                    prop_assert!(enough || figures.keys == 0, "there is memory for none");
                }
                Step::Spill(count) => {
                    if !enough && timers.kept() > 0 {
                        timers.spill(count.min(timers.kept())).unwrap();
                    }
                }
            }
            prop_assert_eq!(timers.len(), model.len());
            for clock in Clock::ALL {
                let next = model.iter().filter(|(by, ..)| *by == clock).map(|(_, time, ..)| *time).min();
                prop_assert_eq!(timers.next(clock), next);
            }
            if timers.spilled() == 0 {
                let mut keys: Vec<u8> = model.iter().map(|(_, _, k, _)| *k).collect();
                keys.sort_unstable();
                keys.dedup();
                prop_assert_eq!(timers.keys.len(), keys.len(), "keys without timers are forgotten");
            }
        }
        let all = sorted(&model).into_iter().map(|(clock, time, k, tag)| format!("{clock:?} {time} {:?} {tag}", key(k)));
        prop_assert_eq!(listed(&timers), all.collect::<Vec<_>>());
    }
}

/// Goal: a storm of timers is compact and quick. Method: a million, for as many keys.
#[test]
fn a_million_timers() {
    let mut timers = Timers::new(&StateStore::in_memory());
    const COUNT: i64 = 1_000_000;
    for i in 0..COUNT {
        timers.set(Key::Int(i), Clock::ProcessingTime, i * 7919 % COUNT, 0).unwrap();
    }
    assert_eq!(timers.len() as i64, COUNT);
    assert!(timers.bytes() < 150 * COUNT as usize, "{} bytes", timers.bytes());
    let mut last = -1;
    while !timers.is_empty() {
        for time in timers.due(Clock::ProcessingTime, i64::MAX, 8192).unwrap().times {
            assert!(time > last);
            last = time;
        }
    }
    assert_eq!(last, COUNT - 1);
}

/// Goal: more timers than there is memory for, half of them of one time, fire once and in order, and memory does not grow.
/// Method: the tag says when a timer was set; memory is looked at before and after every batch.
#[test]
fn a_storm_beyond_the_memory() {
    const COUNT: u64 = 300_000;
    const BATCH: u64 = 8192;
    const BUDGET: usize = 4 << 20;
    let job = JobStores::new(BUDGET as u64, None, 256, 1);
    let mut timers = Timers::new(&StateStore::new(&job).of_operator("op"));
    let mut expected = Vec::new();
    // What a batch and a piece from the file may add until the next look at the budget.
    let batch = 150 * (BATCH as usize + timers.at_once.loaded);
    for tag in 0..COUNT {
        if tag % BATCH == 0 {
            assert!(timers.bytes() < BUDGET + batch, "{} bytes after {tag}", timers.bytes());
            timers.settle().unwrap();
            assert!(job.figures()[0].memory_bytes < BUDGET as u64, "{:?}", job.figures());
        }
        let time = if tag % 2 == 0 { 1 << 19 } else { (tag * 7919 % (1 << 20)) as i64 };
        timers.set(Key::Int(tag as i64), Clock::EventTime, time, tag).unwrap();
        expected.push((time, tag));
    }
    assert!(job.figures()[0].spilled_keys > COUNT / 2, "{:?}", job.figures());
    expected.sort_unstable();
    let mut fired = Vec::new();
    while timers.next(Clock::EventTime).is_some() {
        timers.settle().unwrap();
        let due = timers.due(Clock::EventTime, i64::MAX, BATCH as usize).unwrap();
        for (i, tag) in due.tags.iter().enumerate() {
            assert_eq!(due.keys.key(due.key_of[i]), Key::Int(*tag as i64));
            fired.push((due.times[i], *tag));
        }
        assert!(timers.bytes() < BUDGET + batch, "{} bytes after {}", timers.bytes(), fired.len());
    }
    assert!(fired == expected, "all of them, in order");
    assert!(timers.is_empty());
}

/// Goal: what one call sets beyond all memory does not keep memory for ever, and what stays keeps its order.
#[test]
fn memory_of_a_storm_is_given_back() {
    let mut timers = Timers::new(&StateStore::new(&JobStores::new(1 << 20, None, 256, 1)));
    for i in 0..110_000 {
        timers.set(Key::Int(i as i64), Clock::EventTime, 7, i).unwrap();
    }
    timers.settle().unwrap();
    assert!(timers.kept() > 0 && timers.spilled() > 90_000, "{} and {}", timers.kept(), timers.spilled());
    assert_eq!((timers.queues[0].places(), timers.keys.rows()), (timers.kept(), timers.kept()));
    timers.spill(timers.kept()).unwrap();
    assert_eq!(timers.due(Clock::EventTime, i64::MAX, usize::MAX).unwrap().tags, Vec::from_iter(0..110_000));
}

/// Goal: what is kept in memory of the file does not grow with all timers that have ever been there.
#[test]
fn the_filter_forgets_what_is_gone() {
    let mut timers = Timers::new(&StateStore::new(&JobStores::new(0, None, 256, 1)));
    for round in 0..40 {
        for i in 0..5_000 {
            timers.set(Key::Int(i), Clock::EventTime, round, i as u64).unwrap();
        }
        timers.settle().unwrap();
        assert_eq!(timers.spilled(), 5_000);
        if round % 2 == 0 {
            (0..5_000).for_each(|i| timers.clear(Key::Int(i), Clock::EventTime, round, i as u64).unwrap());
        }
        timers.due(Clock::EventTime, round, usize::MAX).unwrap();
        assert!(timers.is_empty());
    }
    let bytes = timers.file.as_ref().unwrap().bytes();
    assert!(bytes < 100_000, "{bytes} bytes");
}
