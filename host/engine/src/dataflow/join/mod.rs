//! Joins of two streams on equal keys, and of a stream with a table.
//!
//! [`layout`] chooses the columns of a side that are kept; [`key_lists`] matches whole sets of rows. [`window`] joins within
//! windows, over the [`pieces`] of each side: by [`matches`] if all are in memory, by [`grace`] if some are in a file.
//! [`lists`] keeps rows as columns with a list for each key, [`kept`] the rows of one side, and [`continuous`] joins rows as
//! they arrive, within an interval or without a bound. These are pure: no dataflow, no clock. [`pairing`] assembles result
//! rows; [`operator`] is the join in the dataflow. [`table`] is the table of a [`lookup`] join.

pub(crate) mod continuous;
pub(crate) mod grace;
pub(crate) mod kept;
pub(crate) mod key_lists;
pub(crate) mod layout;
mod list_changes;
pub(crate) mod lists;
mod lists_stored;
pub(crate) mod lookup;
pub(crate) mod matches;
pub(crate) mod operator;
pub(crate) mod pairing;
mod piece_track;
pub(crate) mod pieces;
pub(crate) mod probe;
mod row_mark;
pub(crate) mod side;
pub(crate) mod table;
pub(crate) mod window;

#[cfg(test)]
mod continuous_tests;
#[cfg(test)]
mod lists_stored_tests;
#[cfg(test)]
mod test_rows;
#[cfg(test)]
mod window_tests;
