//! What has been added up for each group of a pane, column-wise: one vector per aggregate, one entry per group.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, TimestampMillisecondArray};
use arrow_buffer::NullBuffer;

use crate::error::{Error, Result};
use crate::schema::DataType;

/// The host's own aggregates over one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// Rows, or rows with a value.
    Count,
    /// Sum of int64 values; an overflow is an error.
    SumInt,
    /// Sum of float64 values, in the order in which they came.
    SumFloat,
    /// Mean of int64 values: an exact sum, divided once.
    AvgInt,
    /// Mean of float64 values.
    AvgFloat,
    /// The least or the greatest value. NaN counts as greater than every number; -0 as less than 0.
    Extreme {
        /// Of which type.
        of: Ordered,
        /// The greatest instead of the least.
        greatest: bool,
    },
}

/// Types that have an order here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    /// int64.
    Int,
    /// timestamp.
    Time,
    /// float64.
    Float,
    /// boolean; false before true.
    Boolean,
    /// text, by bytes.
    Text,
}

impl Ordered {
    /// The order of a data type, if it has one.
    pub fn of(data_type: DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int64 => Ordered::Int,
            DataType::Timestamp => Ordered::Time,
            DataType::Float64 => Ordered::Float,
            DataType::Boolean => Ordered::Boolean,
            DataType::Text => Ordered::Text,
            DataType::Bytes | DataType::Json => return None,
        })
    }
}

/// The accumulators of one aggregate.
#[derive(Debug)]
pub enum Accumulators {
    /// Rows counted.
    Counts(Vec<i64>),
    /// Sums, and whether there was a value.
    Ints(Vec<i64>, Vec<bool>),
    /// Sums, and whether there was a value.
    Floats(Vec<f64>, Vec<bool>),
    /// Exact sums and counts.
    Means(Vec<(i128, i64)>),
    /// Sums and counts.
    FloatMeans(Vec<(f64, i64)>),
    /// Extremes of 8-byte values and booleans as integers in their order.
    Extremes(Vec<i64>, Vec<bool>),
    /// Extremes of texts.
    Texts(Vec<Option<Box<str>>>),
    /// A plugin's, as it encodes them; empty for a group without rows.
    Plugin(Vec<Vec<u8>>),
}

/// f64 to an integer of the same order: the order of IEEE 754's totalOrder.
fn float_order(value: f64) -> i64 {
    let value = if value.is_nan() { f64::NAN } else { value };
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn order_float(order: i64) -> f64 {
    f64::from_bits((order ^ (((order >> 63) as u64) >> 1) as i64) as u64)
}

impl Native {
    /// Accumulators of no group.
    pub fn accumulators(self) -> Accumulators {
        match self {
            Native::Count => Accumulators::Counts(Vec::new()),
            Native::SumInt => Accumulators::Ints(Vec::new(), Vec::new()),
            Native::SumFloat => Accumulators::Floats(Vec::new(), Vec::new()),
            Native::AvgInt => Accumulators::Means(Vec::new()),
            Native::AvgFloat => Accumulators::FloatMeans(Vec::new()),
            Native::Extreme { of: Ordered::Text, .. } => Accumulators::Texts(Vec::new()),
            Native::Extreme { .. } => Accumulators::Extremes(Vec::new(), Vec::new()),
        }
    }

    /// Adds rows: row `i` belongs to group `groups[i]`, of `group_count`.
    pub fn update(
        self,
        accumulators: &mut Accumulators,
        group_count: usize,
        groups: &[u32],
        values: Option<&ArrayRef>,
    ) -> Result<()> {
        accumulators.grow(group_count);
        let Some(values) = values else {
            if let (Native::Count, Accumulators::Counts(counts)) = (self, accumulators) {
                for group in groups {
                    counts[*group as usize] += 1;
                }
                return Ok(());
            }
            return Err(Error::internal("an aggregate without its column"));
        };
        let nulls = values.nulls().filter(|n| n.null_count() > 0);
        match (self, accumulators) {
            (Native::Count, Accumulators::Counts(counts)) => {
                each(groups, nulls, |_, group| counts[group] += 1);
            }
            (Native::SumInt, Accumulators::Ints(sums, seen)) => {
                let values = values.as_primitive::<Int64Type>().values();
                let mut overflow = false;
                each(groups, nulls, |row, group| {
                    let (sum, over) = sums[group].overflowing_add(values[row]);
                    sums[group] = sum;
                    seen[group] = true;
                    overflow |= over;
                });
                if overflow {
                    return Err(Error::user("a sum of int64 values overflows"));
                }
            }
            (Native::SumFloat, Accumulators::Floats(sums, seen)) => {
                let values = values.as_primitive::<Float64Type>().values();
                each(groups, nulls, |row, group| {
                    sums[group] += values[row];
                    seen[group] = true;
                });
            }
            (Native::AvgInt, Accumulators::Means(means)) => {
                let values = values.as_primitive::<Int64Type>().values();
                each(groups, nulls, |row, group| {
                    means[group].0 += i128::from(values[row]);
                    means[group].1 += 1;
                });
            }
            (Native::AvgFloat, Accumulators::FloatMeans(means)) => {
                let values = values.as_primitive::<Float64Type>().values();
                each(groups, nulls, |row, group| {
                    means[group].0 += values[row];
                    means[group].1 += 1;
                });
            }
            (Native::Extreme { of, greatest }, Accumulators::Extremes(extremes, seen)) => {
                let mut take = |value: i64, group: usize| {
                    let better = if greatest { value > extremes[group] } else { value < extremes[group] };
                    if better || !seen[group] {
                        extremes[group] = value;
                        seen[group] = true;
                    }
                };
                match of {
                    Ordered::Int => {
                        let values = values.as_primitive::<Int64Type>().values();
                        each(groups, nulls, |row, group| take(values[row], group));
                    }
                    Ordered::Time => {
                        let values = values.as_primitive::<TimestampMillisecondType>().values();
                        each(groups, nulls, |row, group| take(values[row], group));
                    }
                    Ordered::Float => {
                        let values = values.as_primitive::<Float64Type>().values();
                        each(groups, nulls, |row, group| take(float_order(values[row]), group));
                    }
                    Ordered::Boolean => {
                        let values = values.as_boolean().values();
                        each(groups, nulls, |row, group| take(values.value(row).into(), group));
                    }
                    Ordered::Text => return Err(Error::internal("texts have accumulators of their own")),
                }
            }
            (Native::Extreme { greatest, .. }, Accumulators::Texts(texts)) => {
                let values = values.as_string::<i32>();
                each(groups, nulls, |row, group| take_text(&mut texts[group], values.value(row), greatest));
            }
            _ => return Err(Error::internal("accumulators of another aggregate")),
        }
        Ok(())
    }

    /// Adds the accumulators of another pane: its group `i` is our group `groups[i]`, where there is one.
    pub fn merge(
        self,
        into: &mut Accumulators,
        group_count: usize,
        from: &Accumulators,
        groups: &[Option<u32>],
    ) -> Result<()> {
        into.grow(group_count);
        let pairs = groups.iter().enumerate().filter_map(|(theirs, ours)| ours.map(|o| (theirs, o as usize)));
        match (self, into, from) {
            (_, Accumulators::Counts(ours), Accumulators::Counts(theirs)) => {
                pairs.for_each(|(t, o)| ours[o] += theirs[t])
            }
            (_, Accumulators::Ints(ours, seen), Accumulators::Ints(theirs, also)) => {
                for (t, o) in pairs {
                    ours[o] =
                        ours[o].checked_add(theirs[t]).ok_or_else(|| Error::user("a sum of int64 values overflows"))?;
                    seen[o] |= also[t];
                }
            }
            (_, Accumulators::Floats(ours, seen), Accumulators::Floats(theirs, also)) => pairs.for_each(|(t, o)| {
                ours[o] += theirs[t];
                seen[o] |= also[t];
            }),
            (_, Accumulators::Means(ours), Accumulators::Means(theirs)) => pairs.for_each(|(t, o)| {
                ours[o].0 += theirs[t].0;
                ours[o].1 += theirs[t].1;
            }),
            (_, Accumulators::FloatMeans(ours), Accumulators::FloatMeans(theirs)) => pairs.for_each(|(t, o)| {
                ours[o].0 += theirs[t].0;
                ours[o].1 += theirs[t].1;
            }),
            (
                Native::Extreme { greatest, .. },
                Accumulators::Extremes(ours, seen),
                Accumulators::Extremes(theirs, also),
            ) => {
                for (t, o) in pairs.filter(|(t, _)| also[*t]) {
                    let better = if greatest { theirs[t] > ours[o] } else { theirs[t] < ours[o] };
                    if better || !seen[o] {
                        ours[o] = theirs[t];
                        seen[o] = true;
                    }
                }
            }
            (Native::Extreme { greatest, .. }, Accumulators::Texts(ours), Accumulators::Texts(theirs)) => {
                for (t, o) in pairs {
                    if let Some(text) = &theirs[t] {
                        take_text(&mut ours[o], text, greatest);
                    }
                }
            }
            _ => return Err(Error::internal("accumulators of another aggregate")),
        }
        Ok(())
    }

    /// The result of each group.
    pub fn finish(self, accumulators: &Accumulators) -> Result<ArrayRef> {
        Ok(match (self, accumulators) {
            (_, Accumulators::Counts(counts)) => Arc::new(Int64Array::from(counts.clone())),
            (_, Accumulators::Ints(sums, seen)) => Arc::new(Int64Array::new(sums.clone().into(), nulls(seen))),
            (_, Accumulators::Floats(sums, seen)) => Arc::new(Float64Array::new(sums.clone().into(), nulls(seen))),
            (_, Accumulators::Means(means)) => Arc::new(Float64Array::from_iter(
                means.iter().map(|(sum, n)| (*n > 0).then(|| *sum as f64 / *n as f64)),
            )),
            (_, Accumulators::FloatMeans(means)) => {
                Arc::new(Float64Array::from_iter(means.iter().map(|(sum, n)| (*n > 0).then(|| sum / *n as f64))))
            }
            (Native::Extreme { of, .. }, Accumulators::Extremes(values, seen)) => match of {
                Ordered::Time => Arc::new(TimestampMillisecondArray::new(values.clone().into(), nulls(seen))),
                Ordered::Float => {
                    let values: Vec<f64> = values.iter().map(|v| order_float(*v)).collect();
                    Arc::new(Float64Array::new(values.into(), nulls(seen)))
                }
                Ordered::Boolean => Arc::new(BooleanArray::new(values.iter().map(|v| *v != 0).collect(), nulls(seen))),
                Ordered::Int | Ordered::Text => Arc::new(Int64Array::new(values.clone().into(), nulls(seen))),
            },
            (_, Accumulators::Texts(texts)) => {
                let mut builder = StringBuilder::new();
                texts.iter().for_each(|t| builder.append_option(t.as_deref()));
                Arc::new(builder.finish())
            }
            _ => return Err(Error::internal("accumulators of another aggregate")),
        })
    }
}

impl Accumulators {
    /// Makes room for this many groups.
    pub fn grow(&mut self, group_count: usize) {
        match self {
            Accumulators::Counts(counts) => counts.resize(group_count, 0),
            Accumulators::Ints(sums, seen) => {
                sums.resize(group_count, 0);
                seen.resize(group_count, false);
            }
            Accumulators::Floats(sums, seen) => {
                sums.resize(group_count, 0.0);
                seen.resize(group_count, false);
            }
            Accumulators::Means(means) => means.resize(group_count, (0, 0)),
            Accumulators::FloatMeans(means) => means.resize(group_count, (0.0, 0)),
            Accumulators::Extremes(values, seen) => {
                values.resize(group_count, 0);
                seen.resize(group_count, false);
            }
            Accumulators::Texts(texts) => texts.resize(group_count, None),
            Accumulators::Plugin(bytes) => bytes.resize(group_count, Vec::new()),
        }
    }
}

/// Calls with each row that has a value, and its group.
#[inline]
fn each(groups: &[u32], nulls: Option<&NullBuffer>, mut call: impl FnMut(usize, usize)) {
    match nulls {
        None => groups.iter().enumerate().for_each(|(row, group)| call(row, *group as usize)),
        Some(nulls) => nulls.valid_indices().for_each(|row| call(row, groups[row] as usize)),
    }
}

fn take_text(slot: &mut Option<Box<str>>, text: &str, greatest: bool) {
    let better = slot.as_deref().is_none_or(|old| if greatest { text > old } else { text < old });
    if better {
        *slot = Some(text.into());
    }
}

fn nulls(seen: &[bool]) -> Option<NullBuffer> {
    if seen.iter().all(|s| *s) { None } else { Some(NullBuffer::from(seen)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Goal: all at once, or in parts that are merged, is the same; nulls do not count. Against plain iterators.
        #[test]
        fn merged_parts_equal_the_whole(rows in prop::collection::vec((0u32..3, prop::option::of(-1000i64..1000)), 0..60), cut in 0usize..60) {
            let cut = cut.min(rows.len());
            let natives = [
                Native::Count,
                Native::SumInt,
                Native::AvgInt,
                Native::Extreme { of: Ordered::Int, greatest: false },
                Native::Extreme { of: Ordered::Int, greatest: true },
            ];
            for native in natives {
                let part = |rows: &[(u32, Option<i64>)]| {
                    let mut acc = native.accumulators();
                    let groups: Vec<u32> = rows.iter().map(|r| r.0).collect();
                    let values: ArrayRef = Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>());
                    native.update(&mut acc, 3, &groups, Some(&values)).unwrap();
                    acc
                };
                let mut merged = part(&rows[..cut]);
                native.merge(&mut merged, 3, &part(&rows[cut..]), &[Some(0), Some(1), Some(2)]).unwrap();
                let merged = native.finish(&merged).unwrap();
                prop_assert_eq!(&merged, &native.finish(&part(&rows)).unwrap());
                for group in 0..3usize {
                    let mine: Vec<i64> = rows.iter().filter(|r| r.0 as usize == group).filter_map(|r| r.1).collect();
                    let want = match native {
                        Native::Count => Some(mine.len() as f64),
                        Native::SumInt => (!mine.is_empty()).then(|| mine.iter().sum::<i64>() as f64),
                        Native::AvgInt => (!mine.is_empty()).then(|| mine.iter().sum::<i64>() as f64 / mine.len() as f64),
                        Native::Extreme { greatest: true, .. } => mine.iter().max().map(|m| *m as f64),
                        _ => mine.iter().min().map(|m| *m as f64),
                    };
                    let got = merged.is_valid(group).then(|| match merged.data_type() {
                        arrow_schema::DataType::Float64 => merged.as_primitive::<Float64Type>().value(group),
                        _ => merged.as_primitive::<Int64Type>().value(group) as f64,
                    });
                    prop_assert_eq!(got, want, "{:?} of group {}", native, group);
                }
            }
        }
    }

    #[test]
    fn floats_are_ordered_with_nan_last() {
        let sorted = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1e-300, 2.0, f64::INFINITY];
        assert!(sorted.map(float_order).is_sorted_by(|a, b| a < b));
        assert!(sorted.iter().all(|f| order_float(float_order(*f)).to_bits() == f.to_bits()));
        assert!(float_order(-f64::NAN) > float_order(f64::INFINITY), "every NaN is one NaN");
    }

    #[test]
    fn a_sum_that_overflows_is_an_error_of_the_job() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 1]));
        let mut acc = Native::SumInt.accumulators();
        let error = Native::SumInt.update(&mut acc, 1, &[0, 0], Some(&values)).unwrap_err();
        assert_eq!(error, Error::user("a sum of int64 values overflows"));
    }
}
