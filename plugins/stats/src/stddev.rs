//! The standard deviation.

use flowgate_sdk::{Aggregate, Failure};

use crate::quantile::{Value, not_finite};

/// The sample standard deviation of `value`; no value for a group of fewer than two values.
///
/// Rows without a value are not counted. NaN and the infinities are failures.
#[flowgate_sdk::aggregate]
#[derive(Debug)]
pub struct Stddev;

/// Count, mean, and the sum of squared distances from the mean: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm
/// for Computing Sample Variances", 1979. The naive sum of squares loses all digits where the mean is large.
type Moments = (u64, f64, f64);

impl Aggregate for Stddev {
    type Row<'a> = Value;
    type Accumulator = Moments;
    type Output = Option<f64>;

    fn update(&self, (count, mean, squares): &mut Moments, row: Value) -> Result<(), Failure> {
        let Some(value) = row.value else { return Ok(()) };
        if !value.is_finite() {
            return Err(not_finite(value));
        }
        *count += 1;
        let distance = value - *mean;
        *mean += distance / *count as f64;
        *squares += distance * (value - *mean);
        Ok(())
    }

    fn merge(&self, left: &mut Moments, right: Moments) {
        let count = left.0.saturating_add(right.0);
        if count == 0 {
            return;
        }
        let distance = right.1 - left.1;
        let share = right.0 as f64 / count as f64;
        *left = (count, left.1 + distance * share, left.2 + right.2 + distance * distance * left.0 as f64 * share);
    }

    fn finish(&self, (count, _, squares): Moments) -> Option<f64> {
        (count > 1).then(|| (squares / (count - 1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing::aggregate;
    use proptest::prelude::*;

    fn stddev(parts: &[Vec<f64>]) -> Option<f64> {
        let parts = parts.iter().map(|part| part.iter().map(|value| Value { value: Some(*value) }));
        aggregate::<Stddev, Value>("{}", parts).unwrap().value()
    }

    #[test]
    fn known_deviations() {
        assert_eq!(stddev(&[vec![]]), None);
        assert_eq!(stddev(&[vec![3.0]]), None);
        assert_eq!(stddev(&[vec![1e9 + 1.0, 1e9 + 2.0], vec![1e9 + 3.0]]), Some(1.0));
    }

    proptest! {
        #[test]
        fn as_in_two_passes(parts in prop::collection::vec(prop::collection::vec(-1e6..1e6, 0..20), 1..5)) {
            let values = parts.concat();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            match stddev(&parts) {
                None => prop_assert!(values.len() < 2),
                Some(found) => prop_assert!((found - (squares / (values.len() - 1) as f64).sqrt()).abs() < 1e-6),
            }
        }
    }
}
