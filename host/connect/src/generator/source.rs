//! The `generator` source: blocks of rows, distributed over its splits in turn.

use super::rows::Generator;
use crate::blocks::{BlockSource, Blocks};
use crate::problem::Problem;
use crate::settings as spec;
use crate::source::SourceRows;
use flowgate_base::schema::SchemaRef;

/// Makes rows, as fast as they are read or at a rate.
pub(crate) type GeneratorSource = BlockSource<Generator>;

impl GeneratorSource {
    /// Creates the source of a spec; the error lists all problems.
    pub(crate) fn of_spec(spec: &spec::Generator) -> Result<Self, Vec<Problem>> {
        Ok(BlockSource::new(Generator::new(spec)?, spec.rate))
    }
}

impl Blocks for Generator {
    const NAME: &'static str = "generator";
    const UNIT: &'static str = "rows";

    fn schema(&self) -> SchemaRef {
        self.schema()
    }

    fn block_size(&self) -> u64 {
        self.block_rows()
    }

    fn blocks(&self) -> Option<u64> {
        self.blocks()
    }

    fn fill(&self, block: u64) -> Option<SourceRows> {
        self.fill(block)
    }
}
