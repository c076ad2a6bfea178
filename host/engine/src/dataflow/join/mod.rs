//! Joins of two streams on equal keys, and of a stream with a table.
//!
//! [`layout`] says which columns of a side are kept; [`key_lists`] matches whole sets of rows; [`window`] joins within
//! windows, over the [`pieces`] of each side: by [`matches`] where they are in memory, by [`grace`] where some are in a file.
//! [`lists`] keeps rows as columns with a list for each key, [`kept`] those of one side, and [`continuous`] joins rows as they
//! come, within an interval or without a bound. These are pure: no dataflow, no clock. [`pairing`] puts result rows together;
//! [`operator`] brings all of it into the dataflow. [`table`] is a table for [`lookup`].

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
