//! A quantile sketch with a relative error bound: DDSketch.
//!
//! Charles Masson, Jee E. Rim, Homin K. Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
//! Guarantees", PVLDB 12(12), 2019, <https://arxiv.org/abs/1908.10693>.
//!
//! A magnitude `x` is counted in bin `ceil(log_gamma(x))`, gamma = (1 + a) / (1 - a), so that the middle of a bin has
//! a relative error of at most `a`.

use crate::bins::Bins;

/// The relative error `a` of a result, at most.
pub const RELATIVE_ERROR: f64 = 0.01;
const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);
/// The version of the encoding.
const VERSION: u8 = 1;

/// The distribution of the values of one group.
///
/// Bytes: a version (1), the smallest and the largest value (8 each, little-endian), the number of zeros (varint), the bins
/// of positive values, those of negative values. At most 2 x 2,048 bins of at most 13 bytes: under 54 KiB.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    smallest: f64,
    largest: f64,
    zeros: u64,
    positive: Bins,
    negative: Bins,
}

impl Default for Quantiles {
    fn default() -> Self {
        Quantiles {
            smallest: f64::INFINITY,
            largest: f64::NEG_INFINITY,
            zeros: 0,
            positive: Bins::default(),
            negative: Bins::default(),
        }
    }
}

impl Quantiles {
    /// Counts a finite value.
    pub fn add(&mut self, value: f64) {
        self.smallest = self.smallest.min(value);
        self.largest = self.largest.max(value);
        let magnitude = value.abs();
        if magnitude < f64::MIN_POSITIVE {
            self.zeros += 1;
        } else if value > 0.0 {
            self.positive.add(bin(magnitude), 1);
        } else {
            self.negative.add(bin(magnitude), 1);
        }
    }

    /// Memory in bytes besides its own.
    pub fn bytes(&self) -> usize {
        self.positive.bytes() + self.negative.bytes()
    }

    /// Adds the counts of another sketch.
    pub fn merge(&mut self, other: &Quantiles) {
        self.smallest = self.smallest.min(other.smallest);
        self.largest = self.largest.max(other.largest);
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.positive.merge(&other.positive);
        self.negative.merge(&other.negative);
    }

    /// Returns the value of rank `floor(q * (count - 1))`, counted from 0; `None` if there are no values.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.negative.total().saturating_add(self.zeros).saturating_add(self.positive.total());
        let last = count.checked_sub(1)?;
        let rank = (q * last as f64) as u64;
        if rank == 0 {
            return Some(self.smallest);
        }
        if rank >= last {
            return Some(self.largest);
        }
        let negative = self.negative.iter().rev().map(|(bin, count)| (-middle(bin), count));
        let zeros = std::iter::once((0.0, self.zeros));
        let positive = self.positive.iter().map(|(bin, count)| (middle(bin), count));
        let mut below = 0;
        for (value, count) in negative.chain(zeros).chain(positive) {
            below = u64::saturating_add(below, count);
            if below > rank {
                return Some(value.clamp(self.smallest, self.largest));
            }
        }
        Some(self.largest)
    }
}

fn bin(magnitude: f64) -> i32 {
    (magnitude.ln() / GAMMA.ln()).ceil() as i32
}

/// Returns the value whose relative error to both ends of the bin is the same.
fn middle(bin: i32) -> f64 {
    (f64::from(bin) * GAMMA.ln()).exp() * (2.0 / (GAMMA + 1.0))
}

impl Quantiles {
    /// Appends the bytes that [`Quantiles`] describes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.smallest.to_le_bytes());
        bytes.extend_from_slice(&self.largest.to_le_bytes());
        crate::varint::write(self.zeros, bytes);
        self.positive.encode(bytes);
        self.negative.encode(bytes);
    }

    /// Decodes what [`Quantiles::encode`] wrote; returns `None` for other bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (VERSION, bytes) = bytes.split_first().map(|(version, rest)| (*version, rest))? else { return None };
        let (smallest, bytes) = bytes.split_first_chunk::<8>()?;
        let (largest, mut bytes) = bytes.split_first_chunk::<8>()?;
        let sketch = Quantiles {
            smallest: f64::from_le_bytes(*smallest),
            largest: f64::from_le_bytes(*largest),
            zeros: crate::varint::read(&mut bytes)?,
            positive: Bins::decode(&mut bytes)?,
            negative: Bins::decode(&mut bytes)?,
        };
        bytes.is_empty().then_some(sketch)
    }
}
