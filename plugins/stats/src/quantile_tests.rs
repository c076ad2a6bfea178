//! The sketch against sorted values.

use flowgate_sdk::Accumulator;
use flowgate_sdk::testing::{AggregateResult, aggregate};
use proptest::prelude::*;

use crate::quantile::{Quantile, Value};
use crate::sketch::Sketch;
use flowgate_sketch::RELATIVE_ERROR;

fn run(q: f64, parts: &[Vec<f64>]) -> AggregateResult {
    let parts = parts.iter().map(|part| part.iter().map(|value| Value { value: Some(*value) }));
    aggregate::<Quantile, Value>(&format!("{{\"q\": {q}}}"), parts).unwrap()
}

fn sketch(values: &[f64]) -> Sketch {
    let mut sketch = Sketch::default();
    values.iter().for_each(|value| sketch.0.add(*value));
    sketch
}

#[test]
fn the_95th_percentile_of_a_thousand() {
    let values: Vec<f64> = (1..=1000).map(f64::from).collect();
    let found = run(0.95, &[values[..300].to_vec(), values[300..].to_vec()]).value::<Option<f64>>().unwrap();
    assert!((found - 950.0).abs() <= 950.0 * RELATIVE_ERROR, "{found}");
}

#[test]
fn no_values_no_quantile() {
    assert_eq!(run(0.5, &[vec![]]).value::<Option<f64>>(), None);
    let none = [[Value { value: None }]];
    assert_eq!(aggregate::<Quantile, _>(r#"{"q": 0.5}"#, none).unwrap().value::<Option<f64>>(), None);
}

#[test]
fn what_is_no_number_fails() {
    let out = run(0.5, &[vec![1.0, f64::NAN], vec![f64::INFINITY]]);
    assert_eq!(out.value::<Option<f64>>(), Some(1.0));
    assert_eq!(out.failures()[0], (1, "the value is NaN: a statistic takes finite numbers".to_string()));
    assert_eq!(out.failures()[1].0, 2);
}

#[test]
fn a_quantile_is_between_0_and_1() {
    let problems = aggregate::<Quantile, Value>(r#"{"q": 95}"#, [[]]).unwrap_err();
    assert_eq!(problems, ["`q` is 95, but a quantile is between 0 and 1: 0.95 for the 95th percentile"]);
    let problems = aggregate::<Quantile, Value>("{}", [[]]).unwrap_err();
    assert!(problems[0].contains("missing field `q`"), "{problems:?}");
}

#[test]
fn an_accumulator_never_outgrows_its_bound() {
    let mut widest = Sketch::default();
    for exponent in -30_700..30_700 {
        let magnitude = 10f64.powf(f64::from(exponent) / 100.0);
        widest.0.add(magnitude);
        widest.0.add(-magnitude);
    }
    // Counts of nine bytes each.
    for _ in 0..56 {
        widest.0.merge(&widest.0.clone());
    }
    let mut bytes = Vec::new();
    widest.encode(&mut bytes);
    assert!(bytes.len() <= 64 << 10, "{} bytes", bytes.len());
    assert_eq!(Sketch::decode(&bytes), Some(widest));
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    let value =
        prop_oneof![Just(0.0), -1e3..1e3, (1e-6f64..1e6), (-9f64..6.0).prop_map(|exponent| 10f64.powf(exponent))];
    prop::collection::vec(value, 0..60)
}

proptest! {
    #[test]
    fn off_by_one_percent_at_most(values in values(), q in 0.0..=1.0) {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        match sketch(&values).0.quantile(q) {
            None => prop_assert!(sorted.is_empty()),
            Some(found) => {
                let exact = sorted[(q * (sorted.len() - 1) as f64) as usize];
                prop_assert!((found - exact).abs() <= exact.abs() * RELATIVE_ERROR * 1.000_001, "{} for {}", found, exact);
            }
        }
    }

    /// Goal: however the rows are spread, the accumulator is the same, byte for byte.
    #[test]
    fn merging_is_exact(parts in prop::collection::vec(values(), 1..5), order in any::<prop::sample::Index>()) {
        let whole = sketch(&parts.concat());
        let mut merged = Sketch::default();
        let start = order.index(parts.len());
        for part in parts[start..].iter().chain(&parts[..start]) {
            merged.0.merge(&sketch(part).0);
        }
        let (mut left, mut right) = (Vec::new(), Vec::new());
        whole.encode(&mut left);
        merged.encode(&mut right);
        prop_assert_eq!(left, right);
    }

    #[test]
    fn foreign_bytes_are_none_or_a_sketch(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Sketch::decode(&[&[1], &bytes[..]].concat());
    }
}
