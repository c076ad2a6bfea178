//! Events: those of the crate `nexmark`, however they are divided, held or written.

use std::path::Path;
use std::sync::Arc;

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::Event;
use proptest::prelude::*;

use super::source;
use crate::source::{Poll, Source, SourceRows, Split};
use crate::test_reading::{Alarm, Outcome, read_split, rows_of};

const TABLES: [&str; 3] = ["person", "auction", "bid"];

fn open(settings: serde_json::Value) -> Box<dyn Source> {
    source(&serde_json::from_value(settings).unwrap(), Path::new("/")).unwrap()
}

fn all_rows(settings: serde_json::Value, splits: usize) -> Vec<(u64, String)> {
    let source = open(settings);
    let splits = source.splits(splits).unwrap();
    let mut rows: Vec<_> = splits.iter().flat_map(|split| read_split(&*source, &split.0, None).rows).collect();
    rows.sort();
    rows
}

/// Returns the rows of a table by the crate's generator over all tables, one event at a time.
fn naive(table: &str, events: usize) -> Vec<(u64, String)> {
    let time = |ms: u64| {
        let mut text = Vec::new();
        assert!(crate::instant::write_rfc3339(ms as i64, &mut text));
        String::from_utf8(text).unwrap()
    };
    let config = NexmarkConfig { base_time: 1_767_225_600_000, ..NexmarkConfig::default() };
    let rows = EventGenerator::new(config).take(events).filter_map(|event| match event {
        Event::Person(p) if table == "person" => Some(serde_json::json!({
            "id": p.id, "name": p.name, "email_address": p.email_address, "credit_card": p.credit_card, "city": p.city,
            "state": p.state, "date_time": time(p.date_time), "extra": p.extra,
        })),
        Event::Auction(a) if table == "auction" => Some(serde_json::json!({
            "id": a.id, "item_name": a.item_name, "description": a.description, "initial_bid": a.initial_bid,
            "reserve": a.reserve, "date_time": time(a.date_time), "expires": time(a.expires), "seller": a.seller,
            "category": a.category, "extra": a.extra,
        })),
        Event::Bid(b) if table == "bid" => Some(serde_json::json!({
            "auction": b.auction, "bidder": b.bidder, "price": b.price, "channel": b.channel, "url": b.url,
            "date_time": time(b.date_time), "extra": b.extra,
        })),
        _ => None,
    });
    (0..).zip(rows.map(|row| row.to_string())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn rows_are_the_crates_for_any_division(events in 1usize..700, batch_rows in 46u32..200, splits in 1usize..5) {
        for table in TABLES {
            for preload in [false, true] {
                let settings = serde_json::json!({
                    "table": table, "events": events, "batch_rows": batch_rows, "preload": preload
                });
                prop_assert_eq!(all_rows(settings, splits), naive(table, events), "{}", table);
            }
        }
    }

    #[test]
    fn a_position_is_exact(batch_rows in 46u32..100, before in 0usize..4, preload: bool) {
        let source = open(serde_json::json!({
            "table": "bid", "events": 500, "batch_rows": batch_rows, "preload": preload
        }));
        source.splits(2).unwrap();
        let alarm = Alarm::new();
        let mut reader = source.open(&Split("1/2".into()), None, alarm.waker()).unwrap();
        let mut rows = Vec::new();
        for _ in 0..before {
            if let Poll::Rows(batch) = reader.poll().unwrap() {
                rows.extend(rows_of(&source.schema(), &batch));
            }
        }
        rows.extend(read_split(&*source, "1/2", Some(&reader.position())).rows);
        prop_assert_eq!(rows, read_split(&*source, "1/2", None).rows);
    }
}

fn first_batch(source: &dyn Source) -> SourceRows {
    source.splits(1).unwrap();
    match source.open(&Split("0/1".into()), None, Alarm::new().waker()).unwrap().poll().unwrap() {
        Poll::Rows(rows) => rows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn batches_of_all_tables_are_of_the_same_stretch_of_events() {
    let counts = TABLES.map(|table| first_batch(&*open(serde_json::json!({ "table": table }))).row_count);
    assert_eq!(counts, [178, 534, 8_188]);
    let asked =
        TABLES.map(|table| first_batch(&*open(serde_json::json!({ "table": table, "batch_rows": 100 }))).row_count);
    assert_eq!(asked, [100, 99, 92]);
    let slow = TABLES.map(|table| first_batch(&*open(serde_json::json!({ "table": table, "rate": 20_000 }))).row_count);
    assert_eq!(slow, [4, 12, 184]);
}

/// Two jobs of a process that preload the same rows share them.
#[test]
fn preloaded_rows_are_shared() {
    let settings = serde_json::json!({ "table": "auction", "events": 12_345, "preload": true });
    let [one, two] = [open(settings.clone()), open(settings)].map(|source| first_batch(&*source));
    assert!(one.columns.iter().zip(&two.columns).all(|(a, b)| Arc::ptr_eq(a, b)));
    let other = open(serde_json::json!({ "table": "auction", "events": 12_346, "preload": true }));
    assert!(!Arc::ptr_eq(&one.columns[0], &first_batch(&*other).columns[0]));
}

/// Returns the rows of a table in a file of these lines.
fn read_lines(table: &str, lines: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    std::fs::write(&path, lines).unwrap();
    let read = |preload: bool| {
        let source = open(serde_json::json!({ "table": table, "path": path, "preload": preload }));
        let splits = source.splits(1).unwrap();
        read_split(&*source, &splits[0].0, None)
    };
    let (read, preloaded) = (read(false), read(true));
    assert_eq!((&read.rows, &read.failures), (&preloaded.rows, &preloaded.failures));
    read
}

const BID: &str =
    r#"{"auction":1,"bidder":2,"price":3,"channel":"c","url":"u","date_time":"1970-01-01T00:00:01.500Z","extra":"e"}"#;

#[test]
fn every_way_to_write_a_bid() {
    for line in [
        r#"{"Bid":{"auction":1,"bidder":2,"price":3,"channel":"c","url":"u","date_time":1500,"extra":"e"}}"#,
        r#"{"event_type":2,"person":null,"auction":null,"bid":{"extra":"e","auction":1,"bidder":2,"price":3,"channel":"c","url":"u","dateTime":"1970-01-01 00:00:01.500"}}"#,
        r#"{"bid":{"auction":1,"bidder":2,"price":3,"channel":"c","url":"u","dateTime":"1970-01-01T01:00:01.5+01:00","extra":"e","more":[1]},"event_type":"Bid","x":{}}"#,
        r#"{"person":{},"bid":{"auction":1,"bidder":2,"price":3,"channel":"c","url":"u","dateTime":"1970-01-01T00:00:01.500","extra":"e"},"type":2}"#,
    ] {
        let outcome = read_lines("bid", line);
        assert_eq!((&outcome.rows[..], &outcome.failures[..]), (&[(1, BID.to_string())][..], &[][..]), "{line}");
    }
}

#[test]
fn other_tables_are_skipped_and_broken_lines_are_failures_with_their_place() {
    let bid = format!("{{\"Bid\":{BID}}}");
    let no_extra = bid.replace(",\"extra\":\"e\"", "");
    let lines = [
        &bid[..],
        "",
        r#"{"Person":{"id":1}}"#,
        r#"{"event_type":0,"bid":{"auction":1},"person":{}}"#,
        "{",
        r#"{"event_type":2,"bid":null}"#,
        r#"{"event_type":7}"#,
        r#"{"Bid":{"auction":1}}"#,
        r#"{"bid":{"auction":"x"}}"#,
        r#"{"bid":{"price":1,"price":2}}"#,
        r#"{"bid":{"date_time":"yesterday"}}"#,
        r#"{"bid":7}"#,
        r#"{"n":1}"#,
        r#"{"Bid":{},"Auction":{}}"#,
        &no_extra,
    ];
    let outcome = read_lines("bid", &lines.join("\n"));
    let places: Vec<u64> = outcome.rows.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [1, 15]);
    assert!(outcome.rows[1].1.ends_with(r#""extra":""}"#));
    let failures: Vec<_> = outcome.failures.iter().map(|f| (f.position, &f.message[..])).collect();
    assert_eq!(failures.len(), 10);
    for ((position, message), (place, part)) in failures.into_iter().zip([
        (5, "not a JSON object"),
        (6, "the event is said to be a bid, and has none"),
        (7, "the event's type is 7; it must be 0 (person), 1 (auction) or 2 (bid)"),
        (8, "`bidder` is missing in the bid"),
        (9, "column `auction`: expected int64, found the text `x`"),
        (10, "`price` is given twice"),
        (11, "`yesterday` is not a timestamp"),
        (12, "an object with the event's columns"),
        (13, "the event has no `person`, `auction` or `bid`"),
        (14, "the event is of several tables"),
    ]) {
        assert_eq!(position, place);
        assert!(message.contains(part), "{message}");
    }
}

/// A batch ends after a stretch of input even if no row is in it, so that a poll stays short.
#[test]
fn a_long_stretch_of_other_tables_does_not_stop_a_reader() {
    let bid = format!("{{\"Bid\":{BID}}}\n");
    let lines = bid.repeat(30_000)
        + r#"{"Person":{"id":1,"name":"n","email_address":"","credit_card":"","city":"","state":"","date_time":0}}"#;
    let outcome = read_lines("person", &lines);
    assert_eq!((outcome.rows.len(), outcome.rows[0].0, outcome.failures.len()), (1, 30_001, 0));
}

#[test]
fn what_is_wrong_is_said_at_once() {
    let wrong = |settings: serde_json::Value| {
        crate::problem::listed(&source(&serde_json::from_value(settings).unwrap(), Path::new("/")).err().unwrap())
    };
    let all = wrong(serde_json::json!({ "table": "bid", "events": 0, "rate": 0, "batch_rows": 45 }));
    assert!(all.contains("`batch_rows` is 45; it must be between 46 (the bids of 50 events)"), "{all}");
    let person = wrong(serde_json::json!({ "table": "person", "events": 0, "batch_rows": 0 }));
    assert!(person.contains("`batch_rows` is 0; it must be between 1 (the persons of 50 events)"), "{person}");
    assert!(all.contains("`events` is 0") && all.contains("`rate` is 0"), "{all}");
    assert!(wrong(serde_json::json!({ "table": "bid", "preload": true })).starts_with("`preload` needs `events`"));
    let path = wrong(serde_json::json!({ "table": "bid", "path": "x", "rate": 1, "events": 1 }));
    assert!(path.contains("`events` goes with made events") && path.contains("`rate` goes with made events"), "{path}");
    assert!(wrong(serde_json::json!({ "table": "bid", "path": "" })).contains("`path` is empty"));
}
