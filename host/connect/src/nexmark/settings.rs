//! What a job file says about the `nexmark` source.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source;
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::source::{ConfiguredSource, Reads};
use crate::touches::Touches;

/// One table of the Nexmark benchmark's auction house: made events, the same ones for the same settings, or events read
/// from a file.
///
/// Of 50 events, 1 is a person, 3 are auctions and 46 are bids; the first is at 2026-01-01T00:00:00Z, and 10,000 come in a
/// second of event time. Sources of different tables with the same settings are parts of one sequence of events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nexmark {
    /// Which table: person, auction or bid.
    pub table: NexmarkTable,
    /// How many events, over all three tables; without it, no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Events a second, over all three tables and all workers; without it, as fast as they are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Reads the events from files instead: a path, or a glob, relative to the job file, of JSON lines, as `{"Bid":{...}}` or
    /// `{"event_type":2,"bid":{...}}`. Rows of other tables are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether all rows are held in memory before the job starts, so that they come at the speed of memory; for
    /// benchmarks. Default: false.
    #[serde(default)]
    pub preload: bool,
    /// Maximum rows in a batch. Default: the table's rows of 8,900 events, of which 8,188 are bids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<u32>,
}

/// A table of the Nexmark benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NexmarkTable {
    /// id, name, email_address, credit_card, city, state, date_time, extra.
    Person,
    /// id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra.
    Auction,
    /// auction, bidder, price, channel, url, date_time, extra.
    Bid,
}

impl NexmarkTable {
    /// Returns the name in a job file.
    pub fn name(self) -> &'static str {
        match self {
            NexmarkTable::Person => "person",
            NexmarkTable::Auction => "auction",
            NexmarkTable::Bid => "bid",
        }
    }
}

impl Nexmark {
    /// Creates settings of generated events of a table, without end.
    pub fn table(table: NexmarkTable) -> Nexmark {
        Nexmark { table, events: None, rate: None, path: None, preload: false, batch_rows: None }
    }

    /// Ends after this number of events, counted over all three tables.
    pub fn events(self, events: u64) -> Nexmark {
        Nexmark { events: Some(events), ..self }
    }

    /// Holds all rows in memory before the job starts.
    pub fn preload(self) -> Nexmark {
        Nexmark { preload: true, ..self }
    }
}

impl ConnectorSettings for Nexmark {
    type Configured = ConfiguredSource;
    const NAME: &'static str = "nexmark";
    const SUMMARY: &'static str = "Events of the Nexmark benchmark.";
    const EXAMPLE: &'static str = "{ table: bid }";
    const GUARANTEE: Guarantee = Guarantee::ExactlyOnce;

    fn configure(self, base: &Path) -> Result<ConfiguredSource, Vec<Problem>> {
        let source = source(&self, base)?;
        let of = self.path.as_ref().map_or_else(String::new, |path| format!(" of {path}"));
        let description = format!("nexmark {}{of}", self.table.name());
        Ok(ConfiguredSource {
            source,
            description,
            guarantee: Self::GUARANTEE,
            touches: self.path.as_ref().map_or_else(Touches::nothing, |path| Touches::file_or_glob(base, path)),
            reads: self.path.map_or(Reads::Nothing, Reads::Files),
        })
    }
}
