//! The queries, their bounds, and their loops over events in memory.

use std::hint::black_box;

use nexmark::event::{Bid, Event, EventType};
use nexmark_models::{events, native};

use crate::nexmark_cost::{Cost, Meter};

/// A loop, by its input.
#[derive(Clone, Copy)]
pub(crate) enum Native {
    /// Bids.
    Bids(fn(&[Bid])),
    /// Events of some tables.
    Tables(&'static [EventType], fn(&[Event])),
}

/// The bounds for one worker.
pub(crate) struct Bound {
    pub events_per_second: Option<f64>,
}

/// A query.
pub(crate) struct Case {
    pub query: &'static str,
    pub bound: Bound,
    pub native: Native,
}

const PEOPLE: &[EventType] = &[EventType::Person, EventType::Auction];
const TRADE: &[EventType] = &[EventType::Auction, EventType::Bid];

const fn case(query: &'static str, millions: f64, native: Native) -> Case {
    let events_per_second = if millions > 0.0 { Some(millions * 1e6) } else { None };
    Case { query, bound: Bound { events_per_second }, native }
}

/// Results are passed to `black_box`, and dropped.
macro_rules! forgetting {
    ($query:ident) => {
        |events| native::$query(events, &mut |row| _ = black_box(row))
    };
}

/// Queries with the same events are next to each other: events are held once.
pub(crate) const CASES: [Case; 13] = [
    case("q0", 20.0, Native::Bids(forgetting!(q0))),
    case("q1", 20.0, Native::Bids(forgetting!(q1))),
    case("q2", 20.0, Native::Bids(forgetting!(q2))),
    case("q5", 10.0, Native::Bids(forgetting!(q5))),
    case("q7", 10.0, Native::Bids(forgetting!(q7))),
    case("q11", 8.0, Native::Bids(forgetting!(q11))),
    case("q12", 10.0, Native::Bids(forgetting!(q12))),
    case("q14", 0.0, Native::Bids(forgetting!(q14))),
    case("q15", 0.0, Native::Bids(forgetting!(q15))),
    case("q3", 8.0, Native::Tables(PEOPLE, forgetting!(q3))),
    case("q8", 8.0, Native::Tables(PEOPLE, forgetting!(q8))),
    case("q4", 2.0, Native::Tables(TRADE, forgetting!(q4))),
    case("q9", 2.0, Native::Tables(TRADE, forgetting!(q9))),
];

/// The events of the loops: structs in memory.
pub(crate) enum Events {
    None,
    Bids(Vec<Bid>),
    Tables(&'static [EventType], Vec<Event>),
}

/// The time of the source's first event: 2026-01-01T00:00:00Z.
const BASE_TIME_MS: u64 = 1_767_225_600_000;

impl Events {
    /// Creates a set without events.
    pub(crate) fn none() -> Self {
        Events::None
    }

    /// Generates the input of a loop, and frees other events, unless it is there or `wanted` is false.
    pub(crate) fn hold(&mut self, native: Native, count: u64, wanted: bool) {
        let there = match (&*self, native) {
            (Events::Bids(_), Native::Bids(_)) => true,
            (Events::Tables(tables, _), Native::Tables(others, _)) => *tables == others,
            _ => false,
        };
        if there || !wanted {
            return;
        }
        *self = Events::None;
        let config = events::config(BASE_TIME_MS);
        *self = match native {
            Native::Bids(_) => Events::Bids(events::bids(&config, count as usize)),
            Native::Tables(tables, _) => {
                Events::Tables(tables, events::events(&config, count as usize, tables).collect())
            }
        };
    }

    /// Runs a loop.
    pub(crate) fn run(&self, native: &Native) -> Cost {
        let meter = Meter::start();
        match (self, native) {
            (Events::Bids(bids), Native::Bids(run)) => run(black_box(bids)),
            (Events::Tables(_, events), Native::Tables(_, run)) => run(black_box(events)),
            _ => unreachable!("the events of the loop are held"),
        }
        meter.stop()
    }
}
