//! Process functions in tests: state and timers in memory, and a clock that the test advances.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::column::batch::{Batch, Column, VarValues};
use crate::export::layout::RawTimer;
use crate::function::answer::Answer;
use crate::function::binding::Binding;
use crate::function::plugin::{Call, Function};
use crate::host::imports::with_state;
use crate::host::keyed::{self, Key, Keyed};
use crate::process::contract::Process;
use crate::process::opened::OpenedProcess;
use crate::process::timers::{Clock, Timer, TimerTag};
use crate::row::contract::{ReadRow, Row, WriteRow};
use crate::schema::Field;
use crate::state::encode::{StateValue, decode_whole};
use crate::state::slot::State;
use crate::testing::gather::stack;
use crate::testing::key::TestKey;
use crate::testing::transform::{SideResult, batch, project};
use crate::timestamp::Timestamp;

/// Maximum calls with timers in a row, each of which sets the next in the past.
const STORM: usize = 10_000;

/// Runs a process function without a host. A test sends rows and time, and reads rows, failures and state.
///
/// ```
/// use flowgate_sdk::{Context, Failure, Map, Process, Row, State, Timer, Timestamp, testing::ProcessHarness};
///
/// #[derive(Row)]
/// struct Click { time: Timestamp }
///
/// #[derive(Row, Debug, PartialEq)]
/// struct Second { clicks: i64 }
///
/// #[derive(State)]
/// struct Open { clicks: Map<Timestamp, i64> }
///
/// #[flowgate_sdk::config]
/// struct Seconds;
///
/// /// Counts the clicks of each second.
/// #[flowgate_sdk::process]
/// impl Process for Seconds {
///     type Row<'a> = Click;
///     type State = Open;
///     type Output = Second;
///
///     fn on_row(&self, row: Click, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
///         let last = Timestamp::from_millis(row.time.as_millis().div_euclid(1_000) * 1_000 + 999);
///         let clicks = ctx.state.clicks.get(&last).copied().unwrap_or(0);
///         ctx.state.clicks.insert(last, clicks + 1);
///         ctx.timers.set(Timer::event_time(last, 0));
///         Ok(())
///     }
///
///     fn on_timer(&self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
///         let clicks = ctx.state.clicks.get(&timer.time).copied().unwrap_or(0);
///         ctx.emit(Second { clicks });
///         ctx.state.clicks.remove(&timer.time);
///         Ok(())
///     }
/// }
///
/// let at = Timestamp::from_millis;
/// let mut harness = ProcessHarness::<Seconds>::open("{}").unwrap();
/// harness.batch(0, [0, 900, 1_500].map(|time| ("ada", Click { time: at(time) }))).unwrap();
/// harness.advance_watermark(at(998));
/// assert!(harness.rows::<Second>().is_empty());
/// harness.advance_watermark(at(999));
/// assert_eq!(harness.rows::<Second>(), [Second { clicks: 2 }]);
/// assert!(harness.state("ada", |state| state.clicks.get(&at(1_999)).is_some()));
/// ```
pub struct ProcessHarness<P: Process> {
    function: Box<dyn OpenedProcess>,
    binding: Binding,
    keyed: Keyed,
    /// The columns of each key that was used.
    keys: BTreeMap<Key, Vec<Column>>,
    watermark: Option<i64>,
    processing_time: i64,
    answers: Vec<Vec<(String, SideResult)>>,
    failures: Vec<String>,
    process: PhantomData<P>,
}

impl<P: Process> ProcessHarness<P> {
    /// Opens the function with this config (JSON), for inputs of exactly the columns that it reads.
    ///
    /// # Errors
    /// What is wrong with the config.
    pub fn open(config: &str) -> Result<Self, Vec<String>> {
        let mut offered = vec![<P::Row<'static> as Row>::FIELDS.to_vec()];
        if P::TWO_INPUTS {
            offered.push(<P::Other<'static> as Row>::FIELDS.to_vec());
        }
        Self::open_with(config, &offered)
    }

    /// Opens the function for inputs of these columns.
    ///
    /// # Errors
    /// Everything that is wrong with the config and the columns.
    pub fn open_with(config: &str, offered: &[Vec<Field>]) -> Result<Self, Vec<String>> {
        let opened = Function::process::<P>().open(config, offered)?;
        let Call::Process(function) = opened.call else { unreachable!("a process function was opened") };
        let keyed = Keyed::new(opened.binding.state.clone());
        Ok(ProcessHarness {
            function,
            binding: opened.binding,
            keyed,
            keys: BTreeMap::new(),
            watermark: None,
            processing_time: 0,
            answers: Vec::new(),
            failures: Vec::new(),
            process: PhantomData,
        })
    }

    /// Sends the function one row of its first input. Panics where the function fails as a whole.
    pub fn row<K: TestKey, R: WriteRow>(&mut self, key: K, row: R) {
        self.batch(0, [(key, row)]).unwrap_or_else(|problem| panic!("the function fails: {problem}"));
    }

    /// Sends the function one row of its second input. Panics where the function fails as a whole.
    pub fn other<K: TestKey, R: WriteRow>(&mut self, key: K, row: R) {
        self.batch(1, [(key, row)]).unwrap_or_else(|problem| panic!("the function fails: {problem}"));
    }

    /// Sends the function rows of one input (0, or 1 for the second) in one call; then timers fire that are due.
    ///
    /// # Errors
    /// Why the function fails as a whole. State and timers are then unchanged.
    ///
    /// # Panics
    /// There are no rows, or the function has no such input: the test is wrong.
    pub fn batch<K: TestKey, R: WriteRow>(
        &mut self,
        input: u32,
        rows: impl IntoIterator<Item = (K, R)>,
    ) -> Result<(), String> {
        let (keys, rows): (Vec<K>, Vec<R>) = rows.into_iter().unzip();
        assert!(!rows.is_empty(), "a call has one row at least");
        let mut of_call: Vec<Key> = Vec::new();
        let mut distinct = Vec::new();
        let mut key_of_row = Vec::new();
        for key in keys {
            let identity = self.know(key.clone());
            let position = of_call.iter().position(|known| *known == identity).unwrap_or_else(|| {
                of_call.push(identity);
                distinct.push(key);
                of_call.len() - 1
            });
            key_of_row.push(position as u32);
        }
        let wanted = self.binding.inputs.get(input as usize).expect("the function has this input").clone();
        let keys = key_batch(of_call.len(), K::columns(distinct));
        let rows = project(batch(rows), R::FIELDS, &wanted);
        let given = rows.rows();
        self.call(of_call, given, |function| function.on_batch(input, &keys, &key_of_row, &rows))?;
        self.fire()
    }

    /// Advances the watermark; event-time timers up to it fire, in the order of their time.
    pub fn advance_watermark(&mut self, to: Timestamp) {
        assert!(self.watermark.is_none_or(|now| now <= to.as_millis()), "a watermark never goes back");
        self.watermark = Some(to.as_millis());
        self.fire().unwrap_or_else(|problem| panic!("the function fails: {problem}"));
    }

    /// Advances the processing time; processing-time timers up to it fire, in the order of their time, and state expires.
    pub fn advance_processing_time(&mut self, to: Timestamp) {
        assert!(self.processing_time <= to.as_millis(), "processing time never goes back");
        self.processing_time = to.as_millis();
        self.fire().unwrap_or_else(|problem| panic!("the function fails: {problem}"));
    }

    /// Returns the rows of the main output so far. Panics where the struct has not exactly its columns.
    pub fn rows<'a, R: ReadRow<'a>>(&'a self) -> Vec<R> {
        self.side("")
    }

    /// Returns the rows of a side output so far. Panics where there is no such output.
    pub fn side<'a, R: ReadRow<'a>>(&'a self, name: &str) -> Vec<R> {
        assert!(self.binding.outputs.iter().any(|output| output.name == name), "there is no output `{name}`");
        let of_name = self.answers.iter().flatten().filter(|(output, _)| output == name);
        of_name.flat_map(|(_, rows)| rows.rows::<R>()).collect()
    }

    /// Returns the number of rows in the main output so far; for functions that forward rows unchanged.
    pub fn row_count(&self) -> usize {
        self.answers.iter().map(|outputs| outputs[0].1.selection().len()).sum()
    }

    /// Returns the messages of rows and timers that failed so far.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Removes the rows and failures so far.
    pub fn clear(&mut self) {
        self.answers.clear();
        self.failures.clear();
    }

    /// Calls `look` with the state of a key. Writes in it are not kept.
    pub fn state<K: TestKey, T>(&mut self, key: K, look: impl FnOnce(&mut P::State) -> T) -> T {
        self.keyed.keys = vec![self.know(key)];
        self.within(|_| {
            let mut state = P::State::new(1);
            state.begin(0, 0);
            let looked = look(&mut state);
            state.check().unwrap_or_else(|problem| panic!("{problem}"));
            looked
        })
    }

    /// Returns what the function's state makes of a value that an older version of the slot holds: of the value of a `Value`,
    /// of an entry of a `Map`, or of an element of a `List`.
    ///
    /// # Errors
    /// The slot does not read this version, the version has another type than `Old`, or the value fails.
    pub fn migrate<Old: StateValue, New: StateValue>(slot: &str, from_version: u32, old: &Old) -> Result<New, String> {
        let mut values = VarValues::with_capacity(1, 0);
        old.encode(&mut values.data);
        values.end_value();
        let migrated = P::State::migrate(slot, from_version, &values)?;
        decode_whole(migrated.get(0)).ok_or_else(|| format!("`{slot}` holds another type"))
    }

    /// Returns the timers of a key, those of event time first, each kind in the order of its time.
    pub fn timers<K: TestKey>(&mut self, key: K) -> Vec<Timer<P::Tag>> {
        let key = self.know(key);
        let of_key = self.keyed.timers.iter().filter(|(_, _, of, _)| *of == key);
        let timers = of_key.filter_map(|(clock, time, _, tag)| {
            let clock = if *clock == 0 { Clock::EventTime } else { Clock::ProcessingTime };
            Some(Timer { clock, time: Timestamp::from_millis(*time), tag: P::Tag::of(*tag)? })
        });
        timers.collect()
    }

    /// Returns how often the function called the host for state and timers so far.
    pub fn host_calls(&self) -> u64 {
        self.keyed.calls
    }

    /// Remembers the columns of a key; returns its identity.
    fn know<K: TestKey>(&mut self, key: K) -> Key {
        let columns = K::columns(vec![key]);
        let identity = format!("{columns:?}").into_bytes();
        self.keys.entry(identity.clone()).or_insert(columns);
        identity
    }

    /// Runs a function while this harness's state, timers and time are those of the thread.
    fn within<T>(&mut self, run: impl FnOnce(&dyn OpenedProcess) -> T) -> T {
        let swap_time = |watermark: &mut Option<i64>, processing_time: &mut i64| {
            with_state(|state| {
                std::mem::swap(&mut state.watermark, watermark);
                std::mem::swap(&mut state.processing_time, processing_time);
            });
        };
        let (mut watermark, mut processing_time) = (self.watermark, self.processing_time);
        swap_time(&mut watermark, &mut processing_time);
        keyed::swap(&mut self.keyed);
        let result = run(&*self.function);
        keyed::swap(&mut self.keyed);
        swap_time(&mut watermark, &mut processing_time);
        result
    }

    fn call(
        &mut self,
        keys: Vec<Key>,
        given: usize,
        run: impl FnOnce(&dyn OpenedProcess) -> Result<Answer, String>,
    ) -> Result<(), String> {
        self.keyed.keys = keys;
        let before = self.keyed.clone();
        let Answer { outputs, failures } = self.within(run).inspect_err(|_| self.keyed = before)?;
        assert_eq!(outputs.len(), self.binding.outputs.len(), "outputs");
        let mut named = Vec::new();
        for (rows, binding) in outputs.into_iter().zip(&self.binding.outputs) {
            let result = SideResult::new(rows, binding.columns.clone(), given);
            for failure in &failures {
                assert!(!result.selection().contains(&failure.row), "row {} fails and is selected", failure.row);
            }
            named.push((binding.name.clone(), result));
        }
        self.answers.push(named);
        self.failures.extend(failures.into_iter().map(|failure| failure.message));
        Ok(())
    }

    /// Fires the timers that are due, as the host does: those of a clock in one call, in the order of their time; then those that
    /// they set in the past.
    fn fire(&mut self) -> Result<(), String> {
        for _ in 0..STORM {
            let Some(clock) = [0, 1].into_iter().find(|clock| self.due(*clock).next().is_some()) else { return Ok(()) };
            let due: Vec<(u8, i64, Key, u64)> = self.due(clock).cloned().collect();
            let mut of_call: Vec<Key> = Vec::new();
            let mut timers = Vec::new();
            for timer in due {
                self.keyed.timers.remove(&timer);
                let (clock, time, key, tag) = timer;
                let position = of_call.iter().position(|known| *known == key).unwrap_or_else(|| {
                    of_call.push(key);
                    of_call.len() - 1
                });
                timers.push(RawTimer { key: position as u32, clock, time, tag });
            }
            let columns: Vec<&Vec<Column>> = of_call.iter().map(|key| &self.keys[key]).collect();
            let stacked =
                (0..columns[0].len()).map(|index| stack(&columns.iter().map(|key| &key[index]).collect::<Vec<_>>()));
            let keys = key_batch(of_call.len(), stacked.collect());
            self.call(of_call, timers.len(), |function| function.on_timers(&keys, &timers))?;
        }
        panic!("timers fired {STORM} times, one after another: does each set the next in the past?");
    }

    /// Returns the timers of a clock that are due, in the order of their time.
    fn due(&self, clock: u8) -> impl Iterator<Item = &(u8, i64, Key, u64)> {
        let now = if clock == 0 { self.watermark } else { Some(self.processing_time) };
        let of_clock = self.keyed.timers.iter().filter(move |timer| timer.0 == clock);
        of_clock.take_while(move |timer| now.is_some_and(|now| timer.1 <= now))
    }
}

fn key_batch(rows: usize, columns: Vec<Column>) -> Batch {
    // SAFETY: the columns were built of Rust's texts, which are UTF-8.
    unsafe { Batch::new_unchecked(rows, columns) }
}

impl<P: Process> std::fmt::Debug for ProcessHarness<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessHarness").field("state", &self.keyed).finish_non_exhaustive()
    }
}
