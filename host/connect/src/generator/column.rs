//! The kinds of generated columns.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use super::words::{CELL, Vocabulary};
use crate::settings::GeneratorColumn;
use crate::{instant, limits};
use flowgate_base::clock;
use flowgate_base::schema::DataType;

/// Makes the values of one column.
#[derive(Debug)]
pub(super) struct ColumnMaker {
    kind: Kind,
    random: Random,
}

#[derive(Debug)]
enum Kind {
    Sequence {
        start: i64,
        step: i64,
    },
    /// `span` is the number of values, 0 for all 2^64.
    Int {
        min: i64,
        span: u64,
    },
    Float {
        min: f64,
        max: f64,
    },
    Choice(Vec<String>),
    Words {
        count: u64,
        vocabulary: Vocabulary,
    },
    Time {
        start_us: i64,
        step_us: u64,
        jitter_us: u64,
    },
    Now,
}

/// Random numbers by position: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014), whose
/// n-th number does not need those before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Random {
    key: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    fn new(seed: u64, column: u64) -> Self {
        Random { key: mix(mix(seed.wrapping_add(GOLDEN)).wrapping_add(column)) }
    }

    #[inline]
    pub(super) fn at(self, n: u64) -> u64 {
        mix(self.key.wrapping_add(n.wrapping_mul(GOLDEN)))
    }
}

/// Maps a random number evenly to `0..span` (to all numbers where `span` is 0), except for a bias below span / 2^64.
#[inline]
fn below(random: u64, span: u64) -> u64 {
    if span == 0 { random } else { ((u128::from(random) * u128::from(span)) >> 64) as u64 }
}

impl ColumnMaker {
    /// Creates the maker for the column at `position` among its generator's; the error says what is wrong with its spec.
    pub(super) fn new(spec: &GeneratorColumn, seed: u64, position: u64) -> Result<Self, String> {
        let kinds: Vec<Result<Kind, String>> = [
            spec.sequence.as_ref().map(|s| Ok(Kind::Sequence { start: s.start, step: s.step })),
            spec.int.as_ref().map(|r| match r.min <= r.max {
                true => Ok(Kind::Int { min: r.min, span: (r.max.wrapping_sub(r.min) as u64).wrapping_add(1) }),
                false => Err(format!("`min` {} is greater than `max` {}", r.min, r.max)),
            }),
            spec.float.as_ref().map(|r| match r.min < r.max && (r.max - r.min).is_finite() {
                true => Ok(Kind::Float { min: r.min, max: r.max }),
                false => Err(format!("`min` {} is not less than `max` {}, or they are too far apart", r.min, r.max)),
            }),
            spec.choice.as_ref().map(|values| match values.iter().map(String::len).max() {
                None => Err("`choice` has no values".into()),
                Some(longest) if longest > limits::GENERATED_CHOICE_BYTES_MAX => {
                    Err(format!("a value of `choice` is longer than {} bytes", limits::GENERATED_CHOICE_BYTES_MAX))
                }
                Some(_) => Ok(Kind::Choice(values.clone())),
            }),
            spec.words.map(|count| match (1..=limits::GENERATED_WORDS_MAX).contains(&count) {
                true => Ok(Kind::Words { count: count.into(), vocabulary: Vocabulary::new() }),
                false => Err(format!("`words` is {count}; it must be between 1 and {}", limits::GENERATED_WORDS_MAX)),
            }),
            spec.time.as_ref().map(|time| {
                let start_ms = instant::parse_rfc3339(&time.start)?;
                let jitter_ms = u64::try_from(time.jitter.map_or(0, |j| j.0)).unwrap_or(0);
                let jitter_us = jitter_ms.saturating_mul(1_000).min(i64::MAX as u64);
                Ok(Kind::Time { start_us: start_ms.saturating_mul(1_000), step_us: time.step_us, jitter_us })
            }),
            spec.now.as_ref().map(|_| Ok(Kind::Now)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let found = kinds.len();
        match kinds.into_iter().next() {
            Some(kind) if found == 1 => Ok(ColumnMaker { kind: kind?, random: Random::new(seed, position) }),
            _ => Err(format!("{found} kinds are given; give one of sequence, int, float, choice, words, time and now")),
        }
    }

    /// Returns what is wrong with `rows` rows: the last of them is beyond the column's type.
    pub(super) fn beyond(&self, rows: u64) -> Option<String> {
        let last = i128::from(rows.saturating_sub(1));
        match self.kind {
            Kind::Sequence { start, step } => {
                let value = last.saturating_mul(step.into()).saturating_add(start.into());
                let fits = i64::try_from(value).is_ok();
                (!fits).then(|| format!("`sequence` comes to {value} in {rows} rows, which int64 cannot hold"))
            }
            Kind::Time { start_us, step_us, .. } => {
                let ms = last.saturating_mul(step_us.into()).saturating_add(start_us.into()) / 1_000;
                (ms > instant::LAST_MS.into())
                    .then(|| format!("`time` comes to the end of the year 9999 before {rows} rows"))
            }
            _ => None,
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        match self.kind {
            Kind::Sequence { .. } | Kind::Int { .. } => DataType::Int64,
            Kind::Float { .. } => DataType::Float64,
            Kind::Choice(_) | Kind::Words { .. } => DataType::Text,
            Kind::Time { .. } | Kind::Now => DataType::Timestamp,
        }
    }

    /// Returns the maximum bytes of the text of one row; 0 for other types.
    pub(super) fn text_bytes_max(&self) -> u64 {
        match &self.kind {
            Kind::Choice(values) => values.iter().map(|v| v.len() as u64).max().unwrap_or(0),
            Kind::Words { count, .. } => count * CELL as u64,
            _ => 0,
        }
    }

    /// Returns the values of these rows.
    pub(super) fn make(&self, rows: Range<u64>) -> ArrayRef {
        let random = self.random;
        match &self.kind {
            // Casts between u64 and i64 here keep the bits: sequences without an end wrap around.
            Kind::Sequence { start, step } => {
                integers(rows.map(|r| start.wrapping_add((r as i64).wrapping_mul(*step))).collect())
            }
            Kind::Int { min, span } => {
                integers(rows.map(|r| min.wrapping_add(below(random.at(r), *span) as i64)).collect())
            }
            Kind::Float { min, max } => {
                let value = |r| {
                    let unit = (random.at(r) >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
                    // Rounding may reach the bound.
                    (min + unit * (max - min)).min(max.next_down())
                };
                let values: Vec<f64> = rows.map(value).collect();
                Arc::new(PrimitiveArray::<Float64Type>::new(ScalarBuffer::from(values), None))
            }
            Kind::Choice(values) => {
                let span = values.len() as u64;
                let chosen = |r| &values[below(random.at(r), span) as usize];
                Arc::new(StringArray::from_iter_values(rows.map(chosen)))
            }
            Kind::Words { count, vocabulary } => {
                let (data, offsets) = vocabulary.write(random, rows, *count);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(StringArray::new(offsets, Buffer::from_vec(data), None))
            }
            Kind::Time { start_us, step_us, jitter_us } => {
                let value = |r: u64| {
                    let even = start_us.wrapping_add(r.wrapping_mul(*step_us) as i64);
                    let late = if *jitter_us == 0 { 0 } else { below(random.at(r), jitter_us + 1) as i64 };
                    even.wrapping_sub(late).div_euclid(1_000)
                };
                timestamps(rows.map(value).collect())
            }
            Kind::Now => timestamps(vec![clock::now_ms(); (rows.end - rows.start) as usize]),
        }
    }
}

fn integers(values: Vec<i64>) -> ArrayRef {
    Arc::new(PrimitiveArray::<Int64Type>::new(ScalarBuffer::from(values), None))
}

fn timestamps(values: Vec<i64>) -> ArrayRef {
    Arc::new(PrimitiveArray::<TimestampMillisecondType>::new(ScalarBuffer::from(values), None))
}
