//! Joins of two streams on equal keys, and of a stream with a table.
//!
//! [`layout`] chooses the columns of a side that are kept; [`key_lists`] matches whole sets of rows. [`window`] joins within
//! windows, over the [`pieces`] of each side: by [`matches`] if all are in memory, by [`grace`] if some are in a file.
//! [`lists`] keeps rows as columns with a list for each key, [`kept`] the rows of one side, and [`continuous`] joins rows as
//! they arrive, within an interval or without a bound. These are pure: no dataflow, no clock. [`pairing`] assembles result
//! rows; [`operator`] is the join in the dataflow. [`table`] is the table of a [`lookup`] join.

pub mod continuous;
pub mod grace;
pub mod kept;
pub mod key_lists;
pub mod layout;
pub mod lists;
pub mod lookup;
pub mod matches;
pub mod operator;
pub mod pairing;
pub mod pieces;
pub mod probe;
pub mod side;
pub mod table;
pub mod window;

#[cfg(test)]
mod continuous_tests;
#[cfg(test)]
mod test_rows;
#[cfg(test)]
mod window_tests;
