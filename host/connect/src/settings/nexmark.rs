//! The `nexmark` source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Rows in a batch at the most. Default: the table's rows of 8,900 events, of which 8,188 are bids.
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
    /// The name in a job file.
    pub fn name(self) -> &'static str {
        match self {
            NexmarkTable::Person => "person",
            NexmarkTable::Auction => "auction",
            NexmarkTable::Bid => "bid",
        }
    }
}
