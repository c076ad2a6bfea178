//! Generated rows: the same for the same seed, however they are divided.

use std::collections::HashMap;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use proptest::prelude::*;

use super::{Generator, GeneratorSource};
use crate::problem;
use crate::source::{Poll, Source, Split};
use crate::test_reading::{Alarm, read_split, rows_of};
use flowgate_base::clock;

fn spec(settings: serde_json::Value) -> crate::settings::Generator {
    serde_json::from_value(settings).unwrap()
}

fn all_columns() -> serde_json::Value {
    serde_json::json!({
        "n": { "sequence": { "start": 5, "step": -2 } },
        "i": { "int": { "min": -3, "max": 3 } },
        "f": { "float": { "min": -0.5, "max": 2 } },
        "c": { "choice": ["red", "", "blue"] },
        "w": { "words": 3 },
        "t": { "time": { "start": "2026-01-01T00:00:00Z", "step_us": 250, "jitter": "2ms" } }
    })
}

fn all_rows(rows: u64, batch_rows: u32, splits: usize) -> Vec<(u64, String)> {
    let settings = serde_json::json!({ "rows": rows, "batch_rows": batch_rows, "seed": 7, "columns": all_columns() });
    let source = GeneratorSource::of_spec(&spec(settings)).unwrap();
    let splits = source.splits(splits).unwrap();
    let mut rows: Vec<_> = splits.iter().flat_map(|split| read_split(&source, &split.0, None).rows).collect();
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rows_are_the_same_for_any_division(rows in 0u64..300, batch_rows in 1u32..70, splits in 1usize..6) {
        let divided = all_rows(rows, batch_rows, splits);
        prop_assert_eq!(divided.len() as u64, rows);
        prop_assert_eq!(divided, all_rows(rows, 1_000, 1));
    }

    #[test]
    fn a_position_is_exact(batch_rows in 1u32..70, before in 0usize..6) {
        let settings = serde_json::json!({ "rows": 200, "batch_rows": batch_rows, "columns": all_columns() });
        let source = GeneratorSource::of_spec(&spec(settings)).unwrap();
        let alarm = Alarm::new();
        let mut reader = source.open(&Split("1/2".into()), None, alarm.waker()).unwrap();
        let mut rows = Vec::new();
        for _ in 0..before {
            if let Poll::Rows(batch) = reader.poll().unwrap() {
                rows.extend(rows_of(&source.schema(), &batch));
            }
        }
        rows.extend(read_split(&source, "1/2", Some(&reader.position())).rows);
        prop_assert_eq!(rows, read_split(&source, "1/2", None).rows);
    }
}

#[test]
fn values_are_what_the_spec_says() {
    let generator =
        Generator::new(&spec(serde_json::json!({ "columns": all_columns(), "batch_rows": 60_000 }))).unwrap();
    assert_eq!(generator.blocks(), None);
    let rows = generator.fill(0).unwrap();
    assert_eq!(rows.row_count, 60_000);
    let numbers = rows.columns[0].as_primitive::<Int64Type>().values();
    assert_eq!(numbers[..3], [5, 3, 1]);
    let mut counts = HashMap::new();
    for value in rows.columns[1].as_primitive::<Int64Type>().values() {
        *counts.entry(*value).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 7);
    assert!(
        counts.iter().all(|(value, count)| (-3..=3).contains(value) && (7_500..9_700).contains(count)),
        "{counts:?}"
    );
    let floats = rows.columns[2].as_primitive::<Float64Type>().values();
    assert!(floats.iter().all(|f| (-0.5..2.0).contains(f)));
    let mean = floats.iter().sum::<f64>() / 60_000.0;
    assert!((mean - 0.75).abs() < 0.02, "{mean}");
    for (row, time) in rows.columns[5].as_primitive::<TimestampMillisecondType>().values().iter().enumerate() {
        let latest = 1_767_225_600_000 + row as i64 / 4;
        assert!((latest - 2..=latest).contains(time), "row {row}: {time}");
    }
}

/// A word of rank r occurs about as often as 1/r; every word of the vocabulary occurs.
#[test]
fn words_are_as_uneven_as_those_of_a_language() {
    let settings = serde_json::json!({ "columns": { "w": { "words": 10 } }, "batch_rows": 60_000 });
    let rows = Generator::new(&spec(settings)).unwrap().fill(0).unwrap();
    let mut counts = HashMap::new();
    for text in rows.columns[0].as_string::<i32>().iter().flatten() {
        assert_eq!(text.split(' ').count(), 10);
        for word in text.split(' ') {
            *counts.entry(word).or_insert(0u32) += 1;
        }
    }
    assert_eq!(counts.len(), 1_000);
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let first = 600_000.0 / (1..=1_000).map(|r| 1.0 / f64::from(r)).sum::<f64>();
    for rank in [1, 2, 5, 10, 50] {
        let (count, expected) = (f64::from(counts[rank - 1]), first / rank as f64);
        assert!((count / expected - 1.0).abs() < 0.1, "rank {rank}: {count}, expected {expected}");
    }
}

#[test]
fn columns_and_seeds_differ() {
    let int = serde_json::json!({ "int": { "min": i64::MIN, "max": i64::MAX } });
    let columns = serde_json::json!({ "a": int, "b": int });
    let rows = |seed: u64| {
        let spec = spec(serde_json::json!({ "rows": 100, "seed": seed, "columns": columns }));
        Generator::new(&spec).unwrap().fill(0).unwrap()
    };
    let (one, two) = (rows(1), rows(2));
    assert_ne!(one.columns[0].to_data(), one.columns[1].to_data());
    assert_ne!(one.columns[0].to_data(), two.columns[0].to_data());
    assert_eq!(one.columns[0].to_data(), rows(1).columns[0].to_data());
}

/// At 2,000 rows a second, 40 rows are due at 0, 10 and 20 ms.
#[test]
fn a_rate_holds_rows_back() {
    let settings = serde_json::json!({ "rows": 60, "rate": 2_000, "columns": { "n": { "sequence": {} } } });
    let source = GeneratorSource::of_spec(&spec(settings)).unwrap();
    let start_ms = clock::now_ms();
    let alarm = Alarm::new();
    let mut readers: Vec<_> =
        source.splits(2).unwrap().iter().map(|s| source.open(s, None, alarm.waker()).unwrap()).collect();
    assert!(matches!(readers[0].poll().unwrap(), Poll::Rows(rows) if rows.row_count == 20));
    let mut got = 20;
    while !readers.is_empty() {
        readers.retain_mut(|reader| match reader.poll().unwrap() {
            Poll::Rows(rows) => {
                got += rows.row_count;
                true
            }
            Poll::PendingUntil(due_ms) => {
                let wait_ms = u64::try_from(due_ms - clock::now_ms()).unwrap_or(0);
                assert!(wait_ms <= 20, "{wait_ms}");
                std::thread::sleep(std::time::Duration::from_millis(wait_ms));
                true
            }
            Poll::Pending => panic!("a generator waits for nothing but time"),
            Poll::End => false,
        });
    }
    assert_eq!(got, 60);
    assert!(clock::now_ms() - start_ms >= 20);
}

#[test]
fn blocks_of_long_texts_have_fewer_rows() {
    let settings = serde_json::json!({ "columns": { "w": { "words": 1_000 } }, "batch_rows": 60_000 });
    let generator = Generator::new(&spec(settings)).unwrap();
    assert_eq!(generator.block_rows(), (16 << 20) / 8_000);
    assert_eq!(generator.fill(3).unwrap().row_count as u64, generator.block_rows());
}

#[test]
fn what_is_wrong_is_said_at_once() {
    let settings = serde_json::json!({ "rate": 0, "columns": {
        "a": {}, "b": { "words": 3, "now": {} }, "c": { "int": { "min": 2, "max": 1 } }, "d": { "choice": [] },
        "e": { "time": { "start": "today" } }
    } });
    let wrong = Generator::new(&spec(settings)).unwrap_err();
    let told = |part: &str| assert!(wrong.iter().any(|w| w.message.contains(part)), "{part} in {wrong:?}");
    told("column `a`: 0 kinds are given");
    told("column `b`: 2 kinds are given");
    told("column `c`: `min` 2 is greater than `max` 1");
    told("column `d`: `choice` has no values");
    told("column `e`: `today` is not a timestamp");
    told("`rate` is 0");
}

#[test]
fn sequences_end_before_their_type_does() {
    let wrong = |rows: u64, column: serde_json::Value| {
        let settings = serde_json::json!({ "rows": rows, "columns": { "n": column } });
        Generator::new(&spec(settings)).err().map(|wrong| problem::listed(&wrong))
    };
    let near_the_end = || serde_json::json!({ "sequence": { "start": i64::MAX - 2 } });
    assert_eq!(wrong(3, near_the_end()), None);
    let told = wrong(4, near_the_end()).unwrap();
    assert_eq!(told, "column `n`: `sequence` comes to 9223372036854775808 in 4 rows, which int64 cannot hold");
    assert!(wrong(u64::MAX, serde_json::json!({ "sequence": { "start": 0, "step": i64::MIN } })).is_some());
    let time = |start: &str| serde_json::json!({ "time": { "start": start, "step_us": 1_000_000 } });
    assert_eq!(wrong(60, time("9999-12-31T23:59:00Z")), None);
    assert!(wrong(61, time("9999-12-31T23:59:00Z")).unwrap().contains("the end of the year 9999"));
}
