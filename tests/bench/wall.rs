//! The wall: the cost of a function in the sandbox, with limits, compared with the same loop in native code.
//!
//! For each number of rows a call, plugin and native loop are measured in turn, several times; the medians count.

#[path = "report.rs"]
mod report;

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, StringArray};
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_base::time::ProcessingTime;
use flowgate_wall::binding::OpenRequest;
use flowgate_wall::{CallContext, Function, Limits, Plugin, Plugins, VarValues};
use serde_json::json;

const ROWS_PER_CALL: [usize; 5] = [1, 16, 128, 1_024, 8_192];
/// The number of groups of the aggregate.
const GROUPS: usize = 100;
/// The rows of one measurement, in the fewest calls that they need.
const ROWS_MEASURED: usize = 400_000;
const REPETITIONS: usize = 15;
const CONTEXT: CallContext = CallContext { watermark: None, processing_time: ProcessingTime(0) };

fn main() {
    let plugins = Plugins::new(Limits::default()).expect("the engine starts");
    let plugin = plugins.load(&bench_plugin()).expect("the plugin loads");
    let mut results = Vec::new();
    let mut table = comfy_table::Table::new();
    table.set_header(["case", "rows a call", "plugin ns/row", "native ns/row", "plugin ns/call"]);
    for case in ["filter", "map", "aggregate"] {
        for rows in ROWS_PER_CALL {
            let (plugin_ns, native_ns) = measure(&plugin, case, rows);
            results.push(json!({
                "case": case,
                "rows_per_call": rows,
                "plugin_ns_per_row": (plugin_ns * 100.0).round() / 100.0,
                "native_ns_per_row": (native_ns * 100.0).round() / 100.0,
            }));
            let shown = |ns: f64| format!("{ns:.2}");
            let call = format!("{:.0}", plugin_ns * rows as f64);
            table.add_row([case.to_string(), rows.to_string(), shown(plugin_ns), shown(native_ns), call]);
        }
    }
    println!("{table}");
    report::write("wall.json", &json!(results));
}

/// Returns the path of the plugin of the benchmarks, which `make bench` compiles.
fn bench_plugin() -> PathBuf {
    let path = report::target_folder().join("bench/bench.wasm");
    assert!(path.is_file(), "{} is missing; run the benchmarks by `make bench`", path.display());
    path
}

/// The input of all cases.
struct Input {
    auction: ArrayRef,
    price: ArrayRef,
    channel: ArrayRef,
    groups: Vec<u32>,
}

impl Input {
    fn new(rows: usize) -> Self {
        let rows_i64 = rows as i64;
        Input {
            auction: Arc::new(Int64Array::from_iter_values((0..rows_i64).map(|i| i * 7))),
            price: Arc::new(Int64Array::from_iter_values((0..rows_i64).map(|i| 100 + i))),
            channel: Arc::new(StringArray::from_iter_values((0..rows).map(|i| format!("channel-{}", i % 100)))),
            groups: (0..rows as u32).map(|i| i % GROUPS as u32).collect(),
        }
    }
}

fn open(plugin: &Arc<Plugin>, function: &str) -> Function {
    let request = OpenRequest {
        operator: "bench".into(),
        function: function.into(),
        config: json!({}),
        inputs: vec![Schema::new(vec![
            Field::new("auction", DataType::Int64),
            Field::new("price", DataType::Int64),
            Field::new("channel", DataType::Text),
        ])],
        ..OpenRequest::default()
    };
    Function::open(plugin, request).unwrap_or_else(|problems| panic!("{function}: {problems:?}"))
}

/// Returns nanoseconds a row: plugin, native.
fn measure(plugin: &Arc<Plugin>, case: &str, rows: usize) -> (f64, f64) {
    let input = Input::new(rows);
    let accumulators = VarValues::empty(GROUPS.min(rows));
    let mut function = open(plugin, if case == "aggregate" { "total" } else { case });
    let mut in_plugin = || match case {
        "filter" => {
            black_box(function.transform(std::slice::from_ref(&input.auction), rows, &CONTEXT).expect("a call"));
        }
        "map" => {
            let columns = [input.auction.clone(), input.price.clone(), input.channel.clone()];
            black_box(function.transform(&columns, rows, &CONTEXT).expect("a call"));
        }
        _ => {
            let columns = std::slice::from_ref(&input.price);
            let updated = function.update(accumulators.clone(), &input.groups, columns, rows, &CONTEXT);
            black_box(updated.expect("a call"));
        }
    };
    let mut native = || match case {
        "filter" => drop(black_box(filter(&input))),
        "map" => drop(black_box(map(&input))),
        _ => drop(black_box(aggregate(&accumulators, &input))),
    };
    let calls = (ROWS_MEASURED / rows).clamp(20, 20_000);
    let time = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed().as_nanos() as f64 / (calls * rows) as f64
    };
    time(&mut in_plugin);
    time(&mut native);
    let pairs: Vec<(f64, f64)> = (0..REPETITIONS).map(|_| (time(&mut in_plugin), time(&mut native))).collect();
    (report::median(pairs.iter().map(|p| p.0).collect()), report::median(pairs.iter().map(|p| p.1).collect()))
}

/// Returns nine rows of ten, as row numbers.
fn filter(input: &Input) -> Vec<u32> {
    let auction = input.auction.as_primitive::<Int64Type>().values();
    (0u32..).zip(auction.iter()).filter(|(_, a)| *a % 10 != 3).map(|(i, _)| i).collect()
}

/// Row numbers, prices, and the rebuilt texts' ends and bytes.
type Mapped = (Vec<u32>, Vec<i64>, Vec<u32>, Vec<u8>);

fn map(input: &Input) -> Mapped {
    let auction = input.auction.as_primitive::<Int64Type>().values();
    let price = input.price.as_primitive::<Int64Type>().values();
    let channel = input.channel.as_string::<i32>();
    let rows = auction.len();
    let (mut kept, mut prices) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let (mut ends, mut texts) = (Vec::with_capacity(rows), Vec::with_capacity(channel.values().len() + rows));
    for row in 0..rows {
        if auction[row] % 10 != 3 {
            kept.push(row as u32);
            prices.push(price[row] * 908 / 1000);
            texts.extend_from_slice(channel.value(row).as_bytes());
            texts.push(b'!');
            ends.push(texts.len() as u32);
        }
    }
    (kept, prices, ends, texts)
}

/// Aggregates accumulators as bytes to bytes, as the plugin does.
fn aggregate(accumulators: &VarValues, input: &Input) -> VarValues {
    let mut totals: Vec<(i64, i64)> = accumulators
        .iter()
        .map(|bytes| match bytes.split_at_checked(8) {
            Some((count, sum)) => {
                let number = |b: &[u8]| i64::from_le_bytes(b.try_into().expect("8 bytes"));
                (number(count), number(sum))
            }
            None => (0, 0),
        })
        .collect();
    let price = input.price.as_primitive::<Int64Type>().values();
    for (group, price) in input.groups.iter().zip(price) {
        let total = &mut totals[*group as usize];
        total.0 += 1;
        total.1 += price;
    }
    let mut out = VarValues::default();
    for (count, sum) in totals {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&count.to_le_bytes());
        bytes[8..].copy_from_slice(&sum.to_le_bytes());
        out.push(&bytes);
    }
    out
}
