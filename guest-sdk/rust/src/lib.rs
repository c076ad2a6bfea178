#![doc = include_str!("../README.md")]

// The macros name this crate by its path from outside.
extern crate self as flowgate_sdk;

mod column;
mod export;
mod failure;
mod function;
mod host;
mod process;
mod row;
mod schema;
mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod timestamp;
mod timestamp_text;

#[doc(hidden)]
pub use export::contents as __export;
#[doc(hidden)]
pub use {schemars, serde};

pub use serde_json;

pub use column::builder::{BoolBuilder, OptionBuilder};
pub use column::text_builder::{BytesBuilder, TextBuilder};
pub use column::view::{BoolColumn, BytesColumn, OptionColumn, TextColumn};
pub use failure::Failure;
/// # Example
///
/// ```
/// #[derive(flowgate_sdk::Row)]
/// #[row(passthrough)]
/// struct Agent<'a> {
///     #[row(name = "user-agent")]
///     user_agent: Option<&'a str>,
/// }
/// ```
pub use flowgate_sdk_macros::Row;
/// # Example
///
/// ```
/// use flowgate_sdk::{Aggregate, Failure, Row};
///
/// #[derive(Row)]
/// struct Value { value: i64 }
///
/// /// The largest value.
/// #[flowgate_sdk::aggregate]
/// struct Largest;
///
/// impl Aggregate for Largest {
///     type Row<'a> = Value;
///     type Accumulator = Option<i64>;
///     type Output = Option<i64>;
///     fn update(&self, largest: &mut Option<i64>, row: Value) -> Result<(), Failure> {
///         *largest = (*largest).max(Some(row.value));
///         Ok(())
///     }
///     fn merge(&self, left: &mut Option<i64>, right: Option<i64>) {
///         *left = (*left).max(right);
///     }
///     fn finish(&self, largest: Option<i64>) -> Option<i64> {
///         largest
///     }
/// }
/// ```
pub use flowgate_sdk_macros::aggregate;
/// # Example
///
/// ```
/// #[flowgate_sdk::config]
/// struct Words {
///     /// Whether letter case is kept.
///     #[serde(default)]
///     keep_case: bool,
///     /// Shorter words are left out.
///     #[schemars(range(min = 1))]
///     length_min: u32,
/// }
/// ```
///
/// A function without a config that is a struct: a process function or an aggregate.
///
/// ```
/// #[flowgate_sdk::config]
/// struct CountVisits;
/// ```
pub use flowgate_sdk_macros::config;
/// # Example
///
/// ```
/// use flowgate_sdk::Row;
///
/// #[derive(Row)]
/// struct Bid<'a> { auction: i64, bidder: &'a str }
///
/// #[derive(Row)]
/// struct Auction<'a> { category: &'a str }
///
/// #[derive(Row)]
/// struct Match<'a> { bidder: &'a str, category: Option<&'a str> }
///
/// /// Bids with the category of their auction, if there is one: for a left join.
/// #[flowgate_sdk::join]
/// fn with_category<'a>(bid: Bid<'a>, auction: Option<Auction<'a>>) -> Match<'a> {
///     Match { bidder: bid.bidder, category: auction.map(|auction| auction.category) }
/// }
/// ```
pub use flowgate_sdk_macros::join;
/// # Example
///
/// ```
/// use flowgate_sdk::Row;
///
/// #[derive(Row)]
/// struct Word<'a> { word: &'a str }
///
/// #[flowgate_sdk::transform]
/// fn long(word: Word) -> bool {
///     word.word.len() > 3
/// }
///
/// flowgate_sdk::plugin! { transforms: [long] }
/// ```
pub use flowgate_sdk_macros::plugin;
pub use flowgate_sdk_macros::process;
/// # Example
///
/// ```
/// use flowgate_sdk::Row;
///
/// #[derive(Row)]
/// struct Word<'a> { word: &'a str }
///
/// /// Leaves out short words.
/// #[flowgate_sdk::transform(name = "long-words")]
/// fn long(word: Word) -> bool {
///     word.word.len() > 3
/// }
/// assert!(long(Word { word: "gate" }));
/// ```
pub use flowgate_sdk_macros::transform;
pub use flowgate_sdk_macros::{SideOutputs, State, StateValue, TimerTag};
pub use function::accumulator::Accumulator;
pub use function::aggregate::Aggregate;
pub use function::columns::{Columns, Output};
pub use function::config::{Config, FromConfig};
pub use function::join::{Join, JoinSide};
pub use function::output::TransformOutput;
pub use function::side::{SideOutput, SideOutputs};
pub use function::transform::Transform;
pub use function::value::AggregateOutput;
pub use host::{context, files, log, metrics};
pub use process::any::AnyValue;
pub use process::context::Context;
pub use process::contract::Process;
pub use process::timers::{Clock, Timer, TimerTag, Timers};
pub use row::contract::{ReadRow, Row, WriteRow};
pub use row::text::{Concat, Formatted, Json};
pub use schema::{DataType, Field};
pub use state::encode::StateValue;
pub use state::key::StateKey;
pub use state::list::List;
pub use state::map::Map;
pub use state::slot::State;
pub use state::value::Value;
pub use timestamp::Timestamp;
pub use timestamp_text::ParseTimestampError;
