//! Plans for the tests of windows: int64 columns `key` and `value`.

use super::aggregator::Aggregator;
use super::plan::Plan;
use crate::job::graph::{Aggregate, AggregateColumn};
use crate::schema::{DataType, Field, Schema};

pub(super) const INPUT: [&str; 2] = ["key", "value"];

/// Every aggregate of the host's own.
pub(super) const ALL: [&str; 12] =
    ["count", "sum", "avg", "min", "max", "first", "last", "distinct", "approx", "quantile", "arg_max", "top_k"];

pub(super) fn schema() -> Schema {
    Schema::new(INPUT.iter().map(|name| Field::new(*name, DataType::Int64)).collect())
}

pub(super) fn aggregate(name: &str) -> Aggregate {
    match name {
        "count" => Aggregate::Count(None),
        "sum" => Aggregate::Sum(1),
        "avg" => Aggregate::Avg(1),
        "min" => Aggregate::Min(1),
        "max" => Aggregate::Max(1),
        "first" => Aggregate::First(1),
        "last" => Aggregate::Last(1),
        "distinct" => Aggregate::Distinct(1),
        "approx" => Aggregate::ApproxDistinct(1),
        "quantile" => Aggregate::Quantile { column: 1, q: 0.5 },
        "arg_max" => Aggregate::ArgExtreme { value: 0, by: 1, greatest: true },
        "top_k" => Aggregate::TopK { value: 0, by: 1, k: 2 },
        other => panic!("no aggregate {other}"),
    }
}

/// By `key`.
pub(super) fn plan(aggregates: &[&str]) -> Plan {
    let aggregators = aggregates.iter().map(|name| {
        let column = AggregateColumn { name: name.to_string(), aggregate: aggregate(name), filter: None };
        Aggregator::new(&column, &schema(), &mut |_| unreachable!("no plugin")).unwrap()
    });
    Plan {
        key: vec![0],
        key_fields: vec![Field::new("key", DataType::Int64)],
        aggregators: aggregators.collect(),
        marks_results: false,
        has_event_time: true,
        dated_by_rows: true,
        trigger: None,
    }
}
