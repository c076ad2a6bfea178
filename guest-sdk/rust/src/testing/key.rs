//! Keys in tests.

use crate::column::batch::Column;
use crate::row::contract::{BuildRow, WriteRow};
use crate::timestamp::Timestamp;

/// The key of a row in a test: a row struct, one value for a key of one column, or `()` for none.
pub trait TestKey: Clone {
    /// Returns the key columns of these keys.
    fn columns(keys: Vec<Self>) -> Vec<Column>;
}

impl<R: WriteRow + Clone> TestKey for R {
    fn columns(keys: Vec<Self>) -> Vec<Column> {
        let mut columns = R::Columns::with_capacity(keys.len(), 0);
        keys.into_iter().for_each(|key| key.write(&mut columns));
        columns.finish().into_iter().map(|(_, column)| column).collect()
    }
}

macro_rules! single {
    ($($type:ty),*) => {$(
        impl TestKey for $type {
            fn columns(keys: Vec<Self>) -> Vec<Column> {
                use crate::column::builder::Build;
                use crate::row::field::WriteField;
                let mut builder = <<$type as WriteField>::Builder as Build>::with_capacity(keys.len(), 0);
                keys.into_iter().for_each(|key| key.write(&mut builder));
                vec![builder.finish()]
            }
        }
    )*};
}

single!(bool, i64, f64, &str, String, Vec<u8>, Timestamp, Option<i64>, Option<&str>);
