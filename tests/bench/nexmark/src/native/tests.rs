//! The loops emit what the naive model returns.

use std::fmt::Debug;

use nexmark::EventGenerator;
use nexmark::event::{Bid, Event};

use super::*;
use crate::events::config;
use crate::model::Tables;

/// Enough for several windows, sessions that end, and auctions that expire.
const EVENTS: usize = 300_000;

/// Two days begin within the events.
const BASE_TIME_MS: u64 = 1_767_225_590_000;

fn sorted<R: Debug>(rows: Vec<R>) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort_unstable();
    rows
}

/// Checks that a loop emits the model's rows, in some order.
macro_rules! same {
    ($query:ident, $events:expr, $tables:expr) => {{
        let mut rows = Vec::new();
        $query($events, &mut |row| rows.push(row));
        let (rows, expected) = (sorted(rows), sorted($tables.$query()));
        let differs = rows.iter().zip(&expected).find(|(row, expected)| row != expected);
        assert!(
            rows == expected,
            "{}: {} rows, {} expected: {differs:?}",
            stringify!($query),
            rows.len(),
            expected.len()
        );
        assert!(!rows.is_empty(), "{} emits nothing", stringify!($query));
    }};
}

#[test]
fn the_loops_emit_what_the_model_returns() {
    let events: Vec<Event> = EventGenerator::new(config(BASE_TIME_MS)).take(EVENTS).collect();
    let bids: Vec<Bid> =
        events.iter().filter_map(|e| if let Event::Bid(b) = e { Some(b.clone()) } else { None }).collect();
    let tables = Tables::of(&events);
    same!(q0, &bids, tables);
    same!(q1, &bids, tables);
    same!(q2, &bids, tables);
    same!(q3, &events, tables);
    same!(q4, &events, tables);
    same!(q5, &bids, tables);
    same!(q8, &events, tables);
    same!(q9, &events, tables);
    same!(q11, &bids, tables);
    same!(q12, &bids, tables);
    same!(q14, &bids, tables);
    same!(q15, &bids, tables);
}

/// Of equal bids the loop emits the first, the model returns all.
#[test]
fn highest_bids_are_among_the_model_s() {
    let events: Vec<Event> = EventGenerator::new(config(BASE_TIME_MS)).take(EVENTS).collect();
    let bids: Vec<Bid> =
        events.iter().filter_map(|e| if let Event::Bid(b) = e { Some(b.clone()) } else { None }).collect();
    let mut rows = Vec::new();
    q7(&bids, &mut |row| rows.push(row));
    let mut all = Tables::of(&events).q7();
    assert!(rows.iter().all(|row| all.contains(row)), "{rows:?} {all:?}");
    all.dedup_by_key(|row| row.window_end);
    assert_eq!(rows.len(), all.len(), "one for each window");
}
