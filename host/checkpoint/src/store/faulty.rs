//! A store in memory that fails, lies and is slow, as tests want it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use flowgate_base::error::Result;

use crate::error::CheckpointError;
use crate::store::backend::{Backend, Bytes};

/// What a store does with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As it should.
    Good,
    /// Nothing, and answers an error.
    Lost,
    /// It, and answers an error.
    Lie,
    /// Answers an error, and does it later.
    Late,
    /// Answers a list with the first names that it ever had alone.
    Stale,
}

/// Random numbers that a seed repeats.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end
    }
}

/// A change of an object: what create-only means is decided when it takes effect.
#[derive(Debug, Clone)]
enum Effect {
    Create(String, Bytes),
    Replace(String, Bytes),
    Delete(String),
}

/// The objects of a store.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) map: BTreeMap<String, Bytes>,
    /// Every name that there ever was, in order of creation.
    ever: Vec<String>,
    late: Vec<Effect>,
}

impl Objects {
    /// Returns whether a create-only put created the object.
    fn apply(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Create(name, _) if self.map.contains_key(&name) => return false,
            Effect::Create(name, bytes) | Effect::Replace(name, bytes) => {
                self.ever.push(name.clone());
                self.map.insert(name, bytes);
            }
            Effect::Delete(name) => drop(self.map.remove(&name)),
        }
        true
    }
}

/// Whose turn it is: each user of the store does one operation when it is called up.
#[derive(Debug, Default)]
struct Turns {
    /// The user that may do an operation now, and its fate.
    called: Option<(usize, Fate)>,
    /// Users that wait to be called up.
    waiting: Vec<usize>,
    /// Users that have ended.
    ended: usize,
}

/// A store that several users share, and what decides on their operations.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) objects: Mutex<Objects>,
    turns: Mutex<Turns>,
    changed: Condvar,
    /// What happens to operations of users that are not called up.
    pub(crate) always: Mutex<Option<Fate>>,
}

/// The store, as one user sees it.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    shared: Arc<Shared>,
    user: usize,
    /// Whether the user waits to be called up; otherwise everything is good.
    in_turn: bool,
}

impl Faulty {
    /// Opens the store for a user that is called up by [`Shared::run`].
    pub(crate) fn in_turn(shared: &Arc<Shared>, user: usize) -> Faulty {
        Faulty { shared: Arc::clone(shared), user, in_turn: true }
    }

    /// Opens the store for a user for whom everything is good, unless [`Shared::always`] says otherwise.
    pub(crate) fn good(shared: &Arc<Shared>) -> Faulty {
        Faulty { shared: Arc::clone(shared), user: 0, in_turn: false }
    }

    /// Returns what says, when it is dropped, that the user does nothing any more.
    pub(crate) fn ends(&self) -> Ends {
        Ends(Arc::clone(&self.shared))
    }

    /// Waits to be called up, and returns the fate.
    fn fate(&self) -> Fate {
        if !self.in_turn {
            return self.shared.always.lock().unwrap().unwrap_or(Fate::Good);
        }
        let mut turns = self.shared.turns();
        turns.waiting.push(self.user);
        self.shared.changed.notify_all();
        loop {
            match turns.called {
                Some((user, fate)) if user == self.user => {
                    turns.called = None;
                    return fate;
                }
                _ => turns = self.shared.changed.wait(turns).unwrap(),
            }
        }
    }

    fn change(&self, effect: Effect) -> Result<bool> {
        let fate = self.fate();
        let mut objects = self.shared.objects.lock().unwrap();
        match fate {
            Fate::Good | Fate::Stale => return Ok(objects.apply(effect)),
            Fate::Lie => drop(objects.apply(effect)),
            Fate::Late => objects.late.push(effect),
            Fate::Lost => {}
        }
        Err(away())
    }

    fn look<T>(&self, look: impl FnOnce(&Objects, Fate) -> T) -> Result<T> {
        match self.fate() {
            fate @ (Fate::Good | Fate::Stale) => Ok(look(&self.shared.objects.lock().unwrap(), fate)),
            Fate::Lost | Fate::Lie | Fate::Late => Err(away()),
        }
    }
}

/// The end of a user, by a panic too.
pub(crate) struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.turns().ended += 1;
        self.0.changed.notify_all();
    }
}

fn away() -> flowgate_base::error::Error {
    CheckpointError::Away { attempt: "cannot use the store".into(), reason: "500".into() }.into()
}

impl Shared {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap()
    }

    /// Calls up `users` users until all have ended, each for a burst of operations, with fates and late effects as the dice fall.
    /// `faults`: of 100 operations.
    pub(crate) fn run(&self, users: usize, dice: &mut Dice, faults: u64) {
        let mut burst = (0, 0);
        loop {
            let mut turns = self.turns();
            while turns.called.is_some() || turns.waiting.len() + turns.ended < users {
                turns = self.changed.wait(turns).unwrap();
            }
            if turns.ended == users {
                return;
            }
            if burst.1 == 0 || !turns.waiting.contains(&burst.0) {
                turns.waiting.sort_unstable();
                let next = turns.waiting[dice.below(turns.waiting.len() as u64) as usize];
                let length_max = 1 << dice.below(7);
                burst = (next, 1 + dice.below(length_max));
            }
            burst.1 -= 1;
            let fate = match dice.below(100) {
                roll if roll >= faults => Fate::Good,
                roll => [Fate::Lost, Fate::Lie, Fate::Late, Fate::Stale][roll as usize % 4],
            };
            {
                let mut objects = self.objects.lock().unwrap();
                if !objects.late.is_empty() && dice.below(20) == 0 {
                    let at = dice.below(objects.late.len() as u64) as usize;
                    let effect = objects.late.remove(at);
                    objects.apply(effect);
                }
            }
            turns.waiting.retain(|user| *user != burst.0);
            turns.called = Some((burst.0, fate));
            self.changed.notify_all();
        }
    }
}

impl Backend for Faulty {
    fn address(&self) -> String {
        "memory".into()
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        self.change(Effect::Create(name.into(), bytes.into()))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.change(Effect::Replace(name.into(), bytes.into())).map(drop)
    }

    fn upload(&self, name: &str, file: &Path) -> Result<()> {
        self.change(Effect::Replace(name.into(), std::fs::read(file).unwrap())).map(drop)
    }

    fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        self.look(|objects, _| {
            let bytes = objects.map.get(name)?;
            // Behind the end there is nothing, as in a folder.
            let clamp = |at: u64| bytes.len().min(at as usize);
            Some(range.map_or(&bytes[..], |range| &bytes[clamp(range.start)..clamp(range.end)]).to_vec())
        })
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        self.look(|objects, _| objects.map.get(name).map(|bytes| bytes.len() as u64))
    }

    fn list(&self) -> Result<Vec<String>> {
        self.look(|objects, fate| match fate {
            Fate::Stale => objects.ever[..objects.ever.len() / 2].to_vec(),
            _ => objects.map.keys().cloned().collect(),
        })
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.change(Effect::Delete(name.into())).map(drop)
    }
}
