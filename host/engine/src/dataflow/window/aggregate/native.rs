//! The accumulators of each built-in aggregate.

use super::accumulate::Accumulate;
use super::approx::Approx;
use super::arg::ArgExtremes;
use super::count::Counts;
use super::distinct::Distinct;
use super::extreme::{Extremes, TextExtremes};
use super::mean::{FloatMeans, IntMeans};
use super::pick::Picked;
use super::quantile::QuantileSketches;
use super::sum::Sums;
use super::top_k::TopK;
use crate::job::graph::Aggregate;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Schema};

/// Returns accumulators without groups, and the positions of the columns that they read.
///
/// # Errors
/// The aggregate is a plugin's, or cannot read the type of its column: the job was not checked.
pub(crate) fn accumulator(aggregate: &Aggregate, input: &Schema) -> Result<(Box<dyn Accumulate>, Vec<usize>)> {
    let data_type = |column: usize| {
        let field = input.fields.get(column);
        field.map(|f| f.data_type).ok_or_else(|| Error::internal("an aggregate reads a column that is not there"))
    };
    let no_such = |what: &str, t: DataType| Error::internal(format!("no {what} of {t} values"));
    let extreme = |column: usize, greatest: bool| -> Result<Box<dyn Accumulate>> {
        Ok(match data_type(column)? {
            DataType::Text => Box::new(TextExtremes::new(greatest)),
            other @ (DataType::Bytes | DataType::Json) => return Err(no_such("order", other)),
            other => Box::new(Extremes::new(other, greatest)),
        })
    };
    Ok(match aggregate {
        Aggregate::Count(None) => (Box::new(Counts::default()), Vec::new()),
        Aggregate::Count(Some(column)) => (Box::new(Counts::default()), vec![*column]),
        Aggregate::Sum(column) => match data_type(*column)? {
            DataType::Int64 => (Box::new(Sums::<i64>::default()), vec![*column]),
            DataType::Float64 => (Box::new(Sums::<f64>::default()), vec![*column]),
            other => return Err(no_such("sum", other)),
        },
        Aggregate::Avg(column) => match data_type(*column)? {
            DataType::Int64 => (Box::new(IntMeans::default()), vec![*column]),
            DataType::Float64 => (Box::new(FloatMeans::default()), vec![*column]),
            other => return Err(no_such("average", other)),
        },
        Aggregate::Min(column) => (extreme(*column, false)?, vec![*column]),
        Aggregate::Max(column) => (extreme(*column, true)?, vec![*column]),
        Aggregate::First(column) => (Box::new(Picked::new(data_type(*column)?, false)), vec![*column]),
        Aggregate::Last(column) => (Box::new(Picked::new(data_type(*column)?, true)), vec![*column]),
        Aggregate::Distinct(column) => (Box::new(Distinct::default()), vec![*column]),
        Aggregate::ApproxDistinct(column) => (Box::new(Approx::default()), vec![*column]),
        Aggregate::Quantile { column, q } => (Box::new(QuantileSketches::new(*q)), vec![*column]),
        Aggregate::ArgExtreme { value, by, greatest } => {
            (Box::new(ArgExtremes::new(data_type(*value)?, data_type(*by)?, *greatest)), vec![*value, *by])
        }
        Aggregate::TopK { value, by, k } => {
            (Box::new(TopK::new(data_type(*value)?, data_type(*by)?, *k as usize)), vec![*value, *by])
        }
        Aggregate::Plugin(_) => return Err(Error::internal("a plugin's aggregate is not built in")),
    })
}
