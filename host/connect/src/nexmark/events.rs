//! Generated events, as columns.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, PrimitiveArray};
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Event, EventType};

use super::texts::Texts;
use crate::blocks::Blocks;
use crate::decode::nexmark_schema;
use crate::limits;
use crate::settings::NexmarkTable;
use crate::source::{Origin, Positions, SourceRows};
use flowgate_base::schema::SchemaRef;

/// Event time of the first event: 2026-01-01T00:00:00Z.
const BASE_TIME_MS: u64 = 1_767_225_600_000;
/// Events after which the pattern of tables repeats: a person, then auctions, then bids.
const ROUND: u64 = 50;

/// Returns the table's first place in a round and its number of places.
fn places(table: NexmarkTable) -> (u64, u64) {
    match table {
        NexmarkTable::Person => (0, 1),
        NexmarkTable::Auction => (1, 3),
        NexmarkTable::Bid => (4, 46),
    }
}

/// Returns the rows of a table in a round: the minimum of `batch_rows`.
pub(super) fn round_rows(table: NexmarkTable) -> u32 {
    places(table).1 as u32
}

/// Generated events of one table. A block has the table's rows of some whole rounds of events, by default the same rounds for
/// every table, so that sources of different tables that take turns stay at about the same event time.
pub(super) struct Events {
    schema: SchemaRef,
    table: NexmarkTable,
    /// The number of events over all tables.
    events: Option<u64>,
    rounds: u64,
    generator: EventGenerator,
    name: Arc<str>,
}

impl Events {
    /// Creates events in blocks of at most `batch_rows` rows (at least [`round_rows`]; by default, the rounds in which the bids
    /// fill a batch), and of at most the events of 10 ms where there is a rate, but of at least one round.
    pub(super) fn new(table: NexmarkTable, events: Option<u64>, rate: Option<u64>, batch_rows: Option<u32>) -> Self {
        let rounds = match batch_rows {
            Some(rows) => rows / round_rows(table),
            None => limits::BATCH_ROWS_DEFAULT / round_rows(NexmarkTable::Bid),
        };
        let rounds = u64::from(rounds).max(1);
        let rounds = rate.map_or(rounds, |rate| (rate / 100 / ROUND).clamp(1, rounds));
        let config = NexmarkConfig { base_time: BASE_TIME_MS, ..NexmarkConfig::default() };
        let kind = match table {
            NexmarkTable::Person => EventType::Person,
            NexmarkTable::Auction => EventType::Auction,
            NexmarkTable::Bid => EventType::Bid,
        };
        let generator = EventGenerator::new(config).with_type_filter(kind);
        let name = format!("nexmark.{}", table.name()).into();
        Events { schema: Arc::new(nexmark_schema(table)), table, events, rounds, generator, name }
    }

    /// Returns the number of rows of the table.
    fn row_count(&self) -> Option<u64> {
        let (first, count) = places(self.table);
        self.events.map(|events| events / ROUND * count + (events % ROUND).saturating_sub(first).min(count))
    }

    fn block_rows(&self) -> u64 {
        self.rounds * places(self.table).1
    }

    fn columns(&self, rows: Range<u64>) -> Vec<ArrayRef> {
        let count = (rows.end - rows.start) as usize;
        let events = self.generator.clone().with_offset(rows.start).take(count);
        match self.table {
            NexmarkTable::Person => persons(events, count),
            NexmarkTable::Auction => auctions(events, count),
            NexmarkTable::Bid => bids(events, count),
        }
    }
}

impl Blocks for Events {
    const NAME: &'static str = "nexmark";
    const UNIT: &'static str = "events";

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn block_size(&self) -> u64 {
        self.rounds * ROUND
    }

    fn blocks(&self) -> Option<u64> {
        self.row_count().map(|rows| rows.div_ceil(self.block_rows()))
    }

    fn fill(&self, block: u64) -> Option<SourceRows> {
        let first = block.checked_mul(self.block_rows())?;
        let end = first.checked_add(self.block_rows())?.min(self.row_count().unwrap_or(u64::MAX));
        (first < end).then(|| SourceRows {
            columns: self.columns(first..end),
            row_count: (end - first) as usize,
            origin: Origin { name: self.name.clone(), positions: Positions::From(first) },
            failures: Vec::new(),
        })
    }
}

// Ids and prices are far below 2^63, and so are the milliseconds of event times.
fn integers(values: Vec<usize>) -> ArrayRef {
    Arc::new(values.into_iter().map(|v| v as i64).collect::<PrimitiveArray<Int64Type>>())
}

fn times(values: Vec<u64>) -> ArrayRef {
    Arc::new(PrimitiveArray::<TimestampMillisecondType>::from_iter_values(values.into_iter().map(|v| v as i64)))
}

fn persons(events: impl Iterator<Item = Event>, count: usize) -> Vec<ArrayRef> {
    let mut id = Vec::with_capacity(count);
    let [mut name, mut email, mut card, mut city, mut state, mut extra] = std::array::from_fn(|_| Texts::new(count));
    let mut time = Vec::with_capacity(count);
    for event in events {
        let Event::Person(person) = event else { continue };
        id.push(person.id);
        name.push(&person.name);
        email.push(&person.email_address);
        card.push(&person.credit_card);
        city.push(&person.city);
        state.push(&person.state);
        time.push(person.date_time);
        extra.push(&person.extra);
    }
    let [name, email, card, city, state, extra] = [name, email, card, city, state, extra].map(Texts::finish);
    vec![integers(id), name, email, card, city, state, times(time), extra]
}

fn auctions(events: impl Iterator<Item = Event>, count: usize) -> Vec<ArrayRef> {
    let [mut id, mut initial_bid, mut reserve, mut seller, mut category] =
        std::array::from_fn(|_| Vec::with_capacity(count));
    let [mut item_name, mut description, mut extra] = std::array::from_fn(|_| Texts::new(count));
    let [mut time, mut expires] = std::array::from_fn(|_| Vec::with_capacity(count));
    for event in events {
        let Event::Auction(auction) = event else { continue };
        id.push(auction.id);
        item_name.push(&auction.item_name);
        description.push(&auction.description);
        initial_bid.push(auction.initial_bid);
        reserve.push(auction.reserve);
        time.push(auction.date_time);
        expires.push(auction.expires);
        seller.push(auction.seller);
        category.push(auction.category);
        extra.push(&auction.extra);
    }
    let [id, initial_bid, reserve, seller, category] = [id, initial_bid, reserve, seller, category].map(integers);
    let [item_name, description, extra] = [item_name, description, extra].map(Texts::finish);
    vec![id, item_name, description, initial_bid, reserve, times(time), times(expires), seller, category, extra]
}

fn bids(events: impl Iterator<Item = Event>, count: usize) -> Vec<ArrayRef> {
    let [mut auction, mut bidder, mut price] = std::array::from_fn(|_| Vec::with_capacity(count));
    let [mut channel, mut url, mut extra] = std::array::from_fn(|_| Texts::new(count));
    let mut time = Vec::with_capacity(count);
    for event in events {
        let Event::Bid(bid) = event else { continue };
        auction.push(bid.auction);
        bidder.push(bid.bidder);
        price.push(bid.price);
        channel.push(&bid.channel);
        url.push(&bid.url);
        time.push(bid.date_time);
        extra.push(&bid.extra);
    }
    let [auction, bidder, price] = [auction, bidder, price].map(integers);
    let [channel, url, extra] = [channel, url, extra].map(Texts::finish);
    vec![auction, bidder, price, channel, url, times(time), extra]
}
