//! The fence, with attempts that overtake one another over a store that fails and lies.

use std::sync::{Arc, Mutex};
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::cycle_tests::{rows, slot};
use crate::store::Store;
use crate::store::faulty::{Dice, Fate, Faulty, Shared};
use flowgate_base::error::{Error, Retry};

/// What an attempt was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// It began with this number, from this checkpoint.
    Began { attempt: AttemptId, number: u64, from: u64 },
    /// Its checkpoint was committed: sinks commit.
    Committed { attempt: AttemptId, number: u64 },
}

fn checkpoint(tick: u64) -> Checkpoint {
    Checkpoint { tick, key_groups: 256, parallelism: 1, ..Checkpoint::default() }
}

/// An attempt as a job makes it: begins, commits some checkpoints, deletes old ones, until it is fenced.
fn attempt(store: &Store, start: Start, commits: u64, events: &Mutex<Vec<Event>>) {
    let begun = (0..20).find_map(|_| Attempt::begin(store, "job", start).ok());
    let Some((attempt, resume)) = begun else { return };
    let from = resume.manifest.map_or(0, |manifest| manifest.number);
    let number = attempt.state().last().0;
    events.lock().unwrap().push(Event::Began { attempt: attempt.id(), number, from });
    let mut committed = 0;
    for tick in 0..commits * 3 {
        match attempt.commit(checkpoint(tick)) {
            Ok(manifest) => {
                events.lock().unwrap().push(Event::Committed { attempt: attempt.id(), number: manifest.number });
                committed += 1;
            }
            Err(error) if error.code == &code::FENCED => return,
            Err(error) => assert_eq!(error.code, &code::AWAY, "{error}"),
        }
        if committed == commits {
            return;
        }
        let _ = attempt.retire(1);
        if tick % 4 == 0 {
            let _ = attempt.sweep();
        }
    }
}

/// Goal: a store that is away, or that lies, costs no change: what was staged for a checkpoint that failed is in the next.
#[test]
fn a_failed_checkpoint_hands_its_files_to_the_next() {
    let shared = Arc::new(Shared::default());
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Faulty::good(&shared));
    let (attempt, _) = Attempt::begin(&store, "job", Start::Newest).unwrap();
    let stage = |value| {
        let mut staging = Staging::new(folder.path(), (0, 7));
        staging.append(&slot("a"), &rows(&[(1, SET, Some(0), Some("x"), Some(value))])).unwrap();
        staging.finish().unwrap().unwrap()
    };
    let mut staged = vec![stage(1)];
    let is_away = |error: Error| assert_eq!((error.code, error.retry()), (&code::AWAY, Retry::Later));

    // It is away: neither file nor manifest arrive.
    *shared.always.lock().unwrap() = Some(Fate::Lost);
    is_away(attempt.upload(&mut staged[0]).unwrap_err());
    is_away(attempt.commit(checkpoint(1)).unwrap_err());
    // It lies: the file is there, and so is the manifest of the checkpoint that the attempt does not know to be committed.
    *shared.always.lock().unwrap() = Some(Fate::Lie);
    is_away(attempt.upload(&mut staged[0]).unwrap_err());
    is_away(attempt.commit(checkpoint(2)).unwrap_err());
    *shared.always.lock().unwrap() = None;
    staged.push(stage(2));
    let files: Vec<_> = staged.iter_mut().map(|staged| attempt.upload(staged).unwrap()).collect();
    let committed = attempt.commit(Checkpoint { files, ..checkpoint(3) }).unwrap();
    assert_eq!(committed.number, 3, "behind the beginning, and the checkpoint that was committed without a word");

    let history = History::read(&store).unwrap();
    assert_eq!(history.newest_complete(&store).unwrap().manifest, Some(committed.clone()));
    let reader = Reader::new(&store, committed.checkpoint().unwrap());
    reader.verify().unwrap();
    assert_eq!(reader.parts(&slot("a"), 0..=7).count(), 2);
    // The scratch files are gone with what they stand for.
    drop(staged);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // A file that nobody uploaded is refused: F3.
    let unknown = DataFile { path: "delta-none".into(), ..committed.checkpoint().unwrap().files[0].clone() };
    let error = attempt.commit(Checkpoint { files: vec![unknown], ..checkpoint(4) }).unwrap_err();
    assert!(error.message.contains("was not uploaded"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Goal: F1, F2: what an attempt commits, every later attempt starts from. Method: three attempts whose operations interleave in any order,
    /// one sleeping for as long as the others commit and delete; operations that are lost, that succeed and answer an error, that take
    /// effect later; old lists.
    #[test]
    fn a_later_attempt_starts_from_all_that_earlier_ones_committed(seed: u64, faults in prop::sample::select(vec![0u64, 3, 20])) {
        let shared = Arc::new(Shared::default());
        let events = Arc::new(Mutex::new(Vec::new()));
        let mut dice = Dice(seed);
        let users: Vec<_> = (0..3).map(|user| {
            let (store, events) = (Faulty::in_turn(&shared, user), Arc::clone(&events));
            let commits = 1 + dice.below(12);
            thread::spawn(move || {
                let _ends = store.ends();
                attempt(&Store::new(store), Start::Newest, commits, &events);
            })
        }).collect();
        shared.run(3, &mut dice, faults);
        users.into_iter().for_each(|user| user.join().unwrap());

        let events = events.lock().unwrap();
        let store = Store::new(Faulty::good(&shared));
        let last = History::read(&store).unwrap().newest_complete(&store).unwrap().manifest.map_or(0, |last| last.number);
        let began = |attempt| events.iter().find_map(|event| match *event {
            Event::Began { attempt: id, number, .. } if id == attempt => Some(number),
            _ => None,
        }).unwrap();
        for event in events.iter() {
            let Event::Committed { attempt, number } = *event else { continue };
            prop_assert!(number <= last, "checkpoint {number} is lost, the newest is {last}: {events:?}");
            for other in events.iter() {
                let Event::Began { attempt: other, number: begin, from } = *other else { continue };
                if number < begin {
                    prop_assert!(from >= number, "{other} does not start from {number}: {events:?}");
                } else {
                    prop_assert!(began(attempt) >= begin, "{attempt} commits {number} behind {other}: {events:?}");
                }
            }
        }
    }
}
