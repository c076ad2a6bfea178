//! An aggregate whose accumulator has several parts, some of which may be absent.

use flowgate_sdk::{Aggregate, Failure, Row};

#[derive(Row)]
pub(crate) struct Value {
    v: Option<i64>,
}

/// What is known of the values of a group.
#[derive(Debug, PartialEq, Row)]
pub(crate) struct Span {
    least: Option<i64>,
    most: Option<i64>,
    mean: Option<f64>,
    n: i64,
}

/// The least and the greatest value, the mean, and the number of values; negative ones fail.
#[flowgate_sdk::aggregate]
#[derive(Debug)]
pub(crate) struct Spread;

/// Number of values, least, greatest, sum. The least and the greatest mean nothing where there is no value.
type Parts = (u64, i64, i64, f64);

impl Aggregate for Spread {
    type Row<'a> = Value;
    type Accumulator = Parts;
    type Output = Span;

    fn update(&self, parts: &mut Parts, row: Value) -> Result<(), Failure> {
        match row.v {
            None => {}
            Some(v) if v < 0 => return Err(Failure::new(format!("{v} is negative"))),
            Some(v) => self.merge(parts, (1, v, v, v as f64)),
        }
        Ok(())
    }

    fn merge(&self, left: &mut Parts, right: Parts) {
        *left = match (left.0, right.0) {
            (_, 0) => *left,
            (0, _) => right,
            _ => (left.0 + right.0, left.1.min(right.1), left.2.max(right.2), left.3 + right.3),
        }
    }

    fn finish(&self, (n, least, most, sum): Parts) -> Span {
        let of = |value: i64| (n > 0).then_some(value);
        Span { least: of(least), most: of(most), mean: (n > 0).then(|| sum / n as f64), n: n as i64 }
    }
}
