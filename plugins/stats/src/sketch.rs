//! The quantile sketch as an accumulator.

use flowgate_sdk::Accumulator;
use flowgate_sketch::Quantiles;

/// The distribution of the values of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sketch(pub(crate) Quantiles);

impl Accumulator for Sketch {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.0.encode(bytes);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Quantiles::decode(bytes).map(Sketch)
    }
}
