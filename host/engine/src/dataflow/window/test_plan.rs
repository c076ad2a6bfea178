//! Plans for the tests of windows: int64 columns `key` and `value`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, TimestampMillisecondArray};

use super::aggregator::Aggregator;
use super::by_rows::RowWindows;
use super::global::GlobalWindow;
use super::plan::{Plan, WindowState};
use super::session::SessionWindows;
use super::shape::Shape;
use super::time::TimeWindows;
use crate::dataflow::batch::Batch;
use crate::job::graph;
use crate::job::graph::{Aggregate, AggregateColumn};
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_connect::encode::json_row;
use flowgate_state::store::{JobStores, StateStore};

pub(super) const INPUT: [&str; 2] = ["key", "value"];

/// Every built-in aggregate.
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

/// Returns a plan of aggregates by `key`.
pub(super) fn plan(aggregates: &[&str]) -> Plan {
    let aggregators = aggregates.iter().map(|name| {
        let column = AggregateColumn { name: name.to_string(), aggregate: aggregate(name), filter: None };
        Aggregator::new(&column, &schema(), &mut |_| unreachable!("no plugin")).unwrap()
    });
    Plan {
        key: vec![0],
        key_fields: vec![Field::new("key", DataType::Int64)],
        aggregators: aggregators.collect(),
        aggregate_names: aggregates.iter().map(|name| name.to_string()).collect(),
        marks_results: false,
        has_event_time: true,
        dated_by_rows: true,
        trigger: None,
    }
}

/// Bytes of memory: enough for all keys, for some, and for none.
pub(super) const MEMORY: [u64; 3] = [u64::MAX, 4_000, 1];

/// Returns a store with `memory` bytes.
pub(super) fn store(memory: u64) -> StateStore {
    StateStore::new(&JobStores::new(memory, None, 7, 1)).of_operator("w")
}

/// Creates windows of any kind.
pub(super) fn windows(kind: graph::Windows, lateness_ms: i64, plan: &Plan, store: &StateStore) -> Box<dyn WindowState> {
    match kind {
        graph::Windows::Time { size_ms, slide_ms } => {
            Box::new(TimeWindows::new(Shape { size_ms, slide_ms, lateness_ms }, plan, store))
        }
        graph::Windows::Session { gap_ms } => Box::new(SessionWindows::new(plan, store, gap_ms, lateness_ms)),
        graph::Windows::Global => Box::new(GlobalWindow::new(plan, store)),
        graph::Windows::Rows { size, slide } => Box::new(RowWindows::new(plan, store, size, slide)),
    }
}

/// Returns all results that windows emit next.
pub(super) fn results(windows: &mut dyn WindowState, plan: &mut Plan) -> Vec<Batch> {
    let mut all = Vec::new();
    while let Some(results) = windows.next(plan).unwrap() {
        all.extend(results);
    }
    all
}

/// Key, time and value.
pub(super) type Row = (i64, i64, i64);

pub(super) fn batch(rows: &[Row]) -> Batch {
    let column = |f: fn(&Row) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(f))) as ArrayRef;
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|r| r.1));
    Batch::new(vec![column(|r| r.0), column(|r| r.2)], rows.len())
        .with_event_time(Some((Arc::new(times) as ArrayRef).into()))
}

/// Returns rows as JSON texts.
pub(super) fn shown(batch: &Batch) -> Vec<String> {
    let columns = batch.gather().unwrap();
    let fields = columns.iter().enumerate().map(|(i, c)| {
        let data_type = match c.data_type() {
            arrow_schema::DataType::Int64 => DataType::Int64,
            arrow_schema::DataType::Float64 => DataType::Float64,
            arrow_schema::DataType::Utf8 => DataType::Text,
            _ => DataType::Timestamp,
        };
        Field::nullable(i.to_string(), data_type)
    });
    let schema = Schema::new(fields.collect());
    (0..batch.row_count()).map(|row| json_row(&schema, &columns, row)).collect()
}
