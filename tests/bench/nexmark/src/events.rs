//! The events that the queries read: those of the crate `nexmark`, in its own structs.

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Bid, Event, EventType};

/// Returns the benchmark's default settings, with the first event at `base_time_ms` (Unix milliseconds).
pub fn config(base_time_ms: u64) -> NexmarkConfig {
    NexmarkConfig { base_time: base_time_ms, ..NexmarkConfig::default() }
}

/// Iterates over the first `count` events that are in `tables`, in order. Of 50 events, one is a person, then follow three
/// auctions and 46 bids.
pub fn events<'a>(
    config: &NexmarkConfig,
    count: usize,
    tables: &'a [EventType],
) -> impl Iterator<Item = Event> + use<'a> {
    let generator = |table| EventGenerator::new(config.clone()).with_type_filter(table);
    let mut persons = generator(EventType::Person);
    let mut auctions = generator(EventType::Auction);
    let mut bids = generator(EventType::Bid);
    (0..count).filter_map(move |number| {
        let (table, generator) = match number % 50 {
            0 => (EventType::Person, &mut persons),
            1..=3 => (EventType::Auction, &mut auctions),
            _ => (EventType::Bid, &mut bids),
        };
        tables.contains(&table).then(|| generator.next()).flatten()
    })
}

/// Returns the bids among the first `count` events, in order.
pub fn bids(config: &NexmarkConfig, count: usize) -> Vec<Bid> {
    let bid = |event| match event {
        Event::Bid(bid) => Some(bid),
        _ => None,
    };
    events(config, count, &[EventType::Bid]).filter_map(bid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a table alone has the same rows as within all events.
    #[test]
    fn tables_apart_are_the_tables_of_all_events() {
        let config = config(0);
        let all: Vec<Event> = EventGenerator::new(config.clone()).take(1_234).collect();
        for tables in [&[EventType::Person][..], &[EventType::Auction, EventType::Bid]] {
            let expected: Vec<_> = all.iter().filter(|e| tables.contains(&e.event_type())).cloned().collect();
            assert_eq!(events(&config, 1_234, tables).collect::<Vec<_>>(), expected);
        }
    }
}
