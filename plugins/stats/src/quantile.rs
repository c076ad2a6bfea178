//! Quantiles.

use flowgate_sdk::{Aggregate, Failure, FromConfig, Row};

use crate::sketch::Sketch;

/// Settings of `quantile`.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct QuantileConfig {
    /// The quantile: 0.5 is the median, 0.95 the value that 95 % of the values do not exceed.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub q: f64,
}

/// The values.
#[derive(Debug, Clone, Row)]
pub struct Value {
    /// Finite; rows without a value are not counted.
    pub value: Option<f64>,
}

/// The quantile `q` of `value`, to within 1 % of itself; no value for a group without values.
///
/// Rows without a value are not counted. NaN and the infinities are failures. The smallest and the largest value are exact.
/// Merging is exact: however rows are spread over workers and windows, the result is the same.
#[flowgate_sdk::aggregate]
#[derive(Debug)]
pub struct Quantile {
    q: f64,
}

impl FromConfig for Quantile {
    type Config = QuantileConfig;

    fn from_config(config: QuantileConfig) -> Result<Self, Failure> {
        if !(0.0..=1.0).contains(&config.q) {
            return Err(Failure::new(format!(
                "`q` is {}, but a quantile is between 0 and 1: 0.95 for the 95th percentile",
                config.q
            )));
        }
        Ok(Quantile { q: config.q })
    }
}

impl Aggregate for Quantile {
    type Row<'a> = Value;
    type Accumulator = Sketch;
    type Output = Option<f64>;

    fn update(&self, sketch: &mut Sketch, row: Value) -> Result<(), Failure> {
        match row.value {
            Some(value) if value.is_finite() => sketch.0.add(value),
            Some(value) => return Err(not_finite(value)),
            None => {}
        }
        Ok(())
    }

    fn merge(&self, left: &mut Sketch, right: Sketch) {
        left.0.merge(&right.0);
    }

    fn finish(&self, sketch: Sketch) -> Option<f64> {
        sketch.0.quantile(self.q)
    }
}

#[cold]
pub(crate) fn not_finite(value: f64) -> Failure {
    Failure::new(format!("the value is {value}: a statistic takes finite numbers"))
}
