//! Sums and means whose results fit are right, even if a sum on the way does not fit.

use arrow_array::{Array, Float64Array};
use proptest::prelude::*;

use super::super::accumulate::Times;
use super::super::mean::{FloatMeans, IntMeans};
use super::*;

fn update(into: &mut dyn Accumulate, values: ArrayRef) {
    let groups = vec![0; values.len()];
    into.grow(1);
    into.update(&InputRows { groups: &groups, columns: &[values], counted: None, times: Times::One(0) }).unwrap();
}

/// Sums values in parts, and merges each part in the way that its number selects.
fn in_parts<A: ArrayRefOf>(empty: &dyn Accumulate, parts: &[(u8, Vec<A>)]) -> Box<dyn Accumulate> {
    let mut all = empty.fresh();
    all.grow(1);
    for (way, values) in parts {
        let mut part = empty.fresh();
        update(&mut *part, A::column(values));
        let other: &dyn Accumulate = &*part;
        match way % 4 {
            0 => all.merge(other, &[(0, 0)]).unwrap(),
            1 => all.merge_columns(&[0], &part.columns(&[0])).unwrap(),
            2 => {
                let mut bytes = Vec::new();
                part.encode(0, &mut bytes);
                all.merge_encoded(0, &mut &bytes[..]).unwrap();
            }
            // Updated directly; then merged and retracted, if the aggregate is invertible.
            _ => {
                update(&mut *all, A::column(values));
                if all.is_invertible() {
                    all.merge(other, &[(0, 0)]).unwrap();
                    all.retract(other, &[(0, 0)]).unwrap();
                }
            }
        }
    }
    all
}

trait ArrayRefOf: Sized {
    fn column(values: &[Self]) -> ArrayRef;
}

impl ArrayRefOf for i64 {
    fn column(values: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(values.to_vec()))
    }
}

impl ArrayRefOf for f64 {
    fn column(values: &[f64]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }
}

fn int() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), prop::sample::select(vec![i64::MIN, i64::MAX, 0, 1, -1])]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![prop::sample::select(vec![f64::MAX, f64::MIN, 1e308, -1e308, 1.0, 0.0]), prop::num::f64::NORMAL,]
}

proptest! {
    /// Goal: a sum of integers is exact, and an error exactly if it does not fit. Method: against 128 bits, in parts that are merged
    /// in every way.
    #[test]
    fn integers_are_summed_exactly(parts in prop::collection::vec((any::<u8>(), prop::collection::vec(int(), 0..6)), 0..6)) {
        let sum: i128 = parts.iter().flat_map(|(_, values)| values).map(|v| i128::from(*v)).sum();
        let count: usize = parts.iter().map(|(_, values)| values.len()).sum();
        let got = in_parts(&Sums::<i64>::default(), &parts).finish(None);
        match i64::try_from(sum) {
            Ok(sum) => {
                let got = got.unwrap();
                let got = got.as_primitive::<Int64Type>();
                prop_assert_eq!((got.is_valid(0), got.value(0)), (count > 0, sum));
            }
            Err(_) => {
                let message = got.unwrap_err().to_string();
                prop_assert!(message.contains(&format!("is {sum}, which int64 cannot hold")), "{}", message);
            }
        }
        let mean = in_parts(&IntMeans::default(), &parts).finish(None).unwrap();
        let mean = mean.as_primitive::<Float64Type>();
        prop_assert_eq!(mean.is_valid(0), count > 0);
        if count > 0 {
            prop_assert_eq!(mean.value(0), sum as f64 / count as f64);
        }
    }

    /// Goal: sums of finite floats whose result fits are finite, and so is every mean. Method: against sums scaled down by 2^600.
    #[test]
    fn floats_do_not_overflow_on_the_way(parts in prop::collection::vec((any::<u8>(), prop::collection::vec(float(), 0..6)), 1..6)) {
        let values: Vec<f64> = parts.iter().flat_map(|(_, values)| values.iter().copied()).collect();
        prop_assume!(!values.is_empty());
        let scale = 2f64.powi(-600);
        let scaled: f64 = values.iter().map(|v| v * scale).sum();
        // The greatest difference that the order of the additions can make.
        let slack = values.iter().map(|v| (v * scale).abs()).sum::<f64>() * 1e-13;
        let sum = in_parts(&Sums::<f64>::default(), &parts).finish(None).unwrap();
        let sum = sum.as_primitive::<Float64Type>().value(0);
        if scaled.abs() + slack < f64::MAX * scale {
            prop_assert!((sum * scale - scaled).abs() <= slack, "{} and {}", sum * scale, scaled);
        } else if scaled.abs() - slack > f64::MAX * scale {
            prop_assert_eq!(sum, f64::INFINITY.copysign(scaled));
        }
        let mean = in_parts(&FloatMeans::default(), &parts).finish(None).unwrap();
        let mean = mean.as_primitive::<Float64Type>().value(0);
        let n = values.len() as f64;
        prop_assert!(mean.is_finite() && (mean * scale - scaled / n).abs() <= slack, "{} and {}", mean * scale, scaled / n);
    }
}

#[test]
fn infinities_and_nan_stay_what_they_are() {
    for (values, want) in [
        (vec![f64::INFINITY, 1e308, 1e308, 1e308], f64::INFINITY),
        (vec![1e308, 1e308, f64::NEG_INFINITY], f64::NEG_INFINITY),
        (vec![f64::INFINITY, f64::NEG_INFINITY], f64::NAN),
        (vec![f64::NAN, f64::MAX, f64::MAX], f64::NAN),
    ] {
        for empty in [Box::new(Sums::<f64>::default()) as Box<dyn Accumulate>, Box::new(FloatMeans::default())] {
            let got = in_parts(&*empty, &[(3, values.clone())]).finish(None).unwrap();
            let got = got.as_primitive::<Float64Type>().value(0);
            assert!(got == want || (got.is_nan() && want.is_nan()), "{values:?}: {got}");
        }
    }
}

#[test]
fn the_mean_of_the_greatest_floats_is_the_greatest() {
    for n in 1..200 {
        let means = in_parts(&FloatMeans::default(), &[(3, vec![f64::MAX; n]), (1, vec![f64::MAX; n])]);
        let mean = means.finish(None).unwrap().as_primitive::<Float64Type>().value(0);
        assert!(mean >= f64::MAX * (1.0 - 1e-13), "{n}: {mean}");
    }
}
