//! The author's trait of a process function.

use crate::failure::Failure;
use crate::function::aggregate::Named;
use crate::function::config::FromConfig;
use crate::function::side::SideOutputs;
use crate::process::context::Context;
use crate::process::timers::{Timer, TimerTag};
use crate::row::contract::{ReadRow, Row, WriteRow};
use crate::schema::Field;
use crate::state::slot::State;

/// From rows to rows with state and timers per key, of one input or two. [`#[process]`](macro@crate::process) above the `impl`
/// sets the function's name and description, and adds what is left out.
///
/// The value itself is made from the config when the function is opened (see [`FromConfig`]).
///
/// ```
/// use flowgate_sdk::{Context, Failure, Process, Row, State, Value, testing::ProcessHarness};
///
/// #[derive(Row)]
/// struct Visit<'a> { page: &'a str }
///
/// #[derive(Row)]
/// struct Visited<'a> { page: &'a str, visits: i64 }
///
/// #[derive(State)]
/// struct Counted { visits: Value<i64> }
///
/// #[flowgate_sdk::config]
/// struct CountVisits;
///
/// /// How often each key was seen, with every row.
/// #[flowgate_sdk::process]
/// impl Process for CountVisits {
///     type Row<'a> = Visit<'a>;
///     type State = Counted;
///     type Output = Visited<'static>;
///
///     fn on_row(&self, row: Visit<'_>, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
///         let visits = ctx.state.visits.get().copied().unwrap_or(0) + 1;
///         ctx.state.visits.set(visits);
///         ctx.emit(Visited { page: row.page, visits });
///         Ok(())
///     }
/// }
///
/// flowgate_sdk::plugin! { processes: [CountVisits] }
///
/// let mut harness = ProcessHarness::<CountVisits>::open("{}").unwrap();
/// harness.row("ada", Visit { page: "/" });
/// harness.row("ada", Visit { page: "/about" });
/// assert_eq!(harness.rows::<Visited>()[1].visits, 2);
/// ```
pub trait Process: FromConfig + Named {
    /// Whether there is a second input. Set by `#[process]`.
    #[doc(hidden)]
    const TWO_INPUTS: bool;
    /// Whether one of the `prefetch` functions is implemented. Set by `#[process]`.
    #[doc(hidden)]
    const PREFETCHES: bool;

    /// The columns that it reads.
    type Row<'a>: ReadRow<'a>;
    /// The columns that it reads of the second input. Left out: there is none.
    type Other<'a>: ReadRow<'a>;
    /// The key, column by column in the order of the job's `key`, under any names. Left out: `()`, for a key of any type.
    type Key<'a>: ReadRow<'a>;
    /// The state that it keeps for each key. Left out: `()`, none.
    type State: State;
    /// The tag that distinguishes the timers of a key. Left out: `u64`.
    type Tag: TimerTag;
    /// Its output; where the row borrows, with `'static`: rows of any lifetime can be emitted. Left out: `()`, rows are forwarded
    /// unchanged.
    type Output: WriteRow;
    /// Its side outputs. Left out: `()`, none.
    type Sides: SideOutputs;

    /// Handles a row. Where it fails, the row goes to the operator's `errors`; the rows emitted for it, the timers that it set
    /// and its writes to state are undone.
    ///
    /// # Errors
    /// What is wrong with the row.
    fn on_row(&self, row: Self::Row<'_>, ctx: &mut Context<'_, Self>) -> Result<(), Failure>;

    /// Handles a row of the second input; as `on_row`.
    ///
    /// # Errors
    /// What is wrong with the row.
    fn on_other(&self, row: Self::Other<'_>, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let _ = (row, ctx);
        Err(Failure::new("the function does nothing with its second input: it lacks `on_other`"))
    }

    /// Handles a timer that is due. Emitted rows have the time of the timer; only columns that the function makes, and the key,
    /// have values in them. A failure is as in `on_row`.
    ///
    /// # Errors
    /// Why it could not be handled.
    fn on_timer(&self, timer: Timer<Self::Tag>, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let _ = (timer, ctx);
        Err(Failure::new("the function does nothing with its timers: it lacks `on_timer`"))
    }

    /// Requests map entries ahead, with [`Map::want`](crate::Map::want). Called for each row of a batch before the first
    /// `on_row`, so that one call of the host fetches all entries.
    fn prefetch(&self, row: Self::Row<'_>, state: &mut Self::State) {
        let _ = (row, state);
    }

    /// The same, for rows of the second input.
    fn prefetch_other(&self, row: Self::Other<'_>, state: &mut Self::State) {
        let _ = (row, state);
    }

    /// The same, for timers that are due.
    fn prefetch_timer(&self, timer: Timer<Self::Tag>, state: &mut Self::State) {
        let _ = (timer, state);
    }

    /// Returns columns to read next to those of `Row`, for each input, where they depend on the config. `inputs` are the offered
    /// columns. [`Context::chosen`] has their values.
    ///
    /// # Errors
    /// Everything that is wrong with the config and the columns. The job does not start.
    fn choose(&self, inputs: &[Vec<Field>]) -> Result<Vec<Vec<Field>>, Vec<String>> {
        Ok(vec![Vec::new(); inputs.len()])
    }

    /// Returns the time-to-live of a slot, in milliseconds, where it depends on the config. `declared` is the value of
    /// `#[state(ttl)]`.
    fn ttl_ms(&self, slot: &str, declared: Option<u64>) -> Option<u64> {
        let _ = slot;
        declared
    }
}

/// The columns of the second input of a function that has none.
#[doc(hidden)]
#[derive(Debug)]
pub enum NoInput {}

impl Row for NoInput {
    const FIELDS: &'static [Field] = &[];
    const PASSTHROUGH: bool = false;
}

impl ReadRow<'_> for NoInput {
    type Columns = ();
    fn columns(_batch: &crate::column::batch::Batch) {}
    fn read((): &(), _row: usize) -> Self {
        unreachable!("the host gave a row of an input that the function does not have")
    }
}
